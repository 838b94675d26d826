"use client";

import { Button } from "@/ui/button";
import { Message } from "@/ui/message";

export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  return (
    <div data-accent="0">
      <Message sign="!" title="Something went wrong here">
        <p>It is our fault, not yours.</p>
        <Button onClick={reset}>Try again</Button>
      </Message>
    </div>
  );
}
