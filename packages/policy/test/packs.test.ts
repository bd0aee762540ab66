import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  digestOfJson,
  formatDiagnostic,
  type JsonObject,
  type Label,
  type ToolFacts,
  type Verdict,
} from "@callgate/core";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { draftFlow, loadPolicies, SessionFlow } from "../src/index.ts";

/** A story: what the session was told and saw, then one call and what becomes of it. */
interface Case {
  readonly name: string;
  readonly task?: string;
  readonly trusted?: readonly string[];
  readonly seen?: readonly { readonly tool: string; readonly labels?: readonly Label[]; readonly result: unknown }[];
  readonly call: { readonly tool: string; readonly args: JsonObject; readonly at?: string };
  readonly expect: Verdict;
  readonly rules?: readonly string[];
}

interface Story {
  readonly tools: Readonly<Record<string, { readonly description?: string; readonly args?: JsonObject }>>;
  readonly cases: readonly Case[];
}

const PACKS = join(import.meta.dirname, "../../../policies");

function toolOf(
  qualified: string,
  story: Story,
): { readonly facts: ToolFacts; readonly draft: ReturnType<typeof draftFlow> } {
  const [server = "", name = ""] = qualified.split("__");
  const { description = "", args = {} } = story.tools[qualified] ?? {};
  const inputSchema: JsonObject = { type: "object", properties: args };
  const draft = draftFlow({ name, description, inputSchema });
  const { effects, labels } = draft;
  const digest = digestOfJson(inputSchema);
  return {
    draft,
    facts: {
      server,
      name,
      qualified,
      operation: "tools/call",
      scopes: [],
      effects,
      labels,
      digest,
      inputSchema,
      arguments: draft.arguments,
    },
  };
}

for (const file of readdirSync(join(PACKS, "test")).sort()) {
  const story = parse(readFileSync(join(PACKS, "test", file), "utf8")) as Story;
  const names = file === "base.yaml" ? ["base.yaml"] : ["base.yaml", file];
  const sources = names.map((name) => ({ file: name, text: readFileSync(join(PACKS, name), "utf8") }));
  const loaded = loadPolicies(
    sources,
    Object.keys(story.tools).map((name) => toolOf(name, story).facts),
  );
  describe(`the pack ${file}`, () => {
    it("loads for its tools", () => {
      expect(loaded.ok ? [] : loaded.diagnostics.map(formatDiagnostic)).toEqual([]);
    });
    it.each(story.cases)("$name", (one) => {
      if (!loaded.ok) throw new Error("the pack does not load");
      const flow = new SessionFlow();
      if (one.task !== undefined) flow.task(one.task);
      flow.trust("directory", one.trusted ?? []);
      for (const { tool, labels, result } of one.seen ?? []) {
        const { facts, draft } = toolOf(tool, story);
        flow.observe({ tool, labels: labels ?? facts.labels, flow: draft.result }, result);
      }
      const { facts } = toolOf(one.call.tool, story);
      const decision = loaded.set.decide({
        principal: { agent: "demo", roles: [], scopes: [] },
        tool: facts,
        args: one.call.args,
        session: { id: "ses_1", labels: flow.labels, calls: 1, cost: 0, started: 0 },
        loop: { repeats: 1, period: 0, sameResult: false },
        budget: { callsLeft: -1, costLeft: -1 },
        flow: flow.facts(facts.name, one.call.args),
        time: Date.parse(one.call.at ?? "2026-03-03T12:00:00Z"),
      });
      expect(decision.errors).toEqual([]);
      expect(decision.verdict).toBe(one.expect);
      if (one.rules) expect(decision.reasons.map((reason) => reason.rule)).toEqual(one.rules);
    });
  });
}

it("every pack has stories", () => {
  const packs = readdirSync(PACKS).filter((name) => name.endsWith(".yaml"));
  expect(readdirSync(join(PACKS, "test")).sort()).toEqual(packs.sort());
});
