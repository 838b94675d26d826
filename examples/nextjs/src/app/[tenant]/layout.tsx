import type { Metadata } from "next";
import { notFound } from "next/navigation";
import type { ReactNode } from "react";

import { TenantSessionProvider } from "@/session/provider";
import { tenantExists } from "@/tenant/exists";
import { accentOf, displayName, isSlug } from "@/tenant/slug";

interface TenantProps {
  params: Promise<{ tenant: string }>;
}

export async function generateMetadata({ params }: TenantProps): Promise<Metadata> {
  const name = displayName((await params).tenant);
  return { title: { default: name, template: `%s · ${name}` } };
}

/** Everything under `/{tenant}`: its colour, and its session, apart from that of every other tenant. */
export default async function TenantLayout({
  params,
  children,
}: TenantProps & { children: ReactNode }) {
  const { tenant } = await params;
  if (!isSlug(tenant) || !(await tenantExists(tenant))) notFound();
  return (
    <div data-accent={accentOf(tenant)}>
      <TenantSessionProvider key={tenant} tenant={tenant}>
        {children}
      </TenantSessionProvider>
    </div>
  );
}
