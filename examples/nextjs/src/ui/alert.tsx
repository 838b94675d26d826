import { Icon } from "./icon";
import styles from "./alert.module.css";

/** Something that went wrong, said at once. */
export function Alert({ children }: { children: string }) {
  return (
    <div role="alert" className={styles.alert}>
      <Icon name="warning" />
      <p>{children}</p>
    </div>
  );
}
