"use client";

import { useRouter } from "next/navigation";

import { SignedOut } from "@/session/gates";
import { useLogin, useSignup } from "@/session/hooks";
import { useTenantSession } from "@/session/provider";
import { Alert } from "@/ui/alert";
import { Button } from "@/ui/button";
import { Field, PasswordField } from "@/ui/field";
import forms from "@/ui/form.module.css";
import { showToast } from "@/ui/toasts";
import { useForm } from "@/ui/use-form";

const LABELS = { name: "Name", email: "Email address", password: "Password" };

export function SignupForm() {
  const { tenant } = useTenantSession();
  const { mutateAsync: signup } = useSignup();
  const { mutateAsync: login } = useLogin();
  const router = useRouter();
  const form = useForm({
    labels: LABELS,
    required: ["name", "email", "password"],
    submit: async ({ name, email, password }) => {
      await signup({ name, email, password });
      try {
        await login({ email, password });
        showToast("done", "Your account is ready.");
      } catch {
        // The account exists: sending the form again could only say that the address is taken.
        showToast("done", "Your account is ready. Please sign in.");
        router.replace(`/${tenant}/login`);
      }
    },
    explain: (failure) =>
      failure.kind === "refused" && failure.problem === "email-taken"
        ? { fields: { email: "This address has an account already. Sign in, or take another one." } }
        : null,
  });
  return (
    <SignedOut meanwhile={<p role="status">You’re signed in. One moment…</p>}>
      <form {...form.props} className={forms.form} aria-label="Create an account">
        {form.message && <Alert>{form.message}</Alert>}
        <Field
          label={LABELS.name}
          name="name"
          autoComplete="name"
          problem={form.problemOf("name")}
          autoFocus
        />
        <Field
          label={LABELS.email}
          name="email"
          type="email"
          autoComplete="username"
          problem={form.problemOf("email")}
        />
        <PasswordField
          label={LABELS.password}
          name="password"
          autoComplete="new-password"
          hint="Long beats complicated: a few words that nobody would put together."
          problem={form.problemOf("password")}
        />
        <Button type="submit" isPending={form.isPending} pendingText="Creating your account…">
          Create account
        </Button>
      </form>
    </SignedOut>
  );
}
