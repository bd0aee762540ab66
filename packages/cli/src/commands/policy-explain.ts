import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type CallFacts, CallgateError, type Decision, messageOf, stringifyJson } from "@callgate/core";
import { type Config, printable, toolFactsOf } from "@callgate/gateway";
import { decisionOf, type RuleTrace, readCall, recordedCall } from "@callgate/policy";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { casePlaceOf, policySetOf, refuseWrong } from "../policies.ts";
import { openTellingReader } from "../reader.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly record?: string;
  readonly call?: string;
  readonly json?: boolean;
}

/** How much of a fact's value is shown. */
const SHOWN = 200;

/** `callgate policy explain`: what every rule made of one call. Decides by the policies as they are now. */
export function explainCommand(): Command {
  return withConfig(new Command("explain"))
    .description("why a call gets its verdict: every rule's result and the facts that it names")
    .option("--record <seq>", "a call of the ledger, by the number of its intent or denial")
    .option("--call <file>", "a call in a file, or `-` for stdin: principal, tool, args, session ...")
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const config = await configOf(options);
      const set = policySetOf(config);
      if ((options.record === undefined) === (options.call === undefined))
        throw new CallgateError("BAD_ARGUMENT", "give either `--record` or `--call`");
      const found =
        options.record === undefined
          ? { call: await givenCall(config, options.call ?? "-") }
          : ledgerCall(config, options.record);
      const decision = set.decide(found.call);
      const rules = set.explain(found.call);
      const { then } = found;
      const flow = set.readsFlow(found.call.tool) ? found.call.flow : undefined;
      if (options.json)
        console.log(stringifyJson({ decision, rules, ...(flow && { flow }), ...(then && { recorded: then }) }));
      else console.log([...lines(decision, rules, then), ...originLines(flow)].join("\n"));
    });
}

async function givenCall(config: Config, file: string): Promise<CallFacts> {
  let content: string;
  try {
    content = file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `\`${file}\` cannot be read: ${messageOf(error)}`);
  }
  const { call, diagnostics } = readCall({ file, text: content }, casePlaceOf(config));
  refuseWrong(diagnostics, "the call");
  if (!call) throw new CallgateError("BAD_ARGUMENT", `there is no call in \`${file}\``);
  return call;
}

interface Then {
  readonly verdict: string;
  readonly rules: readonly string[];
  readonly policies: string;
}

function ledgerCall(config: Config, seq: string): { readonly call: CallFacts; readonly then?: Then } {
  if (!/^\d{1,15}$/.test(seq))
    throw new CallgateError("BAD_ARGUMENT", `\`${seq}\` in \`--record\` is not a whole number`);
  const reader = openTellingReader(config.data);
  try {
    const shown = reader.show(Number(seq));
    if (!shown)
      throw new CallgateError("NO_RECORD", `there is no record ${seq}`, {
        help: "run `callgate ledger tail` to see the newest",
      });
    const tools = new Map(toolFactsOf(config).map((tool) => [tool.qualified, tool]));
    const recorded = recordedCall(shown.record, shown.payloads, tools);
    if ("unreplayable" in recorded)
      throw new CallgateError("NOT_REPLAYABLE", `record ${seq} cannot be decided again: ${recorded.unreplayable}`, {
        help: "choose the record of an intent or a denial, made with payloads kept",
      });
    const then = decisionOf(shown.record);
    return { call: recorded.call, ...(then && { then }) };
  } finally {
    reader.close();
  }
}

function lines(decision: Decision, rules: readonly RuleTrace[], then: Then | undefined): string[] {
  const why = decision.reasons.map((r) => `  \`${r.rule}\`: ${printable(r.message)}`);
  const each = rules.flatMap(({ rule, effect, mode, result, failure, facts }) => [
    `  ${rule} (${effect}${mode === undefined ? "" : `, ${mode}`}): ${result}${failure === undefined ? "" : `, ${printable(failure)}`}`,
    ...facts.map(({ name, value }) => `    ${printable(name)} = ${shownValue(value)}`),
  ]);
  return [
    `verdict: ${decision.verdict}`,
    ...why,
    ...(then ? [`recorded: ${printable(then.verdict)} by ${then.rules.map(printable).join(", ")}`] : []),
    ...(then && then.policies !== decision.policies ? ["the policies are not those that decided it then"] : []),
    rules.length === 0 ? "no rule speaks of this tool" : "rules that speak of this tool:",
    ...each,
  ];
}

/** Where each value of the arguments came from, where a rule may have asked. */
function originLines(flow: CallFacts["flow"]): string[] {
  if (!flow) return [];
  const each = Object.entries(flow.origins).map(([value, origins]) => {
    const call = flow.sources && Object.hasOwn(flow.sources, value) ? flow.sources[value] : undefined;
    return `  ${shownValue(value)}: ${origins.map(printable).join(", ")}${call === undefined ? "" : `, first in the result of ${printable(call)}`}`;
  });
  return [`the act was asked for by: ${printable(flow.action)}`, "where its values came from:", ...each];
}

function shownValue(value: unknown): string {
  if (value === undefined) return "(absent)";
  const json = stringifyJson(value);
  return printable(json.length > SHOWN ? `${json.slice(0, SHOWN - 1)}…` : json);
}
