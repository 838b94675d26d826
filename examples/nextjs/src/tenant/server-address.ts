import "server-only";

/**
 * Where Tokenhouse listens, as this server reaches it. Read for each request, not when the application
 * is built: one build serves every environment. Browsers never see it.
 */
function tokenhouse(): string {
  return process.env.TOKENHOUSE_URL ?? "http://localhost:8080";
}

/** The address of a call of the session API, whose path is the same here and there. */
export function sessionApiUrl(pathname: string, search: string): URL {
  const url = new URL(tokenhouse());
  url.pathname = pathname;
  url.search = search;
  return url;
}

/** The address of a tenant's metadata, which exists exactly when the tenant serves. */
export function metadataUrl(tenant: string): URL {
  return new URL(`/t/${tenant}/.well-known/openid-configuration`, tokenhouse());
}
