"use client";

import { useEffect, useRef } from "react";

import type { User } from "@/session/hooks";

import { Avatar } from "./avatar";
import styles from "./home.module.css";

export function Greeting({ user, tenantName }: { user: User; tenantName: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever comes from the login form had the focus in a field that is gone: without this, a keyboard
  // would start again at the top of the page.
  useEffect(() => {
    const [entry] = performance.getEntriesByType("navigation");
    if (entry?.name !== window.location.href) heading.current?.focus();
  }, []);
  return (
    <div className={styles.greeting}>
      <Avatar name={user.name} url={user.avatarUrl} />
      <div>
        <h1 ref={heading} tabIndex={-1}>
          Hello, {user.name}
        </h1>
        <p>
          You’re signed in to {tenantName} as <strong>{user.email}</strong>.
        </p>
      </div>
    </div>
  );
}
