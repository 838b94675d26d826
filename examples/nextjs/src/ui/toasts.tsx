"use client";

import { useEffect, useState } from "react";
import { createStore, useStore } from "zustand";

import { Icon } from "./icon";
import styles from "./toasts.module.css";

type Tone = "done" | "note" | "problem";

interface Toast {
  id: number;
  tone: Tone;
  text: string;
}

const LIFETIME = 6_000;
const MOST = 3;

const toasts = createStore<{ all: Toast[]; next: number }>()(() => ({ all: [], next: 0 }));

/** Says something in passing. A problem stays until it is dismissed. */
export function showToast(tone: Tone, text: string): void {
  toasts.setState(({ all, next }) => ({
    all: [...all.filter((other) => other.text !== text), { id: next, tone, text }].slice(-MOST),
    next: next + 1,
  }));
}

/** What went wrong before is no news once it is tried again. */
export function dismissProblems(): void {
  toasts.setState(({ all }) => ({ all: all.filter(({ tone }) => tone !== "problem") }));
}

function dismiss(id: number): void {
  toasts.setState(({ all }) => ({ all: all.filter((toast) => toast.id !== id) }));
}

/** Where toasts appear: a live region that is there before the first of them is. */
export function Toasts() {
  const all = useStore(toasts, (state) => state.all);
  return (
    <div className={styles.region} role="status" aria-live="polite" aria-label="Messages">
      {all.map((toast) => (
        <ToastItem key={toast.id} {...toast} />
      ))}
    </div>
  );
}

function ToastItem({ id, tone, text }: Toast) {
  const [isHeld, setHeld] = useState(false);
  const isLasting = tone === "problem" || isHeld;
  useEffect(() => {
    if (isLasting) return;
    const timer = setTimeout(() => dismiss(id), LIFETIME);
    return () => clearTimeout(timer);
  }, [id, isLasting]);
  return (
    <div
      className={styles.toast}
      data-tone={tone}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <Icon name={tone === "problem" ? "warning" : tone === "done" ? "check" : "info"} />
      <p>{text}</p>
      <button type="button" className={styles.dismiss} onClick={() => dismiss(id)}>
        <Icon name="close" label="Dismiss" />
      </button>
    </div>
  );
}
