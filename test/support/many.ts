import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Folder } from "./folder.ts";
import { manifestOf } from "./manifest.ts";

// A server over stdio with a thousand tools: `node many.ts`. Each gives its own name back.

const MANY = fileURLToPath(import.meta.url);

/** Names that objects have by themselves are tools like any others. */
const ODD = ["constructor", "toString", "valueOf", "then", "a-b"];
const NOUNS = ["invoice", "ticket", "contact", "report", "meeting", "order", "shipment", "refund", "budget", "event"];
const VERBS = ["create", "read", "list", "close", "archive", "assign", "merge", "export", "share", "approve"];

const tool = (name: string, description: string) => ({
  name,
  description,
  inputSchema: { type: "object", properties: { id: { type: "string" } } },
});
const TOOLS = [
  ...ODD.map((name) => tool(name, "An odd one")),
  ...Array.from({ length: 1000 - ODD.length }, (_, i) => {
    const [verb, noun] = [VERBS[i % 10] as string, NOUNS[Math.floor(i / 10) % 10] as string];
    return tool(
      `${verb}_${noun}_${Math.floor(i / 100)}`,
      `Can ${verb} one ${noun} of department ${Math.floor(i / 100)}`,
    );
  }),
];

/** The server's entry in a configuration, with its manifest beside it. */
export function setMany(folder: Folder): Record<string, unknown> {
  return { command: process.execPath, args: [MANY], manifest: folder.write("many.yaml", manifestOf("many", TOOLS)) };
}

if (process.argv[1] === MANY)
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line.includes('"server/discover"')) process.exit(1);
    const { id, method, params } = JSON.parse(line) as { id?: number; method?: string; params?: { name: string } };
    if (id === undefined) return;
    const results: Record<string, object> = {
      initialize: {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "many", version: "1" },
      },
      "tools/list": { tools: TOOLS },
      "tools/call": { content: [{ type: "text", text: params?.name ?? "" }] },
    };
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: results[method ?? ""] ?? {} })}\n`);
  });
