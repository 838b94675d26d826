import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: "../../openapi.json",
  output: { path: "generated/client", importFileExtension: ".js" },
  plugins: [
    "@hey-api/client-fetch",
    "@hey-api/typescript",
    "zod",
    // Every request and answer is held against the document.
    { name: "@hey-api/sdk", validator: true },
    "@tanstack/react-query",
  ],
});
