import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CallgateError, type Grant, isObject, jsonDepth, messageOf, newId, parseJson } from "@callgate/core";
import { isJsonContentType } from "@modelcontextprotocol/server";
import type { Logger } from "pino";
import type { Broker } from "../broker.ts";
import { ENVELOPE, LEGACY_VERSIONS, MODERN_VERSION, WIRE_CODES } from "../upstream/message.ts";
import { readBody, sendError, sendJson } from "./body.ts";
import { HttpSession, sessionIdOf } from "./http-session.ts";
import { ModernFace } from "./modern.ts";
import { type Admission, admissionOf, refusedOrigin } from "./origin.ts";
import { SESSIONS_PATH, serveSessions } from "./sessions.ts";

const MAX_SESSIONS = 10_000;
const IDLE_MS = 60 * 60_000;
const REALM = 'Bearer realm="callgate"';
const OVER = "the session of this token is over; the harness that opened it can open another";

/** The HTTP face, listening. */
export interface HttpFace {
  /** The MCP endpoint. */
  readonly url: string;
  close(): Promise<void>;
}

/** Opens the HTTP face: one endpoint for both eras. Throws `HTTP_LISTEN` if the address cannot be had. */
export async function openHttpFace(broker: Broker, log: Logger): Promise<HttpFace> {
  const { http } = broker.config;
  const face = new Face(broker, log);
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (req, res) => {
    face.handle(req, res).catch((error: unknown) => {
      log.error({ err: messageOf(error) }, "a request failed in the HTTP face");
      sendError(res, 500, WIRE_CODES.internal, "internal error");
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE" ? "it is in use" : error.code === "EACCES" ? "permission denied" : error.message;
      reject(
        new CallgateError("HTTP_LISTEN", `cannot listen on ${http.host}:${http.port}: ${why}`, {
          help: "change `http.port` in the configuration, or stop what uses it",
          cause: error,
        }),
      );
    });
    server.listen(http.port, http.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  face.admission = admissionOf(http, port);
  const host = http.host.includes(":") ? `[${http.host}]` : http.host;
  return {
    url: `http://${host}:${port}${http.path}`,
    close: async () => {
      await face.close();
      await closeServer(server);
    },
  };
}

class Face {
  admission!: Admission;
  #broker: Broker;
  #log: Logger;
  #modern: ModernFace;
  #sessions = new Map<string, HttpSession>();
  #sweep: NodeJS.Timeout;

  constructor(broker: Broker, log: Logger) {
    this.#broker = broker;
    this.#log = log;
    this.#modern = new ModernFace(broker, log);
    this.#sweep = setInterval(() => {
      const before = Date.now() - IDLE_MS;
      for (const session of this.#sessions.values()) if (session.session.lastUsed < before) void session.close();
    }, 60_000);
    this.#sweep.unref();
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const refused = refusedOrigin(req, this.admission);
    if (refused) return sendError(res, 403, WIRE_CODES.connectionClosed, refused);
    const path = req.url?.split("?", 1)[0];
    if (path === "/healthz") return sendJson(res, 200, this.#health());
    const isSessions = path === SESSIONS_PATH || path?.startsWith(`${SESSIONS_PATH}/`);
    if (!isSessions && path !== this.#broker.config.http.path)
      return sendError(
        res,
        404,
        WIRE_CODES.invalidRequest,
        `there is nothing here; the MCP endpoint is ${this.#broker.config.http.path}`,
      );

    const grant = this.#known(req) ?? (await this.#authenticate(req, res));
    if (!grant) return;
    if (this.#broker.isOver(grant))
      return sendError(res, 401, WIRE_CODES.connectionClosed, OVER, null, {
        "www-authenticate": `${REALM}, error="invalid_token", error_description="${OVER}"`,
      });
    if (isSessions) return serveSessions(this.#broker, req, res, path as string, grant);
    if (req.method === "POST") return this.#post(req, res, grant);
    if (req.method === "GET" || req.method === "DELETE") return this.#sessionRequest(req, res, grant);
    return sendError(res, 405, WIRE_CODES.invalidRequest, "Method not allowed.", null, { allow: "GET, POST, DELETE" });
  }

  /** Whoever may ask learns how far behind the anchors are, and not which they are. */
  #health(): string {
    const anchors = this.#broker.gate.ledger.anchors().map(({ lag, error }) => ({ lag, ok: error === undefined }));
    return JSON.stringify({ status: "ok", ...(anchors.length > 0 && { anchors }) });
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    await Promise.all([...this.#sessions.values()].map((s) => s.close()));
    await this.#modern.close();
  }

  /** A token that was verified before, without a promise. */
  #known(req: IncomingMessage): Grant | undefined {
    const header = req.headers.authorization;
    if (header === undefined || header.slice(0, 7).toLowerCase() !== "bearer ") return undefined;
    return this.#broker.tokens.recall(header.slice(7));
  }

  /** RFC 6750: the token from the Authorization header alone, never from the URL. Answers the request itself where there is none. */
  async #authenticate(req: IncomingMessage, res: ServerResponse): Promise<Grant | undefined> {
    const header = req.headers.authorization;
    if (header === undefined) {
      const name = this.#broker.config.http.anonymous;
      const agent = name === undefined ? undefined : this.#broker.config.agents[name];
      if (agent) return { principal: { agent: agent.name, roles: agent.roles }, scopes: agent.scopes };
      sendError(
        res,
        401,
        WIRE_CODES.connectionClosed,
        "a bearer token is needed; an operator can issue one with `callgate token issue --agent NAME`",
        null,
        { "www-authenticate": REALM },
      );
      return undefined;
    }
    const token = /^bearer +([\x21-\x7E]+) *$/i.exec(header)?.[1];
    const verdict =
      token === undefined
        ? { error: "invalid_request" as const, message: "the Authorization header is not `Bearer TOKEN`" }
        : await this.#broker.tokens.verify(token);
    if ("principal" in verdict) return verdict;
    this.#log.info({ reason: verdict.message }, "a token was refused");
    const status = verdict.error === "invalid_request" ? 400 : 401;
    sendError(res, status, WIRE_CODES.connectionClosed, verdict.message, null, {
      "www-authenticate": `${REALM}, error="${verdict.error}", error_description="${verdict.message.replaceAll(/["\\]/g, "'")}"`,
    });
    return undefined;
  }

  async #post(req: IncomingMessage, res: ServerResponse, grant: Grant): Promise<void> {
    const { bodyBytes, depth } = this.#broker.config.limits;
    if (!isJsonContentType(req.headers["content-type"]))
      return sendError(
        res,
        415,
        WIRE_CODES.connectionClosed,
        "Unsupported Media Type: Content-Type must be application/json",
      );
    const body = await readBody(req, bodyBytes);
    if (!body.ok) {
      if (body.reason === "too-large")
        sendError(res, 413, WIRE_CODES.connectionClosed, `the body is over ${bodyBytes} bytes`, null, {
          connection: "close",
        });
      return;
    }
    let message: unknown;
    try {
      message = parseJson(body.text);
    } catch {
      return sendError(res, 400, WIRE_CODES.parse, "Parse error: the body is not valid JSON");
    }
    // A few levels for the message around the arguments, which have a ceiling of their own.
    if (jsonDepth(message, depth + 9) > depth + 8)
      return sendError(res, 400, WIRE_CODES.invalidRequest, `the body nests deeper than ${depth + 8} levels`);
    if (isStateless(req, message)) return this.#modern.serve(req, res, message, grant);
    return this.#legacy(req, res, message, grant);
  }

  async #legacy(req: IncomingMessage, res: ServerResponse, body: unknown, grant: Grant): Promise<void> {
    const accept = req.headers.accept ?? "";
    if (!accept.includes("application/json") || !accept.includes("text/event-stream"))
      return sendError(
        res,
        406,
        WIRE_CODES.connectionClosed,
        "Not Acceptable: Client must accept both application/json and text/event-stream",
      );
    const id = sessionIdOf(req);
    if (id === undefined) {
      if (!isObject(body) || body["method"] !== "initialize")
        return sendError(
          res,
          400,
          WIRE_CODES.connectionClosed,
          "Bad Request: Mcp-Session-Id header is required",
          isObject(body) ? body["id"] : null,
        );
      if (this.#sessions.size >= MAX_SESSIONS)
        return sendError(res, 503, WIRE_CODES.internal, "too many sessions are open", body["id"]);
      const session = new HttpSession(this.#broker, grant, newId("mcp"));
      session.onclose = () => void this.#sessions.delete(session.sessionId);
      const forget = session.onclose;
      await session.open();
      const chained = session.onclose;
      session.onclose = () => {
        forget();
        chained?.();
      };
      this.#sessions.set(session.sessionId, session);
      res.setHeader("mcp-session-id", session.sessionId);
      return session.post(res, body, grant);
    }
    const session = this.#session(req, res, grant);
    session?.post(res, body, grant);
  }

  async #sessionRequest(req: IncomingMessage, res: ServerResponse, grant: Grant): Promise<void> {
    if (sessionIdOf(req) === undefined)
      return sendError(
        res,
        req.method === "GET" ? 405 : 400,
        WIRE_CODES.connectionClosed,
        "Bad Request: Mcp-Session-Id header is required",
      );
    const session = this.#session(req, res, grant);
    if (!session) return;
    if (req.method === "DELETE") {
      await session.close();
      res.writeHead(200).end();
      return;
    }
    if (!(req.headers.accept ?? "").includes("text/event-stream"))
      return sendError(res, 406, WIRE_CODES.connectionClosed, "Not Acceptable: Client must accept text/event-stream");
    session.listen(res);
  }

  /** The session named in the headers, if it is this principal's. To anyone else it does not exist. */
  #session(req: IncomingMessage, res: ServerResponse, grant: Grant): HttpSession | undefined {
    const session = this.#sessions.get(sessionIdOf(req) as string);
    if (!session?.session.belongsTo(grant)) {
      sendError(res, 404, -32001, "Session not found");
      return undefined;
    }
    const version = req.headers["mcp-protocol-version"];
    if (typeof version === "string" && !(LEGACY_VERSIONS as readonly string[]).includes(version)) {
      sendError(
        res,
        400,
        WIRE_CODES.connectionClosed,
        `Bad Request: Unsupported protocol version (supported versions: ${LEGACY_VERSIONS.join(", ")}, ${MODERN_VERSION})`,
      );
      return undefined;
    }
    session.session.lastUsed = Date.now();
    return session;
  }
}

/** A message with an envelope, or under a header that names a stateless revision, is the SDK's modern handler's to judge. */
function isStateless(req: IncomingMessage, body: unknown): boolean {
  if (Array.isArray(body)) return body.some((m) => claims(m));
  if (claims(body)) return true;
  const version = req.headers["mcp-protocol-version"];
  return typeof version === "string" && version >= MODERN_VERSION && sessionIdOf(req) === undefined;
}

function claims(message: unknown): boolean {
  const params = isObject(message) ? message["params"] : undefined;
  const meta = isObject(params) ? params["_meta"] : undefined;
  return isObject(meta) && ENVELOPE.version in meta;
}

async function closeServer(server: HttpServer): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
