import type { IncomingMessage, ServerResponse } from "node:http";
import { CallgateError, compileGlobs, type Grant, messageOf } from "@callgate/core";
import { isJsonContentType } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Broker } from "../broker.ts";
import type { DeclaredSession } from "../declared-sessions.ts";
import { SESSIONS_SCOPE, TASK_LIMIT } from "../harness.ts";
import { sessionRecord } from "../session-record.ts";
import { readBody, sendJson } from "./body.ts";

/** Where harnesses open sessions; `<path>/<id>` is one of them. */
export const SESSIONS_PATH = "/v1/sessions";

const task = z.string().min(1).max(TASK_LIMIT);
const opening = z.strictObject({
  agent: z.string().optional(),
  user: z.string().min(1).max(256).optional(),
  task: task.optional(),
  trusted: z.record(z.string().min(1).max(64), z.array(z.string().max(4096)).max(10_000)).default({}),
  ttl: z.int().min(1).max(86_400).default(3600),
  scopes: z.array(z.string()).optional(),
});
const adding = z.strictObject({ task });

/** What is wrong with a request, as an answer says it (RFC 9457). */
interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly help?: string;
}

/**
 * The sessions API, for the program that runs an agent (its harness):
 *  - `POST /v1/sessions` with `{agent?, user?, task?, trusted?, ttl?, scopes?}` opens one and gives its token (201);
 *  - `POST /v1/sessions/<id>` with `{task}` adds what the user asked for since (200);
 *  - `DELETE /v1/sessions/<id>` ends it: its token is refused from then on (204).
 * The caller needs the scope `callgate:sessions`, and `opens` in the configuration for agents other than itself. Everything is
 * recorded before it is answered.
 */
export async function serveSessions(
  broker: Broker,
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  grant: Grant,
): Promise<void> {
  const answer = await answerTo(broker, req, path, grant);
  if ("title" in answer) {
    const { status, ...body } = answer;
    return sendJson(res, status, JSON.stringify({ ...body, status }), { "content-type": "application/problem+json" });
  }
  if (answer.body === undefined) res.writeHead(answer.status).end();
  else sendJson(res, answer.status, JSON.stringify(answer.body), { "cache-control": "no-store" });
}

type Answered = Problem | { readonly status: number; readonly body?: object };

async function answerTo(broker: Broker, req: IncomingMessage, path: string, grant: Grant): Promise<Answered> {
  if (req.headers.origin !== undefined)
    return { status: 403, title: "not for pages", detail: "a harness is no web page: send no `Origin` header" };
  if (!grant.scopes.includes(SESSIONS_SCOPE))
    return {
      status: 403,
      title: "insufficient scope",
      detail: `opening sessions needs the scope \`${SESSIONS_SCOPE}\``,
      help: "have an operator give it to the harness, which MUST NOT be the agent itself",
    };
  const id = path.slice(SESSIONS_PATH.length + 1);
  const session = id === "" ? undefined : broker.declared.get(id);
  if (id !== "" && !(session && isOpener(session, grant)))
    return {
      status: 404,
      title: "no such session",
      detail: `there is no session \`${id.slice(0, 64)}\` of yours here`,
    };
  if (session && req.method === "DELETE") return await end(broker, session);
  if (req.method !== "POST")
    return { status: 405, title: "method not allowed", detail: "send POST, or DELETE to a session" };
  if (!isJsonContentType(req.headers["content-type"]))
    return { status: 415, title: "not JSON", detail: "`Content-Type` must be application/json" };
  const body = await readBody(req, broker.config.limits.bodyBytes);
  if (!body.ok)
    return { status: 413, title: "too large", detail: `the body is over ${broker.config.limits.bodyBytes} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(body.text);
  } catch {
    return { status: 400, title: "not JSON", detail: "the body is not valid JSON" };
  }
  return session ? await add(broker, session, value) : await open(broker, value, grant);
}

/** The same harness, for the same user: one that acts for Ann MUST NOT speak in a session that it opened for Bob. */
function isOpener({ opener }: DeclaredSession, { principal }: Grant): boolean {
  return opener.agent === principal.agent && opener.user === principal.user;
}

async function open(broker: Broker, value: unknown, grant: Grant): Promise<Answered> {
  const read = opening.safeParse(value);
  if (!read.success) return invalid(read.error);
  const { trusted, scopes } = read.data;
  const { principal } = grant;
  const opener = principal.agent;
  if (principal.user !== undefined && read.data.user !== undefined && read.data.user !== principal.user)
    return { status: 403, title: "not allowed", detail: "your token acts for another user" };
  const user = principal.user ?? read.data.user;
  const name = read.data.agent ?? opener;
  const agents = broker.config.agents;
  const may = name === opener || compileGlobs(agents[opener]?.opens ?? [])(name);
  const agent = may && Object.hasOwn(agents, name) ? agents[name] : undefined;
  if (!agent)
    return {
      status: 403,
      title: "not allowed",
      detail: `\`${opener}\` may not open sessions of \`${name.slice(0, 64)}\``,
      help: `list the agent under \`agents.${opener}.opens\` in the configuration`,
    };
  // What lets a harness speak for the user MUST NOT reach the agent.
  // For itself a harness hands on no more than it was given; for others it was named in the configuration.
  const own = name === opener ? grant.scopes : agent.scopes;
  const given = own.filter((scope) => !scope.startsWith("callgate:"));
  const beyond = scopes?.find((scope) => !given.includes(scope));
  if (beyond !== undefined)
    return {
      status: 400,
      title: "invalid request",
      detail: `a session of \`${name}\` cannot have the scope \`${beyond}\``,
    };
  // Nor longer than its own token lives.
  const left =
    name === opener && grant.expiresAt !== undefined ? grant.expiresAt - Math.floor(Date.now() / 1000) : 86_400;
  const ttl = Math.max(1, Math.min(read.data.ttl, left));
  const watch = broker.newWatch();
  await broker.sweepDeclared();
  const session = broker.declared.open({ agent: name, user, opener: principal }, ttl * 1000, watch);
  if (!session)
    return { status: 503, title: "too many sessions", detail: "too many sessions are open", help: "end some first" };
  if (read.data.task !== undefined) watch?.task(read.data.task);
  for (const [source, values] of Object.entries(trusted)) watch?.trust(source, values, values.join("").length);
  try {
    await record(broker, session, "opened", { ...(read.data.task !== undefined && { task: read.data.task }), trusted });
    const token = await broker.issue({
      agent,
      ttl,
      scopes: scopes ?? given,
      session: session.state.id,
      ...(user !== undefined && { user }),
    });
    return {
      status: 201,
      body: { session: session.state.id, agent: name, token, scopes: scopes ?? given, expiresIn: ttl },
    };
  } catch (error) {
    broker.declared.end(session.state.id);
    return failed(error);
  }
}

async function add(broker: Broker, session: DeclaredSession, value: unknown): Promise<Answered> {
  const read = adding.safeParse(value);
  if (!read.success) return invalid(read.error);
  try {
    await record(broker, session, "task", read.data);
  } catch (error) {
    return failed(error);
  }
  session.state.watch?.task(read.data.task);
  return { status: 200, body: { session: session.state.id } };
}

async function end(broker: Broker, session: DeclaredSession): Promise<Answered> {
  await broker.endDeclared(session);
  try {
    await record(broker, session, "ended", undefined);
  } catch (error) {
    return failed(error);
  }
  return { status: 204 };
}

async function record(
  broker: Broker,
  session: DeclaredSession,
  state: string,
  said: object | undefined,
): Promise<void> {
  const { agent, user, opener, expires } = session;
  const detail = { state, opener: opener.agent, expires: new Date(expires).toISOString() };
  const { gate } = broker;
  await gate.ledger.append(sessionRecord(gate, { agent, user, session: session.state.id }, detail, said));
}

function invalid(error: z.ZodError): Problem {
  const [first] = error.issues;
  const place = first?.path.join(".") ?? "";
  return {
    status: 400,
    title: "invalid request",
    detail: place === "" ? (first?.message ?? "the body is wrong") : `\`${place}\`: ${first?.message}`,
    help: 'send for example {"agent": "support-bot", "task": "Answer the newest mail", "ttl": 900}',
  };
}

function failed(error: unknown): Problem {
  return error instanceof CallgateError && error.code === "TOKEN_REQUEST_INVALID"
    ? {
        status: 400,
        title: "invalid request",
        detail: messageOf(error),
        ...(error.help !== undefined && { help: error.help }),
      }
    : { status: 503, title: "not recorded", detail: "the session cannot be recorded, so nothing was done" };
}
