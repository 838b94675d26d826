import type { User } from "@/session/hooks";

import styles from "./account-card.module.css";
import { Bars, Card, Facts } from "./card";

const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long" });

export function AccountCard({ user }: { user: User | undefined }) {
  return (
    <Card title="Account" icon="id">
      {user ? <AccountFacts user={user} /> : <Bars count={5} />}
    </Card>
  );
}

function AccountFacts({ user }: { user: User }) {
  const badge = user.emailVerified ? "Verified" : "Not verified yet";
  return (
    <Facts
      facts={[
        ["Name", user.name],
        [
          "Email address",
          <>
            {user.email}{" "}
            <span className={styles.badge} data-verified={user.emailVerified}>
              {badge}
            </span>
          </>,
        ],
        ["Member since", day.format(new Date(user.createdAt))],
        ["Account id", <code key="id" className={styles.id}>{user.userId}</code>],
      ]}
    />
  );
}
