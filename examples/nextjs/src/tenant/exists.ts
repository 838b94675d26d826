import "server-only";

import { metadataUrl } from "./server-address";

/** Seconds for which an answer counts: tenants come and go rarely. */
const FRESH = 60;

/**
 * Whether a tenant exists and serves. When Tokenhouse doesn't answer, nobody knows: the page is
 * shown then, and its forms say what is wrong and recover by themselves.
 */
export async function tenantExists(tenant: string): Promise<boolean> {
  try {
    const answer = await fetch(metadataUrl(tenant), {
      next: { revalidate: FRESH },
      signal: AbortSignal.timeout(2_000),
    });
    return answer.status !== 404;
  } catch {
    return true;
  }
}
