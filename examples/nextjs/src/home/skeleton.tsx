import { AccountCard } from "./account-card";
import { Bars, Card } from "./card";
import styles from "./home.module.css";

export function GreetingSkeleton() {
  return (
    <div className={styles.greeting}>
      <p className="visually-hidden" role="status">
        Loading your account…
      </p>
      <span className={styles.blankAvatar} aria-hidden />
      <Bars count={2} />
    </div>
  );
}

/** The page before anything is known. */
export function HomeSkeleton() {
  return (
    <>
      <GreetingSkeleton />
      <div className={styles.cards}>
        <AccountCard user={undefined} />
        <Card title="Profile" icon="user">
          <Bars count={5} />
        </Card>
        <Card title="Connected apps" icon="apps">
          <Bars count={3} />
        </Card>
      </div>
    </>
  );
}
