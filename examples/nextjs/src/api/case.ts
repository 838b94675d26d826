/**
 * snake_case on the wire, camelCase in the interface: the one place where one becomes the other,
 * for values and for their types alike.
 */

type CamelKey<Key> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelKey<Tail>>}`
  : Key;

type SnakeKey<Key> = Key extends `${infer Head}${infer Tail}`
  ? Tail extends Uncapitalize<Tail>
    ? `${Lowercase<Head>}${SnakeKey<Tail>}`
    : `${Lowercase<Head>}_${SnakeKey<Uncapitalize<Tail>>}`
  : Key;

/** A type of the wire as the interface has it. */
export type Camel<T> = T extends readonly (infer Item)[]
  ? Camel<Item>[]
  : T extends object
    ? { [Key in keyof T as CamelKey<Key>]: Camel<T[Key]> }
    : T;

/** A type of the interface as the wire has it. */
export type Snake<T> = T extends readonly (infer Item)[]
  ? Snake<Item>[]
  : T extends object
    ? { [Key in keyof T as SnakeKey<Key>]: Snake<T[Key]> }
    : T;

export const camelKey = (key: string): string =>
  key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const snakeKey = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** An answer of the wire for the interface. */
export function camel<T>(value: T): Camel<T> {
  return renamed(value, camelKey) as Camel<T>;
}

/** What the interface has to say, for the wire. */
export function snake<T>(value: T): Snake<T> {
  return renamed(value, snakeKey) as Snake<T>;
}

function renamed(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => renamed(item, rename));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [rename(key), renamed(member, rename)]),
  );
}
