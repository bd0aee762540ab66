import { Client, StreamableHTTPClientTransport, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport as OldTransport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResultSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { ENVIRONMENT } from "./process.ts";
import { ENVELOPE, VERSION } from "./wire.ts";

/** The clients that agents come with: the SDK's first major version, and its second in either era. */
export const KINDS = ["1.x client", "2.x client, legacy", "2.x client, modern"] as const;
export type Kind = (typeof KINDS)[number];

/** Where a broker is met. */
export type Face =
  | { readonly url: string; readonly token?: string }
  /** Arguments of `node`. */
  | { readonly args: readonly string[]; readonly stderr?: "inherit" };

/** A request that the broker made of the agent's client, or a notification that it sent. */
export interface Heard {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What the person behind a client answers. A function may refuse by throwing. */
export interface Answers {
  readonly "elicitation/create"?: (params: Readonly<Record<string, unknown>>) => object | Promise<object>;
  readonly "sampling/createMessage"?: (params: Readonly<Record<string, unknown>>) => object | Promise<object>;
  readonly "roots/list"?: () => object | Promise<object>;
}

export interface CallOptions {
  readonly onprogress?: (progress: { progress: number; total?: number | undefined }) => void;
  readonly signal?: AbortSignal;
}

/** A tool's result, as far as tests look into it. */
export interface ToolResult {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** A real client, connected, with what it heard. */
export interface Agent {
  readonly kind: Kind;
  readonly modern: boolean;
  /** The streamable HTTP session, where there is one. */
  readonly sessionId: string | undefined;
  readonly heard: readonly Heard[];
  /** What it was asked, in order. */
  readonly asked: readonly Heard[];
  readonly capabilities: Readonly<Record<string, unknown>>;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolResult>;
  request(method: string, params?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Subscribes to resources and to changes of lists, in the era's way. */
  watch(uris: readonly string[]): Promise<void>;
  /** The least serious log messages it wants, in the era's way. */
  logs(level: string): Promise<void>;
  close(): Promise<void>;
}

const NAME = { name: "callgate-test", version: "1.0.0" };
const FAMILIES = {
  "elicitation/create": { elicitation: {} },
  "sampling/createMessage": { sampling: {} },
  "roots/list": { roots: {} },
};

/** Connects a client that declares what `answers` can answer, and nothing else. */
export async function connect(kind: Kind, face: Face, answers: Answers = {}): Promise<Agent> {
  const asked: Heard[] = [];
  const heard: Heard[] = [];
  const methods = Object.keys(answers) as (keyof Answers)[];
  const capabilities = Object.assign({}, ...methods.map((m) => FAMILIES[m])) as Record<string, object>;
  const answer = (method: keyof Answers) => async (request: { params?: unknown }) => {
    const params = (request.params ?? {}) as Record<string, unknown>;
    asked.push({ method, params });
    return (await (answers[method] as (p: unknown) => object | Promise<object>)(params)) as never;
  };
  const hear = async (n: { method: string; params?: unknown }) => {
    heard.push({ method: n.method, params: (n.params ?? {}) as Record<string, unknown> });
  };
  const plain =
    kind === "1.x client"
      ? oldClient(face, capabilities, answer, methods, hear)
      : newClient(kind, face, capabilities, answer, methods, hear);
  await plain.open();
  const modern = kind === "2.x client, modern";
  let level: string | undefined;
  return {
    kind,
    modern,
    get sessionId() {
      return plain.sessionId();
    },
    heard,
    asked,
    get capabilities() {
      return plain.capabilities();
    },
    call: (name, args = {}, options = {}) =>
      plain.call(
        { name, arguments: args, ...(level !== undefined && { _meta: { [ENVELOPE.logLevel]: level } }) },
        options,
      ),
    request: (method, params) => plain.request(method, params),
    async watch(uris) {
      if (modern) return plain.listen(uris);
      for (const uri of uris) await plain.request("resources/subscribe", { uri });
    },
    async logs(wanted) {
      if (modern) level = wanted;
      else await plain.request("logging/setLevel", { level: wanted });
    },
    close: () => plain.close(),
  };
}

/** What the two clients have in common, in one shape. */
interface Plain {
  open(): Promise<void>;
  sessionId(): string | undefined;
  capabilities(): Record<string, unknown>;
  call(
    params: { name: string; arguments: Record<string, unknown>; _meta?: Record<string, unknown> },
    options: CallOptions,
  ): Promise<ToolResult>;
  request(method: string, params: Record<string, unknown> | undefined): Promise<Record<string, unknown>>;
  listen(uris: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

type Answerer = (method: keyof Answers) => (request: { params?: unknown }) => Promise<never>;
type Hearer = (notification: { method: string; params?: unknown }) => Promise<void>;

const TIMEOUT = 30_000;

function oldClient(
  face: Face,
  capabilities: Record<string, object>,
  answer: Answerer,
  methods: (keyof Answers)[],
  hear: Hearer,
): Plain {
  const client = new OldClient(NAME, { capabilities });
  const schemas = {
    "elicitation/create": ElicitRequestSchema,
    "sampling/createMessage": CreateMessageRequestSchema,
    "roots/list": ListRootsRequestSchema,
  };
  for (const method of methods) client.setRequestHandler(schemas[method], answer(method));
  client.fallbackNotificationHandler = hear;
  const transport =
    "url" in face
      ? new OldHttp(new URL(face.url), { requestInit: { headers: authorization(face.token) } })
      : new OldStdio({
          command: process.execPath,
          args: [...face.args],
          env: ENVIRONMENT,
          stderr: face.stderr ?? "ignore",
        });
  return {
    // The cast bridges `exactOptionalPropertyTypes`, which the first SDK was not written for.
    open: () => client.connect(transport as OldTransport, { timeout: TIMEOUT }),
    sessionId: () => ("sessionId" in transport ? transport.sessionId : undefined),
    capabilities: () => (client.getServerCapabilities() ?? {}) as Record<string, unknown>,
    call: async (params, options) =>
      (await client.callTool(params, undefined, { timeout: TIMEOUT, ...options } as never)) as unknown as ToolResult,
    request: async (method, params) =>
      await client.request({ method, ...(params && { params }) } as never, ResultSchema, { timeout: TIMEOUT }),
    listen: () => Promise.reject(new Error("this era subscribes one by one")),
    async close() {
      if ("terminateSession" in transport) await transport.terminateSession();
      await client.close();
    },
  };
}

function newClient(
  kind: Kind,
  face: Face,
  capabilities: Record<string, object>,
  answer: Answerer,
  methods: (keyof Answers)[],
  hear: Hearer,
): Plain {
  const mode = kind === "2.x client, modern" ? { pin: VERSION } : "legacy";
  const client = new Client(NAME, { capabilities, versionNegotiation: { mode } });
  for (const method of methods) client.setRequestHandler(method, answer(method) as never);
  client.fallbackNotificationHandler = hear;
  const transport =
    "url" in face
      ? new StreamableHTTPClientTransport(new URL(face.url), { requestInit: { headers: authorization(face.token) } })
      : new StdioClientTransport({
          command: process.execPath,
          args: [...face.args],
          env: ENVIRONMENT,
          stderr: face.stderr ?? "ignore",
        });
  return {
    open: () => client.connect(transport as Transport, { timeout: TIMEOUT }),
    sessionId: () => ("sessionId" in transport ? (transport.sessionId as string | undefined) : undefined),
    capabilities: () => (client.getServerCapabilities() ?? {}) as Record<string, unknown>,
    call: async (params, options) =>
      (await client.callTool(params, { timeout: TIMEOUT, ...options })) as unknown as ToolResult,
    request: (method, params) => newRequest(client, method, params ?? {}),
    async listen(uris) {
      await client.listen({
        toolsListChanged: true,
        resourcesListChanged: true,
        promptsListChanged: true,
        ...(uris.length > 0 && { resourceSubscriptions: [...uris] }),
      });
    },
    async close() {
      if ("terminateSession" in transport && mode === "legacy")
        await (transport as StreamableHTTPClientTransport).terminateSession();
      await client.close();
    },
  };
}

/** The typed methods, for they are what agents use: they cache, validate and read the era's own result shapes. */
async function newRequest(
  client: Client,
  method: string,
  params: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const typed: Record<string, (p: never) => Promise<unknown>> = {
    "tools/list": (p) => client.listTools(p, { cacheMode: "refresh" }),
    "resources/list": (p) => client.listResources(p, { cacheMode: "refresh" }),
    "resources/templates/list": (p) => client.listResourceTemplates(p, { cacheMode: "refresh" }),
    "resources/read": (p) => client.readResource(p, { cacheMode: "refresh" }),
    "resources/subscribe": (p) => client.subscribeResource(p),
    "resources/unsubscribe": (p) => client.unsubscribeResource(p),
    "prompts/list": (p) => client.listPrompts(p, { cacheMode: "refresh" }),
    "prompts/get": (p) => client.getPrompt(p),
    "completion/complete": (p) => client.complete(p),
    "logging/setLevel": (p: { level: never }) => client.setLoggingLevel(p.level),
    ping: () => client.ping(),
  };
  const ask = typed[method];
  if (!ask) throw new Error(`no such request here: ${method}`);
  return (await ask(params as never)) as Record<string, unknown>;
}

function authorization(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** The texts of a result, joined. */
export function textOf(result: ToolResult): string {
  return result.content.map((c) => c.text ?? "").join("\n");
}

/** The rule that denied or failed a call; undefined for a result that is the tool's own. */
export function ruleOf(result: ToolResult): string | undefined {
  const denial = result._meta?.["io.callgate/denial"] as { rule?: string } | undefined;
  return denial?.rule;
}
