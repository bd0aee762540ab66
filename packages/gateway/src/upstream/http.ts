import { parseJson, stringifyJson } from "@callgate/core";
import { createParser } from "eventsource-parser";
import { type Dispatcher, Pool } from "undici";
import { ENVELOPE, isMessage, type Message, type RequestId } from "./message.ts";
import { ServerSaid, type Wire, type WireEvents } from "./wire.ts";

/** Where a streamable HTTP server is. */
export interface HttpTarget {
  readonly url: URL;
  /** Headers for every request, such as `authorization`. Secrets: MUST NOT be logged. */
  readonly headers: Readonly<Record<string, string>>;
}

const MAX_BODY = 64 * 1024 * 1024;
const RECONNECT_MS = 1000;
const MAX_RECONNECTS = 5;
const POST_HEADERS = ["content-type", "application/json", "accept", "application/json, text/event-stream"];

/** Speaks MCP's streamable HTTP transport (2025-03-26 to 2026-07-28) with one server over a keep-alive pool. */
export function openHttpWire(target: HttpTarget, events: WireEvents, connections = 64): Wire {
  const pool = new Pool(target.url.origin, { connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const path = target.url.pathname + target.url.search;
  const streams = new Map<RequestId, { abort: () => void }>();
  let session: string | undefined;
  let version: string | undefined;
  let closed = false;
  let listening: { abort: () => void } | undefined;

  /** Names and values in turn, as undici takes them without looking at each. Made anew only when the handshake changes them. */
  let fixed: readonly string[] | undefined;
  const fixedHeaders = (): readonly string[] => {
    fixed ??= [
      ...Object.entries(target.headers).flat(),
      ...(version === undefined ? [] : ["mcp-protocol-version", version]),
      ...(session === undefined ? [] : ["mcp-session-id", session]),
    ];
    return fixed;
  };

  /** Reads one response: a JSON body, or an event stream whose messages are handed on as they come. */
  function exchange(
    options: Dispatcher.DispatchOptions,
    id: RequestId | undefined,
    done: (end: StreamEnd) => void,
  ): { abort: () => void } {
    let controller: Dispatcher.DispatchController | undefined;
    let aborted = false;
    let status = 0;
    let events_: ReturnType<typeof createParser> | undefined;
    let chunks: Buffer[] = [];
    let size = 0;
    let lastEventId: string | undefined;
    let retryMs: number | undefined;
    let decoder: InstanceType<typeof TextDecoder> | undefined;
    const finish = (error?: Error): void => {
      const end = done;
      done = () => {};
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      end({ status, text: body.toString("utf8"), stream: events_ !== undefined, lastEventId, retryMs, error });
      chunks = [];
    };
    pool.dispatch(options, {
      onRequestStart(c) {
        controller = c;
        if (aborted) c.abort(new Error("abandoned"));
      },
      onResponseStart(_c, code, headers) {
        status = code;
        const sid = headers["mcp-session-id"];
        if (typeof sid === "string" && code < 300 && session === undefined) {
          session = sid;
          fixed = undefined;
        }
        if (String(headers["content-type"] ?? "").startsWith("text/event-stream") && code < 300) {
          events_ = createParser({
            maxBufferSize: MAX_BODY,
            onEvent: (event) => {
              if (event.id !== undefined) lastEventId = event.id;
              if (event.data === "" || (event.event !== undefined && event.event !== "message")) return;
              receive(event.data, id);
            },
            onRetry: (ms) => {
              retryMs = ms;
            },
          });
        }
      },
      onResponseData(c, chunk) {
        if (events_) {
          decoder ??= new TextDecoder();
          events_.feed(decoder.decode(chunk, { stream: true }));
        } else {
          size += chunk.length;
          if (size > MAX_BODY) c.abort(new Error("the server's answer is over 64 MiB"));
          else chunks.push(chunk);
        }
      },
      onResponseEnd: () => finish(),
      onResponseError: (_c, error) => finish(error),
    });
    return {
      abort() {
        aborted = true;
        controller?.abort(new Error("abandoned"));
      },
    };
  }

  function receive(text: string, related: RequestId | undefined): void {
    let message: unknown;
    try {
      message = parseJson(text);
    } catch {
      return;
    }
    for (const one of Array.isArray(message) ? message : [message]) {
      if (!isMessage(one)) continue;
      if (one.method !== undefined) events.onMessage(one, related);
      else if (one.id !== undefined && one.id === related) {
        // INVARIANT: a stream answers the request that it was opened for, and no other.
        streams.delete(one.id);
        events.onReply(one.id, Array.isArray(message) ? { message: one } : { message: one, text });
      }
    }
  }

  /** A body that is the request's answer: any message with a 2xx status, and an error object with any other. */
  function answer(id: RequestId, end: StreamEnd): void {
    if (end.status >= 200 && end.status < 300) return receive(end.text, id);
    if (end.status === 404 && session !== undefined) return;
    try {
      const message: unknown = parseJson(end.text);
      if (!isMessage(message) || typeof message.error?.code !== "number") return;
      streams.delete(id);
      events.onReply(id, { message: { ...message, id } });
    } catch {
      // Not JSON: reported as an HTTP failure.
    }
  }

  /** A request whose stream ended early is taken up again from its last event (MCP 2025-11-25, resumability). */
  function settle(id: RequestId, end: StreamEnd, attempt: number): void {
    if (!streams.has(id)) return;
    if (!end.stream && end.error === undefined && end.text !== "") answer(id, end);
    if (!streams.has(id)) return;
    if (end.status === 404 && session !== undefined && !closed) {
      streams.delete(id);
      events.onRequestFailed(id, new Error("the server no longer knows the session"));
      closed = true;
      events.onClose(new Error("the server no longer knows the session"));
      return;
    }
    if (end.stream && end.lastEventId !== undefined && attempt < MAX_RECONNECTS && !closed) {
      const from = end.lastEventId;
      const timer = setTimeout(() => {
        if (!streams.has(id)) return;
        const options = getOptions({ "last-event-id": from });
        streams.set(
          id,
          exchange(options, id, (next) => settle(id, { lastEventId: from, ...defined(next) }, attempt + 1)),
        );
      }, end.retryMs ?? RECONNECT_MS);
      streams.set(id, { abort: () => clearTimeout(timer) });
      return;
    }
    streams.delete(id);
    events.onRequestFailed(id, failureOf(end));
  }

  const getOptions = (more: Record<string, string>): Dispatcher.DispatchOptions => ({
    method: "GET",
    path,
    headers: [...fixedHeaders(), "accept", "text/event-stream", ...Object.entries(more).flat()],
  });

  /** The sessionful era's stream for messages that belong to no request. Servers without one answer 405. */
  function listen(attempt: number, from?: string): void {
    if (closed) return;
    listening = exchange(getOptions(from === undefined ? {} : { "last-event-id": from }), undefined, (end) => {
      if (closed || !end.stream || attempt > MAX_RECONNECTS) return;
      setTimeout(
        () => listen(end.lastEventId === undefined ? attempt + 1 : 1, end.lastEventId),
        end.retryMs ?? RECONNECT_MS,
      ).unref();
    });
  }

  function post(message: Message, headers: Readonly<Record<string, string>> | undefined): Dispatcher.DispatchOptions {
    return {
      method: "POST",
      path,
      headers: [...fixedHeaders(), ...POST_HEADERS, ...(headers ? Object.entries(headers).flat() : [])],
      body: stringifyJson(message),
    };
  }

  return {
    request(message, headers) {
      const id = message.id;
      if (closed) return events.onRequestFailed(id, new Error("the connection is closed"));
      streams.set(id, { abort: () => {} });
      const stream = exchange(post(message, headers), id, (end) => settle(id, end, 0));
      if (streams.has(id)) streams.set(id, stream);
    },
    send(message) {
      if (!closed) exchange(post(message, undefined), undefined, () => {});
    },
    abandon(id) {
      const stream = streams.get(id);
      streams.delete(id);
      // Only a stateless request is cancelled by its stream's end; a sessionful one needs the notification too.
      if (session === undefined && version === undefined) stream?.abort();
      return session === undefined && version === undefined;
    },
    negotiated(v, sessionful) {
      if (!sessionful) return;
      version = v;
      fixed = undefined;
      listen(0);
    },
    async close() {
      if (closed) return;
      closed = true;
      listening?.abort();
      for (const stream of streams.values()) stream.abort();
      streams.clear();
      if (session !== undefined) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 1000);
          exchange({ method: "DELETE", path, headers: [...fixedHeaders()] }, undefined, () => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      await pool.destroy();
    },
  };
}

interface StreamEnd {
  readonly status: number;
  readonly text: string;
  readonly stream: boolean;
  readonly lastEventId?: string | undefined;
  readonly retryMs?: number | undefined;
  readonly error?: Error | undefined;
}

function defined(end: StreamEnd): StreamEnd {
  const { lastEventId, ...rest } = end;
  return lastEventId === undefined ? rest : end;
}

/** What to say of a response that was no answer. A JSON-RPC error in an error body is handed on by the caller instead. */
function failureOf(end: StreamEnd): Error {
  if (end.error) return end.error;
  if (end.stream) return new Error("the server closed the stream before it answered");
  const said = end.text.slice(0, 200).replaceAll(/\s+/g, " ");
  return new ServerSaid(`the server answered HTTP ${end.status}`, said);
}

const TOKEN = /^[\x20-\x7E]*$/;

/** A header value as MCP 2026-07-28 (SEP-2243) writes it: plain where it is safe, else a Base64 sentinel. */
export function headerValue(value: string): string {
  const safe = TOKEN.test(value) && value === value.trim() && !/^=\?base64\?.*\?=$/i.test(value);
  return safe ? value : `=?base64?${Buffer.from(value, "utf8").toString("base64")}?=`;
}

/** The headers that a stateless request must repeat from its body (MCP 2026-07-28, SEP-2243). */
export function standardHeaders(message: Message): Record<string, string> {
  const params = message.params ?? {};
  const meta = params["_meta"] as Record<string, unknown> | undefined;
  const version = meta?.[ENVELOPE.version];
  const headers: Record<string, string> = {
    "mcp-protocol-version": typeof version === "string" ? version : "",
    "mcp-method": message.method ?? "",
  };
  const name = message.method === "resources/read" ? params["uri"] : params["name"];
  if (
    (message.method === "tools/call" || message.method === "prompts/get" || message.method === "resources/read") &&
    typeof name === "string"
  )
    headers["mcp-name"] = headerValue(name);
  return headers;
}
