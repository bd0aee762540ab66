import { fileURLToPath } from "node:url";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import {
  CallToolRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { Folder } from "./folder.ts";
import { EVERYONE, manifestOf } from "./manifest.ts";

// A server over stdio whose tools return what they are told to, or else say what arguments reached them: `node vault.ts`.

const VAULT = fileURLToPath(import.meta.url);

const tool = (name: string) => ({
  name,
  description: "Returns `result`, or the arguments as a text",
  inputSchema: {
    type: "object" as const,
    properties: { result: { type: "object" }, limit: {}, text: { type: "string" } },
    additionalProperties: false,
  },
});

/** Writes a configuration with the vault as `vault`, with tools of these names, and agents ann, bob and beta. Gives its path. */
export function writeVault(folder: Folder, tools: readonly string[], policies: readonly object[]): string {
  folder.write("manifest.yaml", manifestOf("vault", tools.map(tool), { resources: EVERYONE }));
  folder.write("policies.yaml", { policies });
  return folder.write("callgate.yaml", {
    version: 1,
    data: "data",
    http: { port: 0 },
    servers: {
      vault: {
        command: process.execPath,
        args: [VAULT],
        env: { TOOLS: tools.join(" ") },
        manifest: "manifest.yaml",
      },
    },
    agents: { ann: { scopes: [] }, bob: { scopes: [] }, beta: { scopes: [] } },
    policies: ["policies.yaml"],
    loop: { repeats: 1000, cycles: 1000 },
    log: { level: "warn" },
  });
}

if (process.argv[1] === VAULT) {
  const server = new Server({ name: "vault", version: "1.0.0" }, { capabilities: { tools: {}, resources: {} } });
  const tools = (process.env["TOOLS"] ?? "").split(" ").map(tool);
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const { result, text } = (params.arguments ?? {}) as { result?: object; text?: string };
    if (text === "fail") throw new McpError(-32099, "the vault is shut");
    return (result ?? { content: [{ type: "text", text: JSON.stringify(params.arguments) }] }) as never;
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [{ uri: "vault://note", name: "note" }] }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => ({
    contents: [{ uri: params.uri, text: "the key is sk-abcdef" }],
  }));
  process.stdin.once("end", () => process.exit(0));
  await server.connect(new StdioServerTransport());
}
