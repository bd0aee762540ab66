import { isObject, type JsonObject, qualifiedName } from "@callgate/core";
import type { GuestAnswer, GuestCall } from "@callgate/sandbox";
import { previewCall } from "../call.ts";
import type { Life } from "../steps/life.ts";
import type { GuestRun } from "./guest-run.ts";
import { innerExchange } from "./inner-call.ts";

/** A call that a script would make. */
export interface PreviewedCall {
  readonly tool: string;
  readonly args: unknown;
  readonly verdict: "allow" | "deny" | "hold";
  readonly rules: readonly string[];
  readonly reason?: string;
}

const MAX_DEPTH = 8;

/**
 * Decides a call of a dry run and answers it without making it: by what the caller says that it gives, or by an example of its output
 * schema. A call that would be refused is refused here too. Never rejects.
 */
export function dryCall(
  life: Life,
  run: GuestRun,
  stubs: Readonly<Record<string, unknown>>,
  seen: PreviewedCall[],
  { server, name, args }: GuestCall,
): GuestAnswer {
  const { gate, grant, session } = life;
  const tool = qualifiedName(gate.naming, server, name);
  const preview = previewCall(
    gate,
    grant,
    session,
    { operation: "tools/call", name: tool, args, params: { name, arguments: args } },
    innerExchange(life.exchange, run),
  );
  const [first] = preview.reasons;
  seen.push({
    tool,
    args,
    verdict: preview.verdict,
    rules: preview.reasons.map((reason) => reason.rule),
    ...(first && preview.verdict !== "allow" && { reason: first.message }),
  });
  if (run.end) return { end: run.end };
  if (preview.verdict === "deny")
    return { error: { code: "POLICY_DENIED", message: first?.message ?? "denied", data: { rule: first?.rule } } };
  const registered = gate.registry.get(tool);
  // Whatever the stub says, the script has read of this tool.
  if (registered) run.saw(registered.qualified, registered.labels);
  if (Object.hasOwn(stubs, tool)) return { result: stubs[tool] ?? null };
  return { result: registered?.outputSchema ? exampleOf(registered.outputSchema) : "" };
}

/** A value that fits a schema, as empty as it may be. */
function exampleOf(schema: unknown, depth = 0): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return null;
  const { type, properties, required, items, anyOf, oneOf } = schema as JsonObject & Record<string, unknown>;
  if ("const" in schema) return schema["const"];
  if ("default" in schema) return schema["default"];
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  const choice = anyOf ?? oneOf;
  if (Array.isArray(choice)) return exampleOf(choice[0], depth + 1);
  switch (Array.isArray(type) ? type[0] : type) {
    case "string":
      return "";
    case "number":
    case "integer":
      return typeof schema["minimum"] === "number" ? schema["minimum"] : 0;
    case "boolean":
      return false;
    case "array":
      return typeof schema["minItems"] === "number" && schema["minItems"] > 0 ? [exampleOf(items, depth + 1)] : [];
    case "object": {
      const needed = Array.isArray(required) ? required : [];
      const fields = isObject(properties) ? properties : {};
      return Object.fromEntries(
        Object.entries(fields).flatMap(([key, inner]) =>
          needed.includes(key) ? [[key, exampleOf(inner, depth + 1)]] : [],
        ),
      );
    }
    default:
      return null;
  }
}
