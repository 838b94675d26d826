"use client";

import { describe, failureOf } from "@/api/failure";
import { type ConnectedApp, useConnectedApps, useDisconnectApp } from "@/session/hooks";
import { Alert } from "@/ui/alert";
import { Button } from "@/ui/button";
import { dismissProblems, showToast } from "@/ui/toasts";

import styles from "./apps-card.module.css";
import { Bars, Card } from "./card";

export function AppsCard() {
  const { data: apps, error } = useConnectedApps();
  return (
    <Card title="Connected apps" icon="apps">
      {apps ? (
        <Apps apps={apps} />
      ) : error ? (
        <Alert>{describe(failureOf(error))}</Alert>
      ) : (
        <Bars count={3} />
      )}
    </Card>
  );
}

function Apps({ apps }: { apps: ConnectedApp[] }) {
  if (apps.length === 0) {
    return (
      <p className={styles.empty}>
        No application may see your account. When you allow one to, it is listed here, and you can
        change your mind.
      </p>
    );
  }
  return (
    <ul className={styles.apps}>
      {apps.map((app) => (
        <App key={app.clientId} app={app} />
      ))}
    </ul>
  );
}

function App({ app }: { app: ConnectedApp }) {
  const { mutate: disconnect, isPending } = useDisconnectApp();
  return (
    <li>
      <div>
        <strong>{app.clientName}</strong>
        <p>May see: {app.scope.split(" ").join(", ")}</p>
      </div>
      <Button
        look="quiet"
        isPending={isPending}
        pendingText="Disconnecting…"
        aria-label={`Disconnect ${app.clientName}`}
        onClick={() => {
          dismissProblems();
          disconnect(app, {
            onSuccess: () => showToast("done", `${app.clientName} is disconnected.`),
            onError: (error) => showToast("problem", describe(failureOf(error))),
          });
        }}
      >
        Disconnect
      </Button>
    </li>
  );
}
