"use client";

import { describe, failureOf } from "@/api/failure";
import { useCurrentUser } from "@/session/hooks";
import { Alert } from "@/ui/alert";
import { Button } from "@/ui/button";

import { AccountCard } from "./account-card";
import { AppsCard } from "./apps-card";
import { Greeting } from "./greeting";
import styles from "./home.module.css";
import { ProfileCard } from "./profile-card";
import { GreetingSkeleton } from "./skeleton";

/** What a user sees of itself. The three cards ask at the same time. */
export function Home({ tenantName }: { tenantName: string }) {
  const { data: user, error, refetch, isFetching } = useCurrentUser();
  const trouble = error && <Alert>{describe(failureOf(error))}</Alert>;
  if (trouble && !user) {
    return (
      <div className={styles.trouble}>
        <h1>Your account</h1>
        {trouble}
        <Button onClick={() => void refetch()} isPending={isFetching} pendingText="Trying…">
          Try again
        </Button>
      </div>
    );
  }
  return (
    <>
      {/* What is known stays on the page while the server can't be reached. */}
      {trouble}
      {user ? <Greeting user={user} tenantName={tenantName} /> : <GreetingSkeleton />}
      <div className={styles.cards}>
        <AccountCard user={user} />
        <ProfileCard />
        <AppsCard />
      </div>
    </>
  );
}
