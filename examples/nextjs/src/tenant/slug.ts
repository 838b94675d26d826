/** What Tokenhouse accepts as the slug of a tenant. */
const SLUG = /^[a-z0-9](-?[a-z0-9]){0,62}$/;

export function isSlug(text: string): boolean {
  return text.length <= 63 && SLUG.test(text);
}

/** How a tenant is called here: the session API tells an application no more than the slug. */
export function displayName(slug: string): string {
  return slug
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

/** How many accents `globals.css` knows. */
const ACCENTS = 6;

/** A colour for a tenant, always the same, so that people see at a glance where they are. */
export function accentOf(slug: string): number {
  let sum = 7;
  for (const character of slug) sum = (sum * 31 + character.charCodeAt(0)) % 9973;
  return sum % ACCENTS;
}
