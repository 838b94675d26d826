"use client";

import { describe, failureOf } from "@/api/failure";
import { useLogout } from "@/session/hooks";
import { usePresence } from "@/session/provider";
import { Button } from "@/ui/button";
import { Icon } from "@/ui/icon";
import { dismissProblems, showToast } from "@/ui/toasts";

import styles from "./home.module.css";

export function SignOutButton() {
  const { mutate: logout, isPending } = useLogout();
  const presence = usePresence();
  return (
    <Button
      look="quiet"
      className={styles.signOut}
      isPending={isPending}
      pendingText="Signing out…"
      disabled={presence !== "signed-in"}
      onClick={() => {
        dismissProblems();
        logout(undefined, {
          onError: (error) =>
            showToast("problem", `You’re still signed in. ${describe(failureOf(error))}`),
        });
      }}
    >
      <Icon name="sign-out" />
      Sign out
    </Button>
  );
}
