"use client";

import { SignedOut } from "@/session/gates";
import { useLogin } from "@/session/hooks";
import { Alert } from "@/ui/alert";
import { Button } from "@/ui/button";
import { Field, PasswordField } from "@/ui/field";
import forms from "@/ui/form.module.css";
import { useForm } from "@/ui/use-form";

const LABELS = { email: "Email address", password: "Password" };

export function LoginForm() {
  const { mutateAsync: login } = useLogin();
  const form = useForm({
    labels: LABELS,
    required: ["email", "password"],
    submit: async (credentials) => {
      await login(credentials);
    },
    explain: (failure) =>
      // Which of the two is wrong, nobody says. The password is the likelier one, so focus goes there.
      failure.kind === "refused" && failure.problem === "wrong-credentials"
        ? {
            message: "Wrong email address or password. Check both and try again.",
            focus: "password",
          }
        : null,
  });
  return (
    <SignedOut meanwhile={<p role="status">You’re signed in. One moment…</p>}>
      <form {...form.props} className={forms.form} aria-label="Sign in">
        {form.message && <Alert>{form.message}</Alert>}
        <Field
          label={LABELS.email}
          name="email"
          type="email"
          autoComplete="username"
          problem={form.problemOf("email")}
          autoFocus
        />
        <PasswordField
          label={LABELS.password}
          name="password"
          autoComplete="current-password"
          problem={form.problemOf("password")}
        />
        <Button type="submit" isPending={form.isPending} pendingText="Signing in…">
          Sign in
        </Button>
      </form>
    </SignedOut>
  );
}
