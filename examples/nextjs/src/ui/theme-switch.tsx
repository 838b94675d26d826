"use client";

import { useRouter } from "next/navigation";
import { useState } from "react";

import { useHydrated } from "./hydrated";
import { Icon } from "./icon";
import { type Theme, THEME_COOKIE, THEMES } from "./theme";
import styles from "./theme-switch.module.css";

const LOOKS = {
  system: { icon: "screen", label: "Like the system" },
  light: { icon: "sun", label: "Light" },
  dark: { icon: "moon", label: "Dark" },
} as const;

const YEAR = 365 * 24 * 3600;

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  document.cookie = `${THEME_COOKIE}=${theme}; Path=/; Max-Age=${YEAR}; SameSite=Lax`;
}

export function ThemeSwitch({ initial }: { initial: Theme }) {
  const [theme, setTheme] = useState(initial);
  const isHydrated = useHydrated();
  const router = useRouter();
  return (
    <fieldset className={styles.switch} disabled={!isHydrated}>
      <legend className="visually-hidden">Theme</legend>
      {THEMES.map((choice) => (
        <label key={choice} className={styles.choice} title={LOOKS[choice].label}>
          <input
            type="radio"
            name="theme"
            value={choice}
            checked={choice === theme}
            onChange={() => {
              setTheme(choice);
              apply(choice);
              // Pages that were rendered with the other theme must not come back from the cache.
              router.refresh();
            }}
          />
          <Icon name={LOOKS[choice].icon} label={LOOKS[choice].label} />
        </label>
      ))}
    </fieldset>
  );
}
