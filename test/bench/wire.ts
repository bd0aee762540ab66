import { isObject } from "@callgate/core";
import { echoText, LEGACY, MODERN } from "./tool.ts";

/** A protocol revision's family: 2026-07-28 without a handshake, or 2025-11-25 with a session. */
export type Era = "modern" | "legacy";
export const ERAS = ["modern", "legacy"] as const satisfies readonly Era[];

const CLIENT = { name: "callgate-bench", version: "1.0.0" };

const META = JSON.stringify({
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": {},
});

/** Header lines of a POST in an era. `session` is for 2025-11-25 once it is initialized. */
export function headerLines(
  era: Era,
  method: string,
  more: { name?: string; token?: string; session?: string },
): readonly string[] {
  const lines = ["content-type: application/json", "accept: application/json, text/event-stream"];
  if (more.token !== undefined) lines.push(`authorization: Bearer ${more.token}`);
  if (era === "modern") {
    lines.push(`mcp-protocol-version: ${MODERN}`, `mcp-method: ${method}`);
    if (more.name !== undefined) lines.push(`mcp-name: ${more.name}`);
  } else if (method !== "initialize") {
    lines.push(`mcp-protocol-version: ${LEGACY}`);
    if (more.session !== undefined) lines.push(`mcp-session-id: ${more.session}`);
  }
  return lines;
}

export const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT },
});

export const INITIALIZED = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });

/** Any request's body in an era. */
export function requestBody(era: Era, id: number, method: string, params: Record<string, unknown> = {}): string {
  const whole = era === "modern" ? { ...params, _meta: JSON.parse(META) } : params;
  return JSON.stringify({ jsonrpc: "2.0", id, method, params: whole });
}

/** What call number `id` of a client says: never the same twice, so that no answer can be a cached one. */
export function callText(client: number, id: number): string {
  return `client ${client} call ${id}: summarize the open incidents of the payments team since Monday`;
}

/** The `n` of call `id`: under the number from which the bench's policies ask. */
export function callNumber(id: number): number {
  return id % 1000;
}

/** Writes `tools/call` bodies. By hand, since this runs once a call on the side that must stay cheap. */
export function callBody(era: Era, tool: string, client: number, id: number): string {
  const args = `{"text":"${callText(client, id)}","n":${callNumber(id)}}`;
  const meta = era === "modern" ? `,"_meta":${META}` : "";
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","arguments":${args}${meta}}}`;
}

/** The JSON-RPC message with this id in an HTTP body, which is JSON or an event stream. */
export function messageIn(body: string, id: number): unknown {
  if (body.startsWith("{")) return JSON.parse(body);
  for (const line of body.split(/\r?\n/)) {
    if (!line.startsWith("data:")) continue;
    const text = line.slice(5).trim();
    if (text === "") continue;
    const message: unknown = JSON.parse(text);
    if (isObject(message) && message.id === id) return message;
  }
  return undefined;
}

/** What is wrong with the answer to call `id` of `client`, or undefined if it is exactly what `echo` says. */
export function faultOf(era: Era, client: number, id: number, message: unknown): string | undefined {
  if (!isObject(message)) return "no answer with the call's id";
  if (message.id !== id) return `the answer is for \`${String(message.id)}\``;
  const result = message.result;
  if (!isObject(result)) return `an error came back: ${JSON.stringify(message.error)}`;
  if (result.isError === true) return `the tool failed: ${JSON.stringify(result.content)}`;
  if (era === "modern" && result.resultType !== "complete") return "the result is not `complete`";
  const content = result.content;
  const first: unknown = Array.isArray(content) && content.length === 1 ? content[0] : undefined;
  const text = isObject(first) && first.type === "text" ? first.text : undefined;
  if (text !== echoText(callText(client, id), callNumber(id)))
    return `the content is wrong: ${JSON.stringify(content)}`;
  return undefined;
}
