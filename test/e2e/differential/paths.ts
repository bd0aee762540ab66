import { StreamableHTTPClientTransport, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { stdioBroker } from "../../support/broker.ts";
import { ENVIRONMENT } from "../../support/process.ts";
import { until } from "../../support/until.ts";
import { headersFor, LEGACY_VERSION, modernRequest, send, type WireMessage } from "../../support/wire.ts";

/** A request as each path sends it, and what the client answers when it is asked. */
export interface Case {
  readonly name: string;
  readonly tool: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** Capabilities that the client declares; by default all that it has answers for. */
  readonly capabilities?: Readonly<Record<string, object>>;
  /** Members of the request's `_meta`. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Whether a difference between the eras' own faces is expected, and so the older era is left out. */
  readonly modernOnly?: true;
}

/** Everything that came back for one case, answer and notifications, in order; a list for each round. */
export type Rounds = readonly (readonly WireMessage[])[];

/** One way of a call through the broker. */
export interface Path {
  run(one: Case): Promise<Rounds>;
  close(): Promise<void>;
}

const ANSWERS: Readonly<Record<string, object>> = {
  "elicitation/create": {
    action: "accept",
    content: { approve: true, ok: true, name: "Ada", color: "blue", username: "ada", email: "ada@example.com" },
  },
  "sampling/createMessage": { role: "assistant", model: "m", content: { type: "text", text: "Paris, naturally ✓" } },
  "roots/list": { roots: [{ uri: "file:///work", name: "work" }] },
};
const CAPABILITIES = { elicitation: { form: {} }, sampling: {}, roots: {} };
const MAX_ROUNDS = 5;

/** Sends one request of the stateless era and gives all that came back. */
type Post = (id: number, params: Record<string, unknown>, one: Case) => Promise<readonly WireMessage[]>;

/** Goes through the rounds of a stateless call: answers what is asked and comes back with the state. */
function inRounds(post: Post, close: () => Promise<void>): Path {
  let id = 0;
  return {
    close,
    async run(one) {
      const rounds: (readonly WireMessage[])[] = [];
      let more: Record<string, unknown> = {};
      for (let i = 0; i < MAX_ROUNDS; i++) {
        const messages = await post(++id, { name: one.tool, arguments: one.args ?? {}, ...more }, one);
        rounds.push(messages);
        const result = messages.at(-1)?.result;
        if (result?.["resultType"] !== "input_required") break;
        const asked = result["inputRequests"] as Record<string, { method: string }>;
        more = {
          inputResponses: Object.fromEntries(Object.entries(asked).map(([key, { method }]) => [key, ANSWERS[method]])),
          ...(result["requestState"] !== undefined && { requestState: result["requestState"] }),
        };
      }
      return rounds;
    },
  };
}

/** Stateless, over HTTP. A `clientInfo` with a `websiteUrl` means nothing to the broker, but the short way leaves it to the SDK. */
export function modernHttp(url: string, token: string, sdk: boolean): Path {
  const post: Post = async (id, params, { capabilities = CAPABILITIES, meta = {} }) => {
    const request = modernRequest(id, "tools/call", params, {
      capabilities,
      meta,
      ...(sdk && { clientInfo: { websiteUrl: "https://example.com" } }),
    });
    const { messages } = await send(url, headersFor(token, request.headers), request.body);
    return messages;
  };
  return inRounds(post, async () => {});
}

/** Stateless, over stdio: all of it through the SDK. */
export async function modernStdio(config: string): Promise<Path> {
  const line = await open(
    new StdioClientTransport({
      command: process.execPath,
      args: stdioBroker(config),
      env: { ...ENVIRONMENT },
      stderr: "ignore",
    }),
  );
  const post: Post = (id, params, { capabilities = CAPABILITIES, meta = {} }) =>
    line.ask(id, modernRequest(id, "tools/call", params, { capabilities, meta }).body);
  return inRounds(post, line.close);
}

/** In a session over HTTP, where `tools/call` takes the short way. */
export async function legacyHttp(url: string, token: string): Promise<Path> {
  return inSession(
    await open(
      new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
      }),
    ),
  );
}

/** In a session over stdio: all of it through the SDK. */
export async function legacyStdio(config: string): Promise<Path> {
  return inSession(
    await open(
      new StdioClientTransport({
        command: process.execPath,
        args: stdioBroker(config),
        env: { ...ENVIRONMENT },
        stderr: "ignore",
      }),
    ),
  );
}

async function inSession(line: Line): Promise<Path> {
  const params = {
    protocolVersion: LEGACY_VERSION,
    capabilities: CAPABILITIES,
    clientInfo: { name: "callgate-test", version: "1.0.0" },
  };
  await line.ask(1, { jsonrpc: "2.0", id: 1, method: "initialize", params });
  await line.tell({ jsonrpc: "2.0", method: "notifications/initialized" });
  let id = 1;
  return {
    close: line.close,
    async run({ tool, args = {}, meta }) {
      const request = {
        jsonrpc: "2.0",
        id: ++id,
        method: "tools/call",
        params: { name: tool, arguments: args, ...(meta && { _meta: meta }) },
      };
      return [await line.ask(id, request)];
    },
  };
}

/** A transport without a client on top: what comes is what was sent. */
interface Line {
  /** Sends a request, answers what the broker asks meanwhile, and gives all that came up to the answer. */
  ask(id: number, request: object): Promise<readonly WireMessage[]>;
  tell(notification: object): Promise<void>;
  close(): Promise<void>;
}

async function open(transport: StreamableHTTPClientTransport | StdioClientTransport): Promise<Line> {
  const came: WireMessage[] = [];
  const line = transport as Transport;
  line.onmessage = (message) => {
    const one = message as WireMessage;
    came.push(one);
    const answer = one.method === undefined ? undefined : ANSWERS[one.method];
    if (answer && one.id !== undefined)
      void line.send({ jsonrpc: "2.0", id: one.id as number, result: answer as never });
  };
  await line.start();
  return {
    async ask(id, request) {
      const from = came.length;
      await line.send(request as never);
      const mine = () => came.slice(from);
      await until("the answer", () => mine().some((m) => m.id === id && m.method === undefined));
      return mine();
    },
    tell: (notification) => line.send(notification as never),
    close: () => line.close(),
  };
}
