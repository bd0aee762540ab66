import type { IncomingMessage, ServerResponse } from "node:http";
import { type Grant, isObject, stringifyJson, writableJson } from "@callgate/core";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { type AuthInfo, createMcpHandler, type McpHttpHandler } from "@modelcontextprotocol/server";
import type { Logger } from "pino";
import type { Broker } from "../broker.ts";
import { EVERYTHING } from "../callbacks.ts";
import type { Exchange } from "../exchange.ts";
import { overhear } from "../overhear.ts";
import { RELAYED } from "../relay.ts";
import type { Session } from "../session.ts";
import type { LinkOwner } from "../upstream/link.ts";
import { ENVELOPE, type Message, MODERN_VERSION, type RequestId, WIRE_CODES } from "../upstream/message.ts";
import { checkParamHeaders, decodeHeader } from "../upstream/param-headers.ts";
import { RefusedRequest } from "../upstream/peer.ts";
import { agentServer } from "./agent-server.ts";
import { responseText } from "./answer.ts";
import { sendError, sendJson } from "./body.ts";
import { EventStream } from "./sse.ts";
import { watchResources } from "./watch.ts";

/** MCP 2026-07-28, SEP-2243: the headers and the body disagree. */
const HEADER_MISMATCH = -32020;

interface Principal {
  readonly handler: McpHttpHandler;
  readonly node: ReturnType<typeof toNodeHandler>;
}

/**
 * The stateless era over HTTP (MCP 2026-07-28). `tools/call` in its common form is read and answered here, without the SDK; everything
 * else goes to the SDK's handler, one for each principal, so that a change notice meant for one cannot reach another.
 */
export class ModernFace {
  #broker: Broker;
  #log: Logger;
  #principals = new Map<string, Principal>();
  #stop: () => void;

  constructor(broker: Broker, log: Logger) {
    this.#broker = broker;
    this.#log = log;
    this.#stop = broker.onListChanged((kind) => {
      for (const { handler } of this.#principals.values()) {
        if (kind === "tools") handler.notify.toolsChanged();
        else if (kind === "prompts") handler.notify.promptsChanged();
        else handler.notify.resourcesChanged();
      }
    });
  }

  /** Serves one POST whose body was parsed already. */
  async serve(req: IncomingMessage, res: ServerResponse, body: unknown, grant: Grant): Promise<void> {
    const call = commonCall(req, body);
    if (call) return this.#call(req, res, call, grant);
    const { node } = this.#principalOf(grant);
    let message = body;
    if (isObject(body) && body["method"] === "subscriptions/listen") {
      const watched = await watchResources(this.#broker, body as Message, grant, this.#sessionOf(grant));
      if (watched) {
        message = watched.message;
        if (res.destroyed) return watched.end();
        res.once("close", () => watched.end());
      }
    }
    const auth: AuthInfo = {
      token: "",
      clientId: grant.principal.agent,
      scopes: [...grant.scopes],
      extra: { grant, relays: isObject(body) && RELAYED.has(String(body["method"])), message },
    };
    await node(Object.assign(req, { auth }) as Parameters<typeof node>[0], res, writableJson(message));
  }

  async close(): Promise<void> {
    this.#stop();
    await Promise.all([...this.#principals.values()].map((p) => p.handler.close()));
  }

  /** The short way of the common request: no SDK, the same life of a call. */
  async #call(req: IncomingMessage, res: ServerResponse, call: CommonCall, grant: Grant): Promise<void> {
    const { id, params, meta } = call;
    const tool = this.#broker.gate.registry.get(params["name"] as string);
    const mismatch =
      tool && tool.paramHeaders.length > 0
        ? checkParamHeaders(tool.paramHeaders, params["arguments"], req.headers)
        : undefined;
    if (mismatch)
      return sendError(
        res,
        400,
        HEADER_MISMATCH,
        `Bad Request: the request headers and body disagree: ${mismatch}`,
        id,
      );
    let stream: EventStream | undefined;
    const {
      progressToken,
      [ENVELOPE.version]: _v,
      [ENVELOPE.clientInfo]: _c,
      [ENVELOPE.clientCapabilities]: capabilities,
      [ENVELOPE.logLevel]: level,
      ...rest
    } = meta;
    const exchange: Exchange = {
      era: "modern",
      capabilities: capabilities as Record<string, unknown>,
      notify: (method, p) => {
        stream ??= new EventStream(res);
        stream.send(stringifyJson({ jsonrpc: "2.0", method, ...(p && { params: p }) }));
      },
      onCancel: undefined,
      cancelled: false,
      progressToken: progressToken as RequestId | undefined,
      meta: Object.keys(rest).length > 0 ? rest : undefined,
      logLevel: typeof level === "string" ? level : undefined,
      inputResponses: params["inputResponses"] as Record<string, unknown> | undefined,
      requestState: params["requestState"],
    };
    // In this era the end of the connection is how an agent cancels.
    res.once("close", () => {
      if (res.writableFinished) return;
      exchange.cancelled = true;
      exchange.onCancel?.("the agent closed the connection");
    });
    const answer = await this.#broker.relay.callTool(params, grant, this.#sessionOf(grant), exchange);
    if (exchange.cancelled) return;
    const text = responseText(id, answer, "modern");
    // Read through a call: `notify` may have opened the stream since.
    const opened = stream as EventStream | undefined;
    if (!opened) {
      const status = "error" in answer && answer.error.code === WIRE_CODES.missingCapability ? 400 : 200;
      return sendJson(res, status, text);
    }
    opened.send(text);
    opened.end();
  }

  #sessionOf(grant: Grant): Session {
    return this.#broker.sessionOf(grant, () => this.#ownerOf(grant));
  }

  #ownerOf(grant: Grant): LinkOwner {
    return {
      name: `stateless ${grant.principal.agent}`,
      capabilities: EVERYTHING,
      onRequest: () =>
        Promise.reject(
          new RefusedRequest({ code: WIRE_CODES.methodNotFound, message: "the client cannot be asked outside a call" }),
        ),
      onNotification: (method, params, from = "") => {
        const { notify } = this.#principalOf(grant).handler;
        if (method === "notifications/resources/updated" && typeof params?.["uri"] === "string") {
          overhear(this.#broker.gate, this.#sessionOf(grant), from, { uri: params["uri"] });
          notify.resourceUpdated(params["uri"]);
        } else if (method === "notifications/resources/list_changed") notify.resourcesChanged();
        else if (method === "notifications/prompts/list_changed") notify.promptsChanged();
      },
    };
  }

  #principalOf(grant: Grant): Principal {
    const key = JSON.stringify([grant.principal.agent, grant.principal.user ?? null]);
    let principal = this.#principals.get(key);
    if (!principal) {
      const handler = createMcpHandler(
        ({ authInfo }) => {
          const { grant: own, relays } = (authInfo as AuthInfo).extra as { grant: Grant; relays: boolean };
          return agentServer(this.#broker, "modern", () => ({ grant: own, session: this.#sessionOf(own) }), relays);
        },
        { legacy: "reject", onerror: (error) => this.#log.debug({ err: error.message }, "modern face") },
      );
      // The adapter writes a body that was parsed once more as JSON; the handler gets it as it was parsed, integers exact.
      const node = toNodeHandler({
        fetch: (request, options) =>
          handler.fetch(request, { ...options, parsedBody: options?.authInfo?.extra?.["message"] }),
      });
      principal = { handler, node };
      this.#principals.set(key, principal);
    }
    return principal;
  }
}

interface CommonCall {
  readonly id: RequestId;
  readonly params: Record<string, unknown>;
  readonly meta: Record<string, unknown>;
}

const LEVELS = new Set(["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]);

/**
 * A `tools/call` that is well-formed in every respect; undefined for anything else, which the SDK's handler then judges. So this path
 * can never accept what the SDK would refuse.
 */
function commonCall(req: IncomingMessage, body: unknown): CommonCall | undefined {
  if (!isObject(body) || body["jsonrpc"] !== "2.0" || body["method"] !== "tools/call") return undefined;
  const { id, params } = body;
  if ((typeof id !== "string" && !Number.isSafeInteger(id)) || !isObject(params) || typeof params["name"] !== "string")
    return undefined;
  if (params["arguments"] !== undefined && !isObject(params["arguments"])) return undefined;
  if (
    params["inputResponses"] !== undefined &&
    !(isObject(params["inputResponses"]) && Object.values(params["inputResponses"]).every(isBareResponse))
  )
    return undefined;
  if (params["requestState"] !== undefined && typeof params["requestState"] !== "string") return undefined;
  if (params["task"] !== undefined) return undefined;
  const meta = params["_meta"];
  if (
    !isObject(meta) ||
    meta[ENVELOPE.version] !== MODERN_VERSION ||
    !plainCapabilities(meta[ENVELOPE.clientCapabilities])
  )
    return undefined;
  const info = meta[ENVELOPE.clientInfo];
  if (
    info !== undefined &&
    !(
      isObject(info) &&
      typeof info["name"] === "string" &&
      typeof info["version"] === "string" &&
      info["icons"] === undefined &&
      info["websiteUrl"] === undefined
    )
  )
    return undefined;
  const level = meta[ENVELOPE.logLevel];
  if (level !== undefined && !(typeof level === "string" && LEVELS.has(level))) return undefined;
  const token = meta["progressToken"];
  if (token !== undefined && typeof token !== "string" && !Number.isSafeInteger(token)) return undefined;
  const { headers } = req;
  if (headers["mcp-protocol-version"] !== MODERN_VERSION || headers["mcp-method"] !== "tools/call") return undefined;
  const name = headers["mcp-name"];
  if (typeof name !== "string" || decodeHeader(name) !== params["name"]) return undefined;
  return { id: id as RequestId, params, meta };
}

/** Objects all the way down to the second level, which is as deep as the capability schema constrains anything. */
function plainCapabilities(value: unknown): boolean {
  return (
    isObject(value) &&
    Object.values(value).every(
      (v) => isObject(v) && Object.values(v).every((w) => isObject(w) || typeof w === "boolean"),
    )
  );
}

/** An answer as the stateless era writes it; the SDK drops the wrapped `{method, result}` form that some peers send. */
function isBareResponse(value: unknown): boolean {
  return isObject(value) && !("method" in value) && !("result" in value);
}
