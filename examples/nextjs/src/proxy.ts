import { type NextRequest, NextResponse } from "next/server";

/** Gives each page a content security policy with a nonce of its own: no script but Next's runs. */
export function proxy(request: NextRequest): NextResponse {
  const policy = contentSecurityPolicy(btoa(crypto.randomUUID()));
  const headers = new Headers(request.headers);
  // Next reads the nonce for its own scripts from here.
  headers.set("Content-Security-Policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  return response;
}

export const config = { matcher: "/((?!_next/static|icon.svg|t/[^/]+/auth/).*)" };

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
    // Next's own overlay has fonts; the application has none.
    ...(development ? ["font-src 'self'"] : []),
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; ");
}
