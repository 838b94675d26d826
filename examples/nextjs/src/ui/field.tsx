"use client";

import { type ComponentProps, type ReactNode, useId, useState } from "react";

import styles from "./field.module.css";
import { useHydrated } from "./hydrated";
import { Icon } from "./icon";

interface FieldProps extends Omit<ComponentProps<"input">, "id" | "children"> {
  label: string;
  name: string;
  hint?: string;
  /** What is wrong with the value; announced with the field. */
  problem?: string | undefined;
  /** Something at the end of the line, inside the field's frame. */
  trailing?: ReactNode;
}

export function Field({ label, hint, problem, trailing, ...input }: FieldProps) {
  const id = useId();
  const describedBy = [problem && `${id}-problem`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <div className={styles.frame}>
        <input
          {...input}
          id={id}
          aria-invalid={problem ? true : undefined}
          aria-describedby={describedBy || undefined}
        />
        {trailing}
      </div>
      {problem && (
        <p id={`${id}-problem`} className={styles.problem}>
          <Icon name="warning" />
          {problem}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A password, which may be looked at, pasted, and filled in by a password manager. */
export function PasswordField(field: Omit<FieldProps, "type" | "trailing">) {
  const [isShown, setShown] = useState(false);
  const isHydrated = useHydrated();
  return (
    <Field
      {...field}
      type={isShown ? "text" : "password"}
      spellCheck={false}
      autoCapitalize="none"
      trailing={
        <button
          type="button"
          className={styles.reveal}
          disabled={!isHydrated}
          aria-pressed={isShown}
          onClick={() => setShown(!isShown)}
        >
          <Icon name={isShown ? "eye-off" : "eye"} label="Show password" />
        </button>
      }
    />
  );
}
