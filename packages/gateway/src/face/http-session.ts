import type { IncomingMessage, ServerResponse } from "node:http";
import { type Grant, isObject, stringifyJson } from "@callgate/core";
import type { JSONRPCMessage, Server, Transport } from "@modelcontextprotocol/server";
import type { Broker } from "../broker.ts";
import type { Exchange } from "../exchange.ts";
import type { Session } from "../session.ts";
import type { Callback } from "../upstream/link.ts";
import { isAgentMessage, type Message, type RequestId, WIRE_CODES } from "../upstream/message.ts";
import { ASK_MS, agentServer } from "./agent-server.ts";
import { responseText } from "./answer.ts";
import { sendError, sendJson } from "./body.ts";
import { changeNotice } from "./notices.ts";
import { sessionOwner } from "./owner.ts";
import { EventStream } from "./sse.ts";

/** The response to one POST: plain JSON if nothing but one answer comes, a stream of events otherwise. */
interface Reply {
  readonly res: ServerResponse;
  readonly open: Set<RequestId>;
  readonly batch: boolean;
  stream: EventStream | undefined;
}

/**
 * One session of the older era over streamable HTTP (MCP 2025-03-26 to 2025-11-25): the transport below the SDK's server, which does the
 * handshake and what is rare. `tools/call` does not go through it: it is read here and answered here.
 */
export class HttpSession implements Transport {
  readonly sessionId: string;
  readonly session: Session;
  onmessage?: Transport["onmessage"];
  onclose?: () => void;
  onerror?: (error: Error) => void;
  #broker: Broker;
  #server: Server;
  #grant: Grant;
  #replies = new Map<RequestId, Reply>();
  #calls = new Map<RequestId, Exchange>();
  #asked = new Map<
    string,
    { resolve: (result: object) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }
  >();
  #asks = 0;
  #listening: EventStream | undefined;
  #unwatch: () => void;
  #closed = false;

  constructor(broker: Broker, grant: Grant, id: string) {
    this.#broker = broker;
    this.#grant = grant;
    this.sessionId = id;
    const name = `http session of ${grant.principal.agent}`;
    const owner = sessionOwner(
      () => this.#server,
      name,
      broker.gate,
      () => this.session,
    );
    this.session = broker.openSession(grant, owner);
    this.#server = agentServer(broker, "legacy", () => ({ grant: this.#grant, session: this.session }));
    this.#unwatch = broker.onListChanged((kind) => void this.#server.notification(changeNotice(kind)).catch(() => {}));
  }

  async open(): Promise<void> {
    await this.#server.connect(this);
  }

  async start(): Promise<void> {}

  /** Serves a POST whose body was parsed already. */
  post(res: ServerResponse, body: unknown, grant: Grant): void {
    this.#grant = grant;
    const messages = (Array.isArray(body) ? body : [body]) as unknown[];
    if (messages.length === 0 || !messages.every(isAgentMessage))
      return sendError(res, 400, WIRE_CODES.invalidRequest, "the body is not a JSON-RPC message");
    const requests = messages.filter(
      (m): m is Message & { id: RequestId } => m.method !== undefined && m.id !== undefined,
    );
    if (requests.some((m) => this.#replies.has(m.id)) || new Set(requests.map((m) => m.id)).size !== requests.length)
      return sendError(
        res,
        400,
        WIRE_CODES.invalidRequest,
        "a request with this id is under way already",
        requests[0]?.id,
      );
    if (requests.length > 0) {
      const reply: Reply = {
        res,
        open: new Set(requests.map((m) => m.id)),
        batch: Array.isArray(body),
        stream: undefined,
      };
      for (const m of requests) this.#replies.set(m.id, reply);
    }
    for (const message of messages) this.#receive(message);
    if (requests.length === 0) res.writeHead(202).end();
  }

  /** Serves a GET: the stream for messages that belong to no request. A new one takes the place of an old one. */
  listen(res: ServerResponse): void {
    this.#listening?.end();
    const stream = new EventStream(res, { "mcp-session-id": this.sessionId });
    this.#listening = stream;
    res.once("close", () => {
      if (this.#listening === stream) this.#listening = undefined;
    });
  }

  /** What the SDK's server sends. */
  async send(message: JSONRPCMessage, options?: { relatedRequestId?: RequestId | undefined }): Promise<void> {
    const m = message as Message;
    if (m.method === undefined && m.id !== undefined) this.#respond(m.id, stringifyJson(message));
    else this.#emit(stringifyJson(message), options?.relatedRequestId);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    for (const exchange of this.#calls.values()) {
      exchange.cancelled = true;
      exchange.onCancel?.("the session was closed");
    }
    for (const asked of this.#asked.values()) {
      clearTimeout(asked.timer);
      asked.reject(new Error("the session was closed"));
    }
    for (const reply of new Set(this.#replies.values())) reply.stream?.end();
    for (const reply of new Set(this.#replies.values()))
      if (!reply.res.headersSent) sendError(reply.res, 404, WIRE_CODES.connectionClosed, "the session was closed");
    this.#replies.clear();
    this.#listening?.end();
    await this.#broker.endSession(this.session);
    this.onclose?.();
  }

  #receive(message: Message): void {
    if (message.method === "tools/call" && message.id !== undefined && this.#server.getClientCapabilities())
      return void this.#call(message.id, message.params ?? {});
    if (message.method === undefined && typeof message.id === "string" && this.#asked.has(message.id))
      return this.#answered(message.id, message);
    if (message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"] as RequestId;
      const exchange = this.#calls.get(id);
      if (exchange) {
        exchange.cancelled = true;
        exchange.onCancel?.(
          typeof message.params?.["reason"] === "string"
            ? `the agent cancelled the call: ${message.params["reason"].slice(0, 200)}`
            : "the agent cancelled the call",
        );
        return;
      }
    }
    this.onmessage?.(message as JSONRPCMessage);
  }

  /** The short way of the common request: no SDK, the same life of a call. */
  async #call(id: RequestId, params: Readonly<Record<string, unknown>>): Promise<void> {
    const { progressToken, ...meta } = isObject(params["_meta"]) ? params["_meta"] : {};
    const exchange: Exchange = {
      era: "legacy",
      capabilities: (this.#server.getClientCapabilities() as Record<string, unknown> | undefined) ?? {},
      notify: (method, p) => this.#emit(stringifyJson({ jsonrpc: "2.0", method, ...(p && { params: p }) }), id),
      ask: (callback) => this.#ask(callback, id),
      onCancel: undefined,
      cancelled: false,
      progressToken: progressToken as RequestId | undefined,
      meta: Object.keys(meta).length > 0 ? meta : undefined,
    };
    this.#calls.set(id, exchange);
    const answer = await this.#broker.relay.callTool(
      params as Record<string, unknown>,
      this.#grant,
      this.session,
      exchange,
    );
    this.#calls.delete(id);
    if (exchange.cancelled) this.#drop(id);
    else this.#respond(id, responseText(id, answer, "legacy"));
  }

  #ask(callback: Callback, related: RequestId): Promise<object> {
    const id = `callgate-${++this.#asks}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        reject(new Error("the client did not answer in time"));
      }, ASK_MS);
      this.#asked.set(id, { resolve, reject, timer });
      this.#emit(
        stringifyJson({
          jsonrpc: "2.0",
          id,
          method: callback.method,
          ...(callback.params && { params: callback.params }),
        }),
        related,
      );
    });
  }

  #answered(id: string, message: Message): void {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    clearTimeout(asked.timer);
    if (isObject(message.result)) asked.resolve(message.result);
    else asked.reject(new Error(message.error?.message ?? "the client refused"));
  }

  #respond(id: RequestId, text: string): void {
    const reply = this.#replies.get(id);
    if (!reply) return;
    this.#replies.delete(id);
    reply.open.delete(id);
    if (!reply.stream && !reply.batch) return sendJson(reply.res, 200, text, { "mcp-session-id": this.sessionId });
    this.#streamOf(reply).send(text);
    if (reply.open.size === 0) reply.stream?.end();
  }

  /** A cancelled request gets no answer: its response ends. */
  #drop(id: RequestId): void {
    const reply = this.#replies.get(id);
    if (!reply) return;
    this.#replies.delete(id);
    reply.open.delete(id);
    if (reply.open.size > 0) return;
    if (reply.stream) reply.stream.end();
    else reply.res.writeHead(202).end();
  }

  /** A message beside the answers: on the stream of its request if that is open, else on the listening one. */
  #emit(text: string, related: RequestId | undefined): void {
    const reply = related === undefined ? undefined : this.#replies.get(related);
    if (reply && !reply.res.destroyed) this.#streamOf(reply).send(text);
    else this.#listening?.send(text);
  }

  #streamOf(reply: Reply): EventStream {
    reply.stream ??= new EventStream(reply.res, { "mcp-session-id": this.sessionId });
    return reply.stream;
  }
}

/** Reads a session id from a request's headers. */
export function sessionIdOf(req: IncomingMessage): string | undefined {
  const id = req.headers["mcp-session-id"];
  return typeof id === "string" ? id : undefined;
}
