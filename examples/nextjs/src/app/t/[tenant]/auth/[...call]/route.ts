import { sessionApiUrl } from "@/tenant/server-address";

/**
 * Tokenhouse's session API under this application's own origin: its cookies are first-party here, no
 * CORS is needed, and `SameSite=Strict` holds. Nothing else of Tokenhouse appears: its pages, tokens
 * and keys stay at its own address.
 *
 * A rewrite would do the same, but its target is fixed when the application is built, or shows in
 * `x-middleware-rewrite`. In production, the load balancer may as well send these paths to Tokenhouse
 * itself, and this file has nothing to do.
 */
async function forward(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const sends = request.method !== "GET" && request.body !== null;
  try {
    const answer = await fetch(sessionApiUrl(pathname, search), {
      method: request.method,
      headers: picked(request.headers, ASKED),
      signal: request.signal,
      redirect: "manual",
      cache: "no-store",
      // A stream can be sent only while nothing is read back.
      ...(sends && { body: request.body, duplex: "half" }),
    });
    return new Response(answer.body, {
      status: answer.status,
      headers: picked(answer.headers, ANSWERED),
    });
  } catch {
    return new Response("Tokenhouse does not answer.", {
      status: 502,
      headers: { "Cache-Control": "no-store" },
    });
  }
}

export { forward as DELETE, forward as GET, forward as PATCH, forward as POST };

/** `Origin` and `Sec-Fetch-Site` are what protects the cookies: Tokenhouse has to see them. */
const ASKED = [
  "accept",
  "content-type",
  "cookie",
  "origin",
  "sec-fetch-site",
  "user-agent",
  "x-forwarded-for",
];

const ANSWERED = [
  "cache-control",
  "content-type",
  "retry-after",
  "set-cookie",
  "www-authenticate",
  "x-request-id",
];

function picked(headers: Headers, names: readonly string[]): Headers {
  // Iterated over, so that each `Set-Cookie` stays a line of its own.
  const picked = new Headers();
  for (const [name, value] of headers) {
    if (names.includes(name)) picked.append(name, value);
  }
  return picked;
}
