import { type ReactNode, useId } from "react";

import { Icon } from "@/ui/icon";

import styles from "./card.module.css";

interface CardProps {
  title: string;
  icon: Parameters<typeof Icon>[0]["name"];
  /** Something to do with the card, beside its title. */
  action?: ReactNode;
  children: ReactNode;
}

export function Card({ title, icon, action, children }: CardProps) {
  const id = useId();
  return (
    <section className={styles.card} aria-labelledby={id}>
      <div className={styles.head}>
        <Icon name={icon} />
        <h2 id={id}>{title}</h2>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Facts, each with its name. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Bars where text is going to be. */
export function Bars({ count }: { count: number }) {
  return (
    <div className={styles.bars} aria-hidden>
      {Array.from({ length: count }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}
