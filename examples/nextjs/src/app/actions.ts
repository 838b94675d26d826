"use server";

import { redirect } from "next/navigation";

import { tenantExists } from "@/tenant/exists";
import { isSlug } from "@/tenant/slug";

export interface WorkspaceAnswer {
  asked: string;
  problem?: string;
}

/** Takes the browser to the login page of the tenant that the form names. */
export async function openWorkspace(_: WorkspaceAnswer, form: FormData): Promise<WorkspaceAnswer> {
  const value = form.get("workspace");
  const asked = typeof value === "string" ? value.trim().toLowerCase() : "";
  if (!asked) return { asked, problem: "Workspace is missing." };
  if (!isSlug(asked)) {
    return { asked, problem: "A workspace has small letters, digits and single hyphens, such as acme." };
  }
  if (!(await tenantExists(asked))) {
    return { asked, problem: `There is no workspace called ${asked}.` };
  }
  redirect(`/${asked}/login`);
}
