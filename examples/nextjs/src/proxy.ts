import { type NextRequest, NextResponse } from "next/server";

import { sessionApiUrl } from "@/tenant/server-address";

/**
 * Two things happen to a request before a page sees it:
 *
 * 1. The session API of Tokenhouse, and nothing else of it, appears under this application's own
 *    origin. Its cookies are first-party then, no CORS is needed, and `SameSite=Strict` holds.
 * 2. Pages get a content security policy with a nonce of their own: no script but Next's runs.
 *
 * The address is read per request, not at build time: one build serves every environment.
 */
export function proxy(request: NextRequest): NextResponse {
  const upstream = sessionApiUrl(request.nextUrl.pathname, request.nextUrl.search);
  if (upstream) return NextResponse.rewrite(upstream);

  const nonce = btoa(crypto.randomUUID());
  const policy = contentSecurityPolicy(nonce);
  const headers = new Headers(request.headers);
  // Next reads the nonce for its own scripts from here.
  headers.set("Content-Security-Policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  return response;
}

export const config = { matcher: "/((?!_next/static|icon.svg).*)" };

function contentSecurityPolicy(nonce: string): string {
  // The development server evaluates modules and injects styles.
  const development = process.env.NODE_ENV === "development";
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ""}`,
    `style-src 'self' ${development ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
    // Users bring their pictures from anywhere.
    "img-src 'self' data: https:",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; ");
}
