import "./globals.css";

import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { currentTheme } from "@/ui/current-theme";
import { Toasts } from "@/ui/toasts";

export const metadata: Metadata = {
  title: { default: "Tokenhouse example", template: "%s · Tokenhouse example" },
  description: "Sign-up, login and a protected home for the tenants of a SaaS, on Tokenhouse.",
  robots: { index: false },
};

export const viewport: Viewport = {
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f5f6fa" },
    { media: "(prefers-color-scheme: dark)", color: "#0e1016" },
  ],
};

export default async function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" data-theme={await currentTheme()} suppressHydrationWarning>
      <body>
        {children}
        <Toasts />
      </body>
    </html>
  );
}
