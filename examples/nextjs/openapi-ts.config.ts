import { defineConfig } from "@hey-api/openapi-ts";

/** The client of the session API: types, calls, validators and query options, all from one document. */
export default defineConfig({
  input: "../../openapi/openapi.json",
  output: "src/api/generated",
  parser: {
    // Only what a tenant's own application calls. The admin API has no business in a browser bundle.
    filters: { tags: { include: ["Session"] } },
  },
  plugins: [
    { name: "@hey-api/client-fetch", baseUrl: false },
    "@hey-api/typescript",
    { name: "@hey-api/sdk", validator: { request: false, response: "zod" } },
    { name: "zod", definitions: true },
    { name: "@tanstack/react-query", mutationOptions: false },
  ],
});
