import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ArgumentRole,
  type Decision,
  digestOfJson,
  formatDiagnostic,
  type JsonObject,
  type Label,
  type ToolEffect,
  type ToolFacts,
} from "@callgate/core";
import {
  draftFlow,
  type FlowDraft,
  loadPolicies,
  type PolicySet,
  type PolicySource,
  SessionFlow,
} from "@callgate/policy";
import { parse } from "yaml";
import type { RunCall, Suite } from "./data.ts";
import { directoryOf } from "./directory.ts";

const PACKS = join(import.meta.dirname, "../../../policies");
/** Packs that need settings of the place they are used in (hours, paths, ceilings) are not generic. */
const GENERIC = ["base", "grounded-destinations", "destructive-asks", "lethal-trifecta", "secrets-out"];

/** What a suite's own file may say: other drafts for single tools, and more policies. */
interface SuiteFile {
  readonly tools?: Readonly<Record<string, Partial<FlowDraft>>>;
  readonly policies?: readonly JsonObject[];
}

function fileOf(suite: Suite): string {
  return join(import.meta.dirname, `${suite.name}.yaml`);
}

/** Whether a suite has settings of its own. */
export function hasOwnFile(suite: Suite): boolean {
  return existsSync(fileOf(suite));
}

/** The tools, policies and trusted data under which a suite is replayed. */
export class Setup {
  readonly suite: Suite;
  readonly policies: PolicySet;
  /** Lines of policy and manifest written for this suite alone. */
  readonly ownLines: number;
  readonly packLines: number;
  readonly #tools = new Map<string, { readonly facts: ToolFacts; readonly draft: FlowDraft }>();
  readonly #directory: readonly string[];

  constructor(suite: Suite, own: boolean) {
    this.suite = suite;
    const text = own && hasOwnFile(suite) ? readFileSync(fileOf(suite), "utf8") : "";
    const settings = (text === "" ? {} : (parse(text) as SuiteFile | null)) ?? {};
    for (const tool of suite.tools) {
      const guess = draftFlow({ name: tool.name, description: tool.description, inputSchema: tool.args_schema });
      const draft: FlowDraft = { ...guess, ...settings.tools?.[tool.name] };
      this.#tools.set(tool.name, { draft, facts: toolFacts(suite.name, tool.name, draft, tool.args_schema) });
    }
    const sources: PolicySource[] = readdirSync(PACKS)
      .filter((name) => GENERIC.includes(name.replace(/\.yaml$/, "")))
      .sort()
      .map((name) => ({ file: `policies/${name}`, text: readFileSync(join(PACKS, name), "utf8") }));
    this.packLines = sources.reduce((sum, source) => sum + linesOf(source.text), 0);
    this.ownLines = linesOf(text);
    if (settings.policies)
      sources.push({ file: `${suite.name}.yaml`, text: JSON.stringify({ policies: settings.policies }) });
    const loaded = loadPolicies(
      sources,
      [...this.#tools.values()].map((tool) => tool.facts),
    );
    if (!loaded.ok) throw new Error(loaded.diagnostics.map(formatDiagnostic).join("\n"));
    this.policies = loaded.set;
    this.#directory = directoryOf(suite.state);
  }

  /** A new session that was told the task and the trusted directory. */
  session(prompt: string): Replay {
    const flow = new SessionFlow();
    flow.task(prompt);
    flow.trust("directory", this.#directory);
    return new Replay(this, flow);
  }

  tool(name: string): { readonly facts: ToolFacts; readonly draft: FlowDraft } {
    const known = this.#tools.get(name);
    if (known) return known;
    const draft: FlowDraft = { effects: [], labels: ["untrusted"], result: { untrusted: "all" }, arguments: {} };
    return { draft, facts: toolFacts(this.suite.name, name, draft, { type: "object" }) };
  }
}

/** One recorded run on its way through the decision point. */
export class Replay {
  readonly #setup: Setup;
  readonly #flow: SessionFlow;
  #calls = 0;

  constructor(setup: Setup, flow: SessionFlow) {
    this.#setup = setup;
    this.#flow = flow;
  }

  decide(call: RunCall): Decision {
    const { facts } = this.#setup.tool(call.tool);
    return this.#setup.policies.decide({
      principal: { agent: "dojo", roles: [], scopes: [] },
      tool: facts,
      args: call.args,
      session: { id: "ses_replay", labels: this.#flow.labels, calls: this.#calls++, cost: 0, started: 0 },
      loop: { repeats: 1, period: 0, sameResult: false },
      budget: { callsLeft: -1, costLeft: -1 },
      flow: this.#flow.facts(call.tool, call.args),
      time: 0,
    });
  }

  /** A person said yes to a held call. */
  approve(call: RunCall): void {
    this.#flow.approve(call.args);
  }

  /** The call ran: the agent sees its result. */
  observe(call: RunCall): void {
    const { facts, draft } = this.#setup.tool(call.tool);
    this.#flow.observe(
      { tool: facts.qualified, labels: facts.labels, flow: draft.result, args: call.args },
      call.result,
    );
  }
}

function toolFacts(server: string, name: string, draft: FlowDraft, schema: JsonObject): ToolFacts {
  return {
    server,
    name,
    qualified: `${server}__${name}`,
    operation: "tools/call",
    scopes: [],
    effects: draft.effects as ToolEffect[],
    labels: draft.labels as Label[],
    digest: digestOfJson({ name, schema }),
    inputSchema: schema,
    arguments: draft.arguments as Record<string, ArgumentRole>,
  };
}

/** Lines that say something. */
function linesOf(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("#")).length;
}
