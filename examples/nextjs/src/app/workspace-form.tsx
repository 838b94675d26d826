"use client";

import { useActionState, useEffect, useRef } from "react";

import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import forms from "@/ui/form.module.css";

import { openWorkspace } from "./actions";

export function WorkspaceForm() {
  const ref = useRef<HTMLFormElement>(null);
  const [{ asked, problem }, open, isPending] = useActionState(openWorkspace, { asked: "" });
  useEffect(() => {
    if (problem) ref.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [problem, asked]);
  return (
    <form ref={ref} action={open} className={forms.form} noValidate>
      <Field
        label="Workspace"
        name="workspace"
        defaultValue={asked}
        hint="A fresh installation has one workspace: demo."
        problem={problem}
        autoComplete="organization"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
      />
      <Button type="submit" isPending={isPending} pendingText="Looking…">
        Continue
      </Button>
    </form>
  );
}
