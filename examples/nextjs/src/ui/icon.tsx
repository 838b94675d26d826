const PATHS = {
  apps: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM17 14v6M14 17h6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  eye: "M2 12s3.5-6.5 10-6.5S22 12 22 12s-3.5 6.5-10 6.5S2 12 2 12zM12 15a3 3 0 100-6 3 3 0 000 6z",
  "eye-off": "M4 4l16 16M9.9 5.7A9.6 9.6 0 0112 5.5c6.5 0 10 6.5 10 6.5a17 17 0 01-3 3.7M6.2 7.3A17 17 0 002 12s3.5 6.5 10 6.5a9.7 9.7 0 004.3-1M9.9 9.9a3 3 0 004.2 4.2",
  info: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5M12 8v.01",
  moon: "M20 14.5A8 8 0 019.5 4a8 8 0 1010.5 10.5z",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4",
  "sign-out": "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  sun: "M12 16a4 4 0 100-8 4 4 0 000 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  user: "M12 12a4 4 0 100-8 4 4 0 000 8zM4 20.5c1-4 4-6 8-6s7 2 8 6",
  id: "M3 5h18v14H3zM8.5 12a1.8 1.8 0 100-3.6 1.8 1.8 0 000 3.6zM5.8 16c.5-1.5 1.5-2 2.7-2s2.2.5 2.7 2M14 10h4M14 14h4",
  warning: "M12 4L2.5 20h19zM12 10v4.5M12 17.5v.01",
} as const;

/** A drawing beside words, or, with a label, instead of them. */
export function Icon({ name, label }: { name: keyof typeof PATHS; label?: string }) {
  return (
    <svg
      width="20"
      height="20"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      role={label ? "img" : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
