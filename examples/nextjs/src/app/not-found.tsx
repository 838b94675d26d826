import Link from "next/link";

import { Message } from "@/ui/message";

export default function NotFound() {
  return (
    <div data-accent="0">
      <Message sign="?" title="There is nothing here">
        <p>Check the address: a workspace may have been renamed or closed.</p>
        <p>
          <Link href="/">Find your workspace</Link>
        </p>
      </Message>
    </div>
  );
}
