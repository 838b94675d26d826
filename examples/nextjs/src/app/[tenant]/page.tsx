import type { Metadata } from "next";

import { Home } from "@/home/home";
import { HomeSkeleton } from "@/home/skeleton";
import styles from "@/home/home.module.css";
import { SignOutButton } from "@/home/sign-out-button";
import { SignedIn } from "@/session/gates";
import { displayName } from "@/tenant/slug";
import { CurrentThemeSwitch } from "@/ui/current-theme";
import { Mark } from "@/ui/mark";

export const metadata: Metadata = { title: "Your account" };

export default async function HomePage({ params }: PageProps<"/[tenant]">) {
  const name = displayName((await params).tenant);
  return (
    <>
      <header className={styles.header}>
        <div className={styles.brand}>
          <Mark name={name} />
          <span className={styles.name}>{name}</span>
        </div>
        <CurrentThemeSwitch />
        <SignOutButton />
      </header>
      <main className={styles.main}>
        <SignedIn meanwhile={<HomeSkeleton />}>
          <Home tenantName={name} />
        </SignedIn>
      </main>
    </>
  );
}
