import { request as httpRequest } from "node:http";

/** The revision of the stateless era. */
export const VERSION = "2026-07-28";

/** The newest revision of the sessionful era. */
export const LEGACY_VERSION = "2025-11-25";

/** Keys of the envelope in `_meta` (MCP 2026-07-28). */
export const ENVELOPE = {
  version: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  capabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
} as const;

/** A JSON-RPC message as a test reads it. */
export interface WireMessage {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** An HTTP answer with the messages in it: of its JSON body, or of its stream until it ended. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly messages: readonly WireMessage[];
}

/**
 * Sends one HTTP request with exactly these headers, `Host` included, which `fetch` would not allow. `body` goes out as it is if it is
 * a text, as JSON otherwise.
 */
export function send(
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
  method = "POST",
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(url, { method, headers: { ...headers }, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text, messages: messagesIn(text) });
      });
    });
    req.on("error", reject);
    req.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  });
}

function messagesIn(text: string): WireMessage[] {
  const parse = (json: string): WireMessage[] => {
    try {
      const value: unknown = JSON.parse(json);
      return (Array.isArray(value) ? value : [value]) as WireMessage[];
    } catch {
      return [];
    }
  };
  if (!/^(event|data|id|retry|:)/.test(text)) return parse(text);
  return text.split(/\n\n/).flatMap((event) =>
    parse(
      event
        .split("\n")
        .filter((line) => line.startsWith("data: "))
        .map((line) => line.slice(6))
        .join("\n"),
    ),
  );
}

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/** The headers of any POST, with a token if there is one. */
export function headersFor(
  token: string | undefined,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return { ...JSON_HEADERS, ...(token !== undefined && { authorization: `Bearer ${token}` }), ...more };
}

/** A request of the stateless era, with the headers that mirror it. */
export function modernRequest(
  id: number,
  method: string,
  params: Readonly<Record<string, unknown>>,
  more: { readonly capabilities?: object; readonly meta?: object; readonly clientInfo?: object } = {},
): { headers: Record<string, string>; body: object } {
  const name = params["name"] ?? params["uri"];
  return {
    headers: {
      "mcp-protocol-version": VERSION,
      "mcp-method": method,
      ...(typeof name === "string" && { "mcp-name": name }),
    },
    body: {
      jsonrpc: "2.0",
      id,
      method,
      params: {
        ...params,
        _meta: {
          [ENVELOPE.version]: VERSION,
          [ENVELOPE.clientInfo]: { name: "callgate-test", version: "1.0.0", ...more.clientInfo },
          [ENVELOPE.capabilities]: more.capabilities ?? {},
          ...more.meta,
        },
      },
    },
  };
}

/** Opens a session of the older era; gives its id. */
export async function openSession(url: string, token: string | undefined, capabilities: object = {}): Promise<string> {
  const params = {
    protocolVersion: LEGACY_VERSION,
    capabilities,
    clientInfo: { name: "callgate-test", version: "1.0.0" },
  };
  const answer = await send(url, headersFor(token), { jsonrpc: "2.0", id: 1, method: "initialize", params });
  const session = answer.headers["mcp-session-id"];
  if (answer.status !== 200 || typeof session !== "string")
    throw new Error(`initialize was answered with ${answer.status}: ${answer.body}`);
  await send(url, headersFor(token, { "mcp-session-id": session }), {
    jsonrpc: "2.0",
    method: "notifications/initialized",
  });
  return session;
}

/** Calls a tool in the stateless era; gives the message that answers, and its HTTP status. */
export async function callModern(
  url: string,
  token: string | undefined,
  name: string,
  args: object,
  id = 1,
): Promise<WireMessage & { status: number }> {
  const { headers, body } = modernRequest(id, "tools/call", { name, arguments: args });
  const answer = await send(url, headersFor(token, headers), body);
  return { ...answer.messages.find((m) => m.id === id), status: answer.status };
}
