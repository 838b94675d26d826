"use client";

import { useRouter } from "next/navigation";
import { type ReactNode, useEffect } from "react";

import { showToast } from "@/ui/toasts";

import { usePresence, useTenantSession } from "./provider";
import type { Farewell } from "./store";

const FAREWELLS: Record<Farewell, string> = {
  "signed-out": "You’re signed out.",
  "signed-out-elsewhere": "You signed out in another tab.",
  ended: "Your session has ended. Please sign in again.",
};

interface GateProps {
  children: ReactNode;
  /** What is seen while nobody knows, and on the way to another page. */
  meanwhile: ReactNode;
}

/** Shows its children to whoever is signed in, and takes everybody else to the login page. */
export function SignedIn({ children, meanwhile }: GateProps) {
  const { tenant, store } = useTenantSession();
  const presence = usePresence();
  const router = useRouter();
  useEffect(() => {
    if (presence !== "signed-out") return;
    const { farewell } = store.getState();
    if (farewell) {
      showToast("note", FAREWELLS[farewell]);
      store.setState({ farewell: null });
    }
    router.replace(`/${tenant}/login`);
  }, [presence, router, store, tenant]);
  return presence === "signed-in" ? children : meanwhile;
}

/** Shows its children to whoever isn't signed in, and takes everybody else home. */
export function SignedOut({ children, meanwhile }: GateProps) {
  const { tenant } = useTenantSession();
  const presence = usePresence();
  const router = useRouter();
  useEffect(() => {
    if (presence === "signed-in") router.replace(`/${tenant}`);
  }, [presence, router, tenant]);
  // The form is shown while nobody knows: most people who come here want it.
  return presence === "signed-in" ? meanwhile : children;
}
