import { Split } from "@/ui/split";

import { WorkspaceForm } from "./workspace-form";

export default function WorkspacePage() {
  return (
    <div data-accent="0">
      <Split
        name="Tokenhouse example"
        title="Find your workspace"
        lead="Every workspace is a tenant of its own, with its own users and its own sign-in."
        motto="One front door for every tenant of your product."
      >
        <WorkspaceForm />
      </Split>
    </div>
  );
}
