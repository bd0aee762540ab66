import { type CallFacts, type FlowFacts, isObject, type LedgerRecord, parseJson, type ToolFacts } from "@callgate/core";

/** A recorded call as the policies saw it, or why it cannot be decided again. */
export type Recorded = { readonly call: CallFacts } | { readonly unreplayable: string };

/**
 * Puts a call together from its record and the payloads beside it. `tools` gives the schema where the tool is still known; what the
 * record keeps of it comes first, so that the decision is made on what held then. MUST NOT guess a fact that is missing.
 */
export function recordedCall(
  record: LedgerRecord,
  payloads: { readonly [name: string]: string },
  tools: ReadonlyMap<string, ToolFacts>,
): Recorded {
  if (record.kind !== "intent" && record.kind !== "denial")
    return { unreplayable: `a record of kind \`${record.kind}\` is no call` };
  if (!record.tool) return { unreplayable: "the record names no tool" };
  if (payloads["facts"] === undefined) return { unreplayable: "the facts were not kept" };
  if (payloads["args"] === undefined) return { unreplayable: "the arguments were not kept" };
  const facts = parsed(payloads["facts"]);
  const args = parsed(payloads["args"]);
  if (!facts || !args) return { unreplayable: "the facts or the arguments are no JSON" };
  const kept = facts.value;
  if (!isFacts(kept)) return { unreplayable: "the facts have a form that this version does not know" };
  // The record has the arguments that went to the server; where a policy changed them, the facts have those that it saw.
  const asked = record.detail?.["asked"] === undefined ? args : parsed(String(kept.asked));
  if (!asked) return { unreplayable: "the arguments were not kept as the agent sent them" };
  const { server, name, digest } = record.tool;
  const known = tools.get(kept.tool.qualified);
  const schema = known?.digest === digest ? known.inputSchema : undefined;
  const roles = known?.digest === digest ? known.arguments : undefined;
  const tool: ToolFacts = {
    ...kept.tool,
    server,
    name,
    digest,
    ...(schema && { inputSchema: schema }),
    ...(roles && !kept.tool.arguments && { arguments: roles }),
  };
  const { asked: _asked, ...rest } = kept;
  return { call: { ...rest, tool, args: asked.value } };
}

type KeptFacts = Omit<CallFacts, "args" | "tool"> & {
  readonly tool: Omit<ToolFacts, "server" | "name" | "digest">;
  /** The arguments as JSON, where they went to the server otherwise than the agent sent them. */
  readonly asked?: string;
};

function isFacts(value: unknown): value is KeptFacts {
  if (!isObject(value)) return false;
  const { principal, tool, session, loop, budget, flow, script, time, asked } = value;
  return (
    isObject(principal) &&
    typeof principal["agent"] === "string" &&
    isTexts(principal["roles"]) &&
    isTexts(principal["scopes"]) &&
    isObject(tool) &&
    typeof tool["qualified"] === "string" &&
    isObject(session) &&
    isTexts(session["labels"]) &&
    isObject(loop) &&
    isObject(budget) &&
    (flow === undefined || isFlow(flow)) &&
    (script === undefined || isScript(script)) &&
    typeof time === "number" &&
    (asked === undefined || typeof asked === "string")
  );
}

function isFlow(value: unknown): value is FlowFacts {
  if (!isObject(value)) return false;
  const { origins, inside, sources, action } = value;
  const isText = (one: unknown): boolean => typeof one === "string";
  return (
    isObject(origins) &&
    Object.values(origins).every(isTexts) &&
    isObject(inside) &&
    Object.values(inside).every(isTexts) &&
    (sources === undefined || (isObject(sources) && Object.values(sources).every(isText))) &&
    (action === "task" || action === "untrusted" || action === "model")
  );
}

function isScript(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["depth"] === "number" &&
    isTexts(value["tools"]) &&
    isTexts(value["effects"]) &&
    typeof value["complete"] === "boolean"
  );
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseJson(text) };
  } catch {
    return undefined;
  }
}
