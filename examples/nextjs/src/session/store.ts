import { persist } from "zustand/middleware";
import { createStore, type StoreApi } from "zustand/vanilla";

/** Why nobody is signed in any more. */
export type Farewell = "signed-out" | "ended" | "signed-out-elsewhere";

export interface SessionState {
  /**
   * A hint, not a proof: the tokens are in cookies that no script can read. It decides which page to
   * show first; what a user may see, the server decides. The only member that is stored.
   */
  isSignedIn: boolean;
  /** Whether the hint has been read. On the server, and for a moment in browsers, nobody knows. */
  isKnown: boolean;
  farewell: Farewell | null;
}

export interface SessionStore extends StoreApi<SessionState> {
  enter: () => void;
  leave: (farewell: Farewell) => void;
  /** Reads what this browser remembers, and follows other tabs until the returned function is called. */
  connect: () => () => void;
}

/** One store a tenant, so that signing out of one says nothing about another. */
export function createSessionStore(tenant: string): SessionStore {
  const name = `tokenhouse-example:${tenant}`;
  const store = createStore<SessionState>()(
    persist((): SessionState => ({ isSignedIn: false, isKnown: false, farewell: null }), {
      name,
      partialize: ({ isSignedIn }) => ({ isSignedIn }),
      skipHydration: true,
      merge: (stored, current) => merged(stored, current),
    }),
  );
  const follow = ({ key }: StorageEvent) => {
    if (key === name) void store.persist.rehydrate();
  };

  return {
    ...store,
    enter: () => store.setState({ isSignedIn: true, farewell: null }),
    leave: (farewell) => store.setState({ isSignedIn: false, farewell }),
    connect: () => {
      window.addEventListener("storage", follow);
      void store.persist.rehydrate();
      return () => window.removeEventListener("storage", follow);
    },
  };
}

/** The state after the stored hint was read: at the start, or because another tab changed it. */
function merged(stored: unknown, { isSignedIn, farewell }: SessionState): SessionState {
  const now = isHint(stored) ? stored.isSignedIn : isSignedIn;
  return {
    isSignedIn: now,
    isKnown: true,
    farewell: isSignedIn && !now ? "signed-out-elsewhere" : farewell,
  };
}

/** Anybody with the developer tools can have written it. */
function isHint(value: unknown): value is Pick<SessionState, "isSignedIn"> {
  return (
    typeof value === "object" &&
    value !== null &&
    "isSignedIn" in value &&
    typeof value.isSignedIn === "boolean"
  );
}
