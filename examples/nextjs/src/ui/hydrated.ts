"use client";

import { useSyncExternalStore } from "react";

const never = () => () => undefined;

/**
 * Whether scripts run already. Until then a form must not be sent: the browser itself would, and put
 * the password into a request for a page.
 */
export function useHydrated(): boolean {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}
