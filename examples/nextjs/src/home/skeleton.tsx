import { Bars, Card } from "./card";
import styles from "./home.module.css";

/** The page before anything is known. */
export function HomeSkeleton() {
  return (
    <div aria-busy className={styles.skeleton}>
      <p className="visually-hidden" role="status">
        Loading your account…
      </p>
      <div className={styles.greeting} aria-hidden>
        <span className={styles.blankAvatar} />
        <Bars count={2} />
      </div>
      <div className={styles.cards} aria-hidden>
        <Card title="Account" icon="id">
          <Bars count={5} />
        </Card>
        <Card title="Profile" icon="user">
          <Bars count={5} />
        </Card>
        <Card title="Connected apps" icon="apps">
          <Bars count={3} />
        </Card>
      </div>
    </div>
  );
}
