import type { Metadata } from "next";
import Link from "next/link";

import { displayName } from "@/tenant/slug";
import forms from "@/ui/form.module.css";
import { Split } from "@/ui/split";

import { SignupForm } from "./signup-form";

export const metadata: Metadata = { title: "Create an account" };

export default async function SignupPage({ params }: PageProps<"/[tenant]/signup">) {
  const { tenant } = await params;
  const name = displayName(tenant);
  return (
    <Split
      name={name}
      title={`Join ${name}`}
      lead="One minute, three fields."
      motto={`Your account at ${name} is yours alone: no other workspace knows of it.`}
    >
      <SignupForm />
      <p className={forms.elsewhere}>
        Already have an account? <Link href={`/${tenant}/login`}>Sign in</Link>
      </p>
    </Split>
  );
}
