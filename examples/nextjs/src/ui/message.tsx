import type { ReactNode } from "react";

import { Mark } from "./mark";
import styles from "./message.module.css";

interface MessageProps {
  /** A letter for the coin. */
  sign: string;
  title: string;
  children: ReactNode;
}

/** A page that has only something to say. */
export function Message({ sign, title, children }: MessageProps) {
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <Mark name={sign} size="large" />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
