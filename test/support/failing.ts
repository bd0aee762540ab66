import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Folder } from "./folder.ts";
import { manifestOf } from "./manifest.ts";

// A server over stdio, of the older era, whose tools fail with the text that they were given: `node failing.ts`.

const FAILING = fileURLToPath(import.meta.url);

const given = { type: "object", properties: { text: { type: "string" } }, additionalProperties: { type: "string" } };
/** `fail` answers with a result that says it failed, `refuse` with an error of the protocol, `hold` with the text. */
const TOOLS = ["fail", "refuse", "hold"].map((name) => ({ name, description: `Will ${name}`, inputSchema: given }));

/** The entry of the server in a configuration. */
export function setFailing(folder: Folder): Record<string, unknown> {
  const manifest = folder.write("failing.yaml", manifestOf("failing", TOOLS));
  return { command: process.execPath, args: [FAILING], manifest };
}

interface Request {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly text?: string } };
}

function answerTo({ method, params }: Request): object {
  const text = String(params?.arguments?.text);
  if (method === "tools/list") return { result: { tools: TOOLS } };
  if (method === "tools/call" && params?.name === "refuse")
    return { error: { code: -32050, message: `refused: ${text}`, data: { about: text } } };
  if (method === "tools/call")
    return { result: { content: [{ type: "text", text: `was: ${text}` }], isError: params?.name === "fail" } };
  if (method !== "initialize") return { result: {} };
  const serverInfo = { name: "failing", version: "1" };
  return { result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo } };
}

if (process.argv[1] === FAILING)
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if (request.id !== undefined)
      process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, ...answerTo(request) })}\n`);
  }
