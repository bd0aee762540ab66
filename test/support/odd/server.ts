import { appendFileSync } from "node:fs";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import {
  CallToolRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { runTool, TOOLS } from "./tools.ts";

// A server over stdio that behaves oddly on request: `node server.ts`. Each run of a tool leaves a line in the file `COUNTER`, each start one
// in the file `STARTS`.
if (process.env["STARTS"] !== undefined) appendFileSync(process.env["STARTS"], `start ${process.pid}\n`);
if (process.env["DESCRIPTION"] !== undefined)
  for (const tool of TOOLS.filter((t) => t.name === "echo")) tool.description = process.env["DESCRIPTION"];

const server = new Server(
  { name: "odd", version: "1.0.0" },
  { capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} } },
);
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: TOOLS.map(({ run: _, ...definition }) => definition),
}));
server.setRequestHandler(
  CallToolRequestSchema,
  ({ params }, extra) => runTool(params.name, params.arguments ?? {}, extra, server) as never,
);
server.setRequestHandler(ListResourcesRequestSchema, () => ({
  resources: ["ann", "bob"].map((name) => ({ uri: `odd://${name}`, name })),
}));
server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => ({
  contents: [{ uri: params.uri, text: `the contents of ${params.uri}` }],
}));
for (const schema of [SubscribeRequestSchema, UnsubscribeRequestSchema, SetLevelRequestSchema])
  server.setRequestHandler(schema as typeof SubscribeRequestSchema, () => ({}));
// The SDK leaves it to the server to end with its input; a call on its way would keep this one alive.
process.stdin.once("end", () => process.exit(0));
await server.connect(new StdioServerTransport());
