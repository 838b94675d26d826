import styles from "./mark.module.css";

/** The tenant's sign: its first letter, struck on a coin. */
export function Mark({ name, size = "medium" }: { name: string; size?: "medium" | "large" }) {
  return (
    <span className={styles.mark} data-size={size} aria-hidden>
      {name.charAt(0).toUpperCase()}
    </span>
  );
}
