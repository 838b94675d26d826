const SESSION_API = /^\/t\/[^/]+\/auth\/.+$/;

/** Where Tokenhouse listens, as this server reaches it. Browsers never see the address. */
function tokenhouse(): string {
  return process.env.TOKENHOUSE_URL ?? "http://localhost:8080";
}

/** The upstream address of a call of the session API; `null` for every other path. */
export function sessionApiUrl(pathname: string, search: string): URL | null {
  if (!SESSION_API.test(pathname)) return null;
  const url = new URL(tokenhouse());
  url.pathname = pathname;
  url.search = search;
  return url;
}

/** The address of a tenant's metadata, which exists exactly when the tenant serves. */
export function metadataUrl(tenant: string): URL {
  return new URL(`/t/${tenant}/.well-known/openid-configuration`, tokenhouse());
}
