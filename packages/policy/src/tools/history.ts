import { LABELS, type Label } from "@callgate/core";
import { isMap, type Node } from "yaml";
import { SessionFlow } from "../flow/session-flow.ts";
import type { SourceFile } from "../source.ts";
import { type CaseTool, toolOf, wordsOf } from "./case-tools.ts";

/** What a session was told and saw before the call. */
export interface History {
  readonly flow: SessionFlow;
  /** How many calls there were. */
  readonly calls: number;
}

const STEPS = ["task", "trusted", "call", "approved"] as const;

/**
 * Reads the `history` of a case and plays it, step by step, as a broker would have watched it: `task`, `trusted` (values by the name of
 * their source), `call` (with what it returned) and `approved` (a call that a person let through, with what it returned if given).
 * `trusted` is what the configuration trusts.
 */
export function readHistory(
  file: SourceFile,
  node: Node | null | undefined,
  tools: readonly CaseTool[],
  trusted: Readonly<Record<string, unknown>>,
): History {
  const flow = new SessionFlow();
  for (const [name, values] of Object.entries(trusted)) flow.trust(name, values);
  let calls = 0;
  for (const item of file.items(node, "`history`") ?? []) if (readStep(file, item, tools, flow) === "call") calls += 1;
  return { flow, calls };
}

function readStep(file: SourceFile, node: Node, tools: readonly CaseTool[], flow: SessionFlow): "call" | undefined {
  const fields = file.fields(node, STEPS, "a step of `history`");
  if (!fields) return undefined;
  const [step, ...more] = [...fields];
  if (!step || more.length > 0)
    return file.report("a step of `history` is one thing", node, "start each step with a dash of its own");
  const [kind, { value }] = step;
  switch (kind) {
    case "task": {
      const text = file.text(value, "`task`");
      if (text !== undefined) flow.task(text);
      return undefined;
    }
    case "trusted": {
      if (!isMap(value))
        return file.report(
          "`trusted` must be a mapping",
          value ?? node,
          "name the source: `trusted: { directory: [ann@corp.example] }`",
        );
      for (const { key, value: values } of value.items)
        flow.trust(file.text(key as Node, "a source's name") ?? "", file.plain(values as Node | null));
      return undefined;
    }
    case "call":
    case "approved":
      return readCall(file, node, value, tools, flow, kind);
    default:
      // Not known: `fields` has said so.
      return undefined;
  }
}

const CALL = ["tool", "args", "result", "labels"];

function readCall(
  file: SourceFile,
  step: Node,
  node: Node | null,
  tools: readonly CaseTool[],
  flow: SessionFlow,
  kind: "call" | "approved",
): "call" | undefined {
  const fields = file.fields(node, CALL, `\`${kind}\``);
  if (!fields) return undefined;
  if (!fields.has("tool"))
    return file.report(
      `\`${kind}\` has no \`tool\``,
      node ?? step,
      "name it as `callgate ledger` does: `server__tool`",
    );
  const tool = toolOf(file, fields.get("tool")?.value, tools);
  const given = fields.get("args")?.value;
  if (fields.has("args") && !isMap(given)) file.report("`args` must be a mapping", given ?? node);
  const labels = wordsOf<Label>(file, fields.get("labels")?.value, "labels", LABELS);
  if (kind === "call" && !fields.has("result"))
    return file.report("the call has no `result`", node, "add `result:`, what the agent was shown: a text, or JSON");
  if (!tool) return undefined;
  const args = fields.has("args") ? file.plain(given) : {};
  if (kind === "approved") flow.approve(args);
  if (!fields.has("result")) return "call";
  const observed = {
    tool: tool.qualified,
    labels: labels ?? tool.labels,
    ...(tool.result && { flow: tool.result }),
    args,
  };
  flow.observe(observed, file.plain(fields.get("result")?.value));
  return "call";
}
