"use client";

import Image from "next/image";
import { useState } from "react";

import styles from "./avatar.module.css";

const SIZE = 64;

/** A user's picture; the initials when there is none, or it can't be had. */
export function Avatar({ name, url }: { name: string; url: string | null }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (url && url !== broken) {
    return (
      <Image
        className={styles.avatar}
        src={url}
        alt=""
        width={SIZE}
        height={SIZE}
        // Straight from where the user keeps it, and without telling who looks.
        unoptimized
        referrerPolicy="no-referrer"
        onError={() => setBroken(url)}
      />
    );
  }
  return (
    <span className={styles.avatar} aria-hidden>
      {initials(name)}
    </span>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const [first, last] = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return [first, last].map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase();
}
