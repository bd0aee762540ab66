import {
  type CallFacts,
  type Decision,
  digestOfJson,
  formatDiagnostic,
  type JsonObject,
  type ToolFacts,
} from "@callgate/core";
import { loadPolicies, type PolicySet } from "../src/index.ts";

/** A tool named `server__name`, with an input schema if one is given. */
export function tool(qualified: string, inputSchema?: JsonObject, more: Partial<ToolFacts> = {}): ToolFacts {
  const [server = "", name = ""] = qualified.split("__");
  return {
    server,
    name,
    qualified,
    operation: "tools/call",
    scopes: [],
    effects: ["external"],
    labels: [],
    digest: digestOfJson(inputSchema ?? null),
    ...(inputSchema && { inputSchema }),
    ...more,
  };
}

/** A call of a tool by agent `demo` at noon of 1 March 2026 (UTC, a Sunday). */
export function call(of: ToolFacts, args: unknown, more: Partial<CallFacts> = {}): CallFacts {
  return {
    principal: { agent: "demo", roles: ["reader"], scopes: ["mail:send"] },
    tool: of,
    args,
    session: { id: "ses_1", labels: [], calls: 3, cost: 1.5, started: Date.UTC(2026, 2, 1, 11, 30) },
    loop: { repeats: 1, period: 0, sameResult: false },
    budget: { callsLeft: 10, costLeft: -1 },
    time: Date.UTC(2026, 2, 1, 12),
    ...more,
  };
}

export const MAIL_SCHEMA: JsonObject = {
  type: "object",
  properties: {
    to: { type: "array", items: { type: "string" } },
    cc: { type: "array", items: { type: "string" } },
    subject: { type: "string" },
    priority: { type: "string", enum: ["low", "normal", "high"] },
    amount: { type: "number" },
    count: { type: "integer" },
    note: { type: ["string", "null"] },
    meta: {
      type: "object",
      properties: { thread: { type: "string" } },
      required: ["thread"],
      additionalProperties: false,
    },
  },
  required: ["to", "subject"],
  additionalProperties: false,
};

export const MAIL = tool("mail__send", MAIL_SCHEMA);

/** Loads one file; throws with the diagnostics' text if it is refused. */
export function load(text: string, tools: readonly ToolFacts[] = [MAIL]): PolicySet {
  const loaded = loadPolicies([{ file: "policies/test.yaml", text }], tools);
  if (loaded.ok) return loaded.set;
  throw new Error(loaded.diagnostics.map(formatDiagnostic).join("\n"));
}

/** The diagnostics' texts of a file that must be refused. */
export function refusal(text: string, tools: readonly ToolFacts[] = [MAIL]): string[] {
  const loaded = loadPolicies([{ file: "policies/test.yaml", text }], tools);
  if (loaded.ok) throw new Error("the file was accepted");
  return loaded.diagnostics.map(formatDiagnostic);
}

/** The decision on one call under a permit with this condition. */
export function under(when: string, args: unknown, more: Partial<CallFacts> = {}, of: ToolFacts = MAIL): Decision {
  return load(permit(when), [of]).decide(call(of, args, more));
}

/** A file with one permit for every tool. */
export function permit(when: string): string {
  return `policies:\n  - id: rule\n    effect: permit\n    tools: ["*"]\n    when: ${JSON.stringify(when)}\n`;
}
