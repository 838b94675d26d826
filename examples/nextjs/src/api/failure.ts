import { ZodError } from "zod";

import { camelKey } from "./case";
import { zProblem } from "./generated/zod.gen";

/**
 * Why a call came to nothing, for the interface.
 *
 * - `refused`: the server answered with a problem document (RFC 9457).
 * - `unreachable`: nobody answered, or somebody in between did.
 * - `unexpected`: the answer isn't what the document promises.
 */
export type Failure =
  | {
      kind: "refused";
      status: number;
      /** The last part of the problem's type, such as `email-taken`. */
      problem: string;
      title: string;
      detail: string;
      /** What is wrong with which member, by its name in the interface. */
      fields: Readonly<Record<string, string>>;
    }
  | { kind: "unreachable" }
  | { kind: "unexpected" };

/** Reads whatever a call threw. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ZodError) return { kind: "unexpected" };
  const { success, data } = zProblem.safeParse(error);
  // A network error, or the words of a gateway that found nobody behind it.
  if (!success) return { kind: "unreachable" };
  // Overloaded, or a store is down: nothing that the user can mend but by trying again.
  if (data.status === 503) return { kind: "unreachable" };
  return {
    kind: "refused",
    status: data.status,
    problem: data.type.slice(data.type.lastIndexOf("/") + 1),
    title: data.title,
    detail: data.detail,
    fields: Object.fromEntries(
      (data.errors ?? []).map(({ pointer, detail }) => [memberOf(pointer), detail]),
    ),
  };
}

/** `/avatar_url` is `avatarUrl` here (RFC 6901; no name has a character that needs escaping). */
function memberOf(pointer: string): string {
  return camelKey(pointer.split("/")[1] ?? "");
}

/** A sentence for people. */
export function describe(failure: Failure): string {
  switch (failure.kind) {
    case "refused":
      return `${failure.title}. ${failure.detail}`;
    case "unreachable":
      return "We can’t reach the server right now. Check your connection, or try again in a moment.";
    case "unexpected":
      return "The server answered something this page doesn’t understand. Reload the page and try again.";
  }
}
