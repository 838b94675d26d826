"use client";

import type { ComponentProps } from "react";

import styles from "./button.module.css";
import { useHydrated } from "./hydrated";

interface ButtonProps extends ComponentProps<"button"> {
  look?: "primary" | "quiet";
  /** While it is so, the button keeps the focus and does nothing. */
  isPending?: boolean;
  pendingText?: string;
}

export function Button({
  look = "primary",
  isPending = false,
  pendingText,
  children,
  className,
  ...rest
}: ButtonProps) {
  const isHydrated = useHydrated();
  return (
    <button
      type="button"
      disabled={!isHydrated}
      {...rest}
      className={[styles.button, className].filter(Boolean).join(" ")}
      data-look={look}
      aria-disabled={isPending || undefined}
      onClick={(event) => {
        if (isPending) event.preventDefault();
        else rest.onClick?.(event);
      }}
    >
      {isPending && <span className={styles.spinner} aria-hidden />}
      {isPending && pendingText ? pendingText : children}
    </button>
  );
}
