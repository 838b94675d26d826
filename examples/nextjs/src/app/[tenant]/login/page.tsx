import type { Metadata } from "next";
import Link from "next/link";

import { displayName } from "@/tenant/slug";
import forms from "@/ui/form.module.css";
import { Split } from "@/ui/split";

import { LoginForm } from "./login-form";

export const metadata: Metadata = { title: "Sign in" };

export default async function LoginPage({ params }: PageProps<"/[tenant]/login">) {
  const { tenant } = await params;
  const name = displayName(tenant);
  return (
    <Split
      name={name}
      title={`Sign in to ${name}`}
      lead="Welcome back."
      motto={`Everything at ${name}, behind one sign-in.`}
    >
      <LoginForm />
      <p className={forms.elsewhere}>
        New here? <Link href={`/${tenant}/signup`}>Create an account</Link>
      </p>
    </Split>
  );
}
