import { QueryClient } from "@tanstack/react-query";

import { failureOf } from "@/api/failure";
import { createSessionClient, type SessionClient } from "@/api/session-client";

import { createSessionStore, type SessionStore } from "./store";

/** Everything a browser knows of its session at one tenant. Nothing in it is shared between tenants. */
export interface TenantSession {
  tenant: string;
  api: SessionClient;
  store: SessionStore;
  queries: QueryClient;
  /** Connects it to the other tabs, until the returned function is called. */
  connect: () => () => void;
}

const RETRIES = 2;
/** How often a call is tried again whose server can't be reached, in milliseconds. */
const RECOVERY_INTERVAL = 3_000;

export function createTenantSession(tenant: string): TenantSession {
  const store = createSessionStore(tenant);
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        // A refusal stays one; a lost connection may come back.
        retry: (failures, error) =>
          failures < RETRIES && failureOf(error).kind === "unreachable",
        retryDelay: (failures) => 300 * 2 ** failures,
        refetchInterval: ({ state }) =>
          state.status === "error" && failureOf(state.error).kind === "unreachable"
            ? RECOVERY_INTERVAL
            : false,
      },
    },
  });
  const api = createSessionClient(tenant, {
    onEnded: () => store.leave("ended"),
    onSignInElsewhere: () => void queries.invalidateQueries(),
  });

  return {
    tenant,
    api,
    store,
    queries,
    connect: () => {
      const stops = [
        api.listen(),
        store.subscribe(({ isSignedIn }, before) => {
          // Whoever signs in next must not see a flash of the one before.
          if (before.isSignedIn && !isSignedIn) queries.clear();
        }),
        store.connect(),
      ];
      return () => stops.forEach((stop) => stop());
    },
  };
}
