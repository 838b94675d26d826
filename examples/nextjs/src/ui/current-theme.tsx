import "server-only";

import { cookies } from "next/headers";

import { type Theme, THEME_COOKIE, themeOf } from "./theme";
import { ThemeSwitch } from "./theme-switch";

/** The theme that this browser asked for, as the server knows it. */
export async function currentTheme(): Promise<Theme> {
  return themeOf((await cookies()).get(THEME_COOKIE)?.value);
}

export async function CurrentThemeSwitch() {
  return <ThemeSwitch initial={await currentTheme()} />;
}
