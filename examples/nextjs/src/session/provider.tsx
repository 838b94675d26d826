"use client";

import { QueryClientProvider } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useEffect, useState } from "react";
import { useStore } from "zustand";

import { createTenantSession, type TenantSession } from "./tenant-session";

const Context = createContext<TenantSession | null>(null);

/** Gives the pages below it their tenant's session. Key it by tenant: another tenant, another session. */
export function TenantSessionProvider({ tenant, children }: { tenant: string; children: ReactNode }) {
  const [session] = useState(() => createTenantSession(tenant));
  useEffect(() => session.connect(), [session]);
  return (
    <Context value={session}>
      <QueryClientProvider client={session.queries}>{children}</QueryClientProvider>
    </Context>
  );
}

export function useTenantSession(): TenantSession {
  const session = use(Context);
  if (!session) throw new Error("a page of a tenant is shown outside its TenantSessionProvider");
  return session;
}

export type Presence = "unknown" | "signed-in" | "signed-out";

/** Whether somebody is signed in here; unknown on the server and for the first moment in a browser. */
export function usePresence(): Presence {
  const { store } = useTenantSession();
  const isSignedIn = useStore(store, (state) => state.isSignedIn);
  const isKnown = useStore(store, (state) => state.isKnown);
  if (!isKnown) return "unknown";
  return isSignedIn ? "signed-in" : "signed-out";
}
