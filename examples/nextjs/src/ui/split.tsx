import type { ReactNode } from "react";

import { CurrentThemeSwitch } from "./current-theme";
import { Mark } from "./mark";
import styles from "./split.module.css";

interface SplitProps {
  /** Whose page it is. */
  name: string;
  title: string;
  lead: string;
  /** What the coloured half says. */
  motto: string;
  children: ReactNode;
}

/** A page with one thing to do, beside a coloured half that says where one is. */
export function Split({ name, title, lead, motto, children }: SplitProps) {
  return (
    <div className={styles.split}>
      <div className={styles.colours}>
        <div className={styles.brand}>
          <Mark name={name} />
          <span>{name}</span>
        </div>
        <p className={styles.motto}>{motto}</p>
        <p className={styles.small}>Signed in by Tokenhouse. No token ever reaches a script.</p>
        <Coins />
      </div>
      <div className={styles.side}>
        <div className={styles.bar}>
          <CurrentThemeSwitch />
        </div>
        <main className={styles.main}>
          <h1>{title}</h1>
          <p className={styles.lead}>{lead}</p>
          {children}
        </main>
      </div>
    </div>
  );
}

/** Three coins, overlapping. */
function Coins() {
  return (
    <svg className={styles.coins} viewBox="0 0 400 400" aria-hidden fill="none" stroke="#fff">
      {[
        [250, 250, 130],
        [120, 310, 90],
        [330, 110, 70],
      ].map(([x, y, r]) => (
        <g key={r} strokeOpacity="0.28">
          <circle cx={x} cy={y} r={r} fill="#fff" fillOpacity="0.05" strokeWidth="2" />
          <circle cx={x} cy={y} r={(r ?? 0) * 0.84} strokeWidth="1.5" strokeDasharray="2 7" strokeLinecap="round" />
          <circle cx={x} cy={y} r={(r ?? 0) * 0.7} strokeWidth="1.5" />
        </g>
      ))}
    </svg>
  );
}
