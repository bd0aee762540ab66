import { canonicalJson, compileGlobs, isObject, type JsonObject, parseJson } from "@callgate/core";
import type { GuestAnswer, GuestCall, RunErrorCode, RunRequest, Sandbox, Usage } from "@callgate/sandbox";
import type { Definition, ModuleManifest } from "../config/index.ts";
import { governedFetch } from "../fetching/fetch.ts";
import { Hosts } from "../fetching/hosts.ts";
import { engineBudgets } from "../sandboxed/engine-budgets.ts";
import { compileSchema } from "../validate.ts";
import { withBudgets } from "./budgets.ts";
import type { FetchStub, ToolCase } from "./cases.ts";

/** How a call of a module's tool ended. `INVALID_ARGUMENTS` and `INVALID_RESULT` are the broker's own checks of the schemas. */
export type TriedError = {
  readonly code: RunErrorCode | "INVALID_ARGUMENTS" | "INVALID_RESULT" | "UNKNOWN_TOOL";
  readonly message: string;
  readonly stack?: string;
};

export interface Tried {
  readonly ok: boolean;
  readonly value?: unknown;
  readonly error?: TriedError;
  readonly logs: readonly string[];
  /** Absent if the code did not run. */
  readonly usage?: Usage;
}

/** A module that is tried out: its bundle, its definitions, and what it may reach. */
export interface TriedModule {
  readonly code: string;
  readonly definitions: readonly Definition[];
  readonly reach: Omit<ModuleManifest, "digest" | "fetch">;
}

export type TriedCall = Pick<ToolCase, "tool" | "args"> &
  Partial<Pick<ToolCase, "seed" | "now" | "budgets" | "fetch" | "tools">>;

const FETCH_MS = 30_000;

/**
 * Calls one tool of a module in the sandbox, as a broker would: arguments and result are checked by the tool's schemas, the code
 * runs under its budgets and reaches nothing but what it may. What it asks for is answered by the stubs of the call; with `live`,
 * a fetch that has none is made.
 */
export async function tryTool(
  sandbox: Sandbox,
  { code, definitions, reach }: TriedModule,
  call: TriedCall,
  live: boolean,
): Promise<Tried> {
  const logs: string[] = [];
  const definition = definitions.find((d) => d.name === call.tool);
  const failed = (error: TriedError, usage?: Usage): Tried => ({ ok: false, error, logs, ...(usage && { usage }) });
  if (!definition)
    return failed({
      code: "UNKNOWN_TOOL",
      message: `the module has no tool \`${call.tool}\`; it has ${definitions.map((d) => `\`${d.name}\``).join(", ")}`,
    });
  const fault = compileSchema(definition["inputSchema"] as JsonObject, "arguments")(call.args);
  if (fault) return failed({ code: "INVALID_ARGUMENTS", message: fault.told });
  const request: RunRequest = {
    kind: "module",
    code,
    entry: "call",
    input: { tool: call.tool, args: call.args },
    budgets: engineBudgets(withBudgets(reach.budgets, call.budgets ?? {})),
    tools: toolsOf(Object.keys(call.tools ?? {}), reach.calls),
    fetch: reach.hosts.length > 0,
    onCall: (asked, signal) => answer(asked, call, reach, live, signal),
    onLog: ({ text }) => void logs.push(text),
    ...(call.seed !== undefined && { seed: call.seed }),
    ...(call.now !== undefined && { now: Date.parse(call.now) }),
  };
  const result = await sandbox.run(request);
  if (!result.ok) return failed(result.error, result.usage);
  const value = parseJson(result.value);
  if (definition["outputSchema"] !== undefined && !isErrorResult(value)) {
    // A value in MCP's own form is a result as it stands; what its output is about is inside.
    const structured = isObject(value) && Array.isArray(value["content"]) ? value["structuredContent"] : value;
    const wrong = compileSchema(definition["outputSchema"] as JsonObject, "result")(structured);
    if (wrong) return failed({ code: "INVALID_RESULT", message: wrong.told }, result.usage);
  }
  return { ok: true, value, logs, usage: result.usage };
}

const isErrorResult = (value: unknown): boolean =>
  isObject(value) && Array.isArray(value["content"]) && value["isError"] === true;

/** What differs between what came of a case and what it expects; nothing if it holds. */
export function differences({ expect }: ToolCase, tried: Tried): readonly string[] {
  const found: string[] = [];
  const got = tried.ok ? `the result ${shown(tried.value)}` : `${tried.error?.code}: ${tried.error?.message}`;
  if (expect.error !== undefined) {
    const wanted = typeof expect.error === "string" ? { code: expect.error } : expect.error;
    if (tried.ok) found.push(`expected an error, got ${got}`);
    else if (wanted.code !== undefined && wanted.code !== tried.error?.code)
      found.push(`expected the error ${wanted.code}, got ${got}`);
    else if ("message" in wanted && wanted.message !== undefined && !tried.error?.message.includes(wanted.message))
      found.push(`expected an error with \`${wanted.message}\`, got ${got}`);
  } else if (!tried.ok) found.push(`expected a result, got ${got}`);
  else if ("result" in expect) {
    if (canonicalJson(tried.value) !== canonicalJson(expect.result))
      found.push(`expected ${shown(expect.result)}, got ${got}`);
  } else {
    const place = mismatch(expect.matches, tried.value, "");
    if (place !== undefined) found.push(`${place}; got ${got}`);
  }
  for (const text of expect.logs ?? [])
    if (!tried.logs.some((log) => log.includes(text))) found.push(`expected a log line with \`${text}\``);
  return found;
}

/** Where a value lacks what is wanted: objects may have more, everything else is compared whole. */
function mismatch(wanted: unknown, got: unknown, path: string): string | undefined {
  if (isObject(wanted) && isObject(got)) {
    for (const [key, inner] of Object.entries(wanted)) {
      const place = path === "" ? key : `${path}.${key}`;
      if (!Object.hasOwn(got, key)) return `\`${place}\` is not there`;
      const found = mismatch(inner, got[key], place);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (Array.isArray(wanted) && Array.isArray(got) && wanted.length === got.length) {
    for (const [i, inner] of wanted.entries()) {
      const found = mismatch(inner, got[i], `${path}[${i}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (canonicalJson(wanted ?? null) === canonicalJson(got ?? null)) return undefined;
  return `expected ${shown(wanted)}${path === "" ? "" : ` at \`${path}\``}`;
}

const shown = (value: unknown): string => {
  const text = canonicalJson(value ?? null);
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
};

/** The tools that have a stub and that the module may call, by server. */
function toolsOf(stubs: readonly string[], calls: readonly string[]): Record<string, string[]> {
  const mayCall = compileGlobs(calls);
  const tools: Record<string, string[]> = {};
  for (const qualified of stubs.filter(mayCall)) {
    const cut = qualified.indexOf("__");
    if (cut > 0) (tools[qualified.slice(0, cut)] ??= []).push(qualified.slice(cut + 2));
  }
  return tools;
}

async function answer(
  { server, name, args }: GuestCall,
  call: TriedCall,
  reach: TriedModule["reach"],
  live: boolean,
  signal: AbortSignal,
): Promise<GuestAnswer> {
  if (server !== "callgate" || name !== "fetch") {
    const stub = call.tools?.[`${server}__${name}`];
    return stub ?? { error: { code: "POLICY_DENIED", message: "this tool has no stub" } };
  }
  const { url, method } = args as { url?: unknown; method?: unknown };
  const asked = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
  const refusal = asked ? new Hosts(reach.hosts).refusal(asked) : "the URL cannot be read";
  if (refusal !== undefined) return { error: { code: "FETCH_HOST", message: refusal } };
  const stub = call.fetch?.find(
    (s) => compileGlobs([s.url])(asked?.href ?? "") && (s.method === undefined || s.method.toUpperCase() === method),
  );
  if (stub) return stubbed(stub, asked?.href ?? "");
  if (!live)
    return { error: { code: "FETCH_FAILED", message: `there is no stub for ${String(method)} ${asked?.href}` } };
  const { hosts, budgets } = reach;
  const rules = { hosts, timeout: FETCH_MS, requestBytes: budgets.bytesOut, responseBytes: budgets.bytesIn };
  return await governedFetch(args, rules, signal);
}

function stubbed({ status, headers, body, json, error }: FetchStub, url: string): GuestAnswer {
  if (error) return { error };
  const text = json === undefined ? (body ?? "") : JSON.stringify(json);
  const type = json === undefined ? {} : { "content-type": "application/json" };
  return { result: { status, url, headers: { ...type, ...headers }, body: Buffer.from(text).toString("base64") } };
}
