import { stringifyJson } from "@callgate/core";
import { partsOf } from "../flow-watch.ts";
import { redactTexts } from "../redact.ts";
import type { Callback } from "../upstream/link.ts";
import type { Life } from "./life.ts";
import { watch } from "./watch.ts";

type Params = Readonly<Record<string, unknown>>;

/**
 * What a server says beside its answer (a log message, progress, a question) as the agent may see it; undefined if it may not. Policies
 * about the tool's results speak about this too: what they block is dropped, and what they take out of texts by a pattern is taken out.
 * Nobody looks inside where there are none. MUST be called before the agent can see it.
 */
export function aside(life: Life, method: string, params: Params): Params | undefined {
  const { tool, policies, facts, grant, decision, gate } = life;
  if (!tool || !policies || !facts) throw new Error("an aside before its decision");
  const said = policies.hasResultRules(tool, grant.principal) ? partsOf(params) : [];
  const judged =
    said.length > 0
      ? policies.decideResult(facts, {
          text: said.map((part) => (typeof part === "string" ? part : stringifyJson(part))).join("\n"),
          isError: false,
          bytes: Buffer.byteLength(stringifyJson(params)),
        })
      : undefined;
  const obligations = [...(decision?.obligations ?? []), ...(judged?.obligations ?? [])];
  const passed = judged?.verdict === "block" ? undefined : redactTexts(params, obligations);
  if (!passed) {
    const rules = judged?.verdict === "block" ? judged.reasons.map((r) => r.rule) : ["callgate/obligation"];
    gate.log.debug({ call: life.id, tool: tool.qualified, method, rules }, "something a server said is withheld");
    return undefined;
  }
  for (const obligation of judged?.obligations ?? [])
    if (obligation.kind === "label") life.session.state.mark([obligation.label]);
  watch(life, passed);
  return passed;
}

/** The questions of one step, as the agent may see them, and the keys of those that it may not. */
export function asideQuestions(
  life: Life,
  requests: Readonly<Record<string, Callback>>,
): { readonly shown: Record<string, Callback>; readonly withheld: readonly string[] } {
  const shown: Record<string, Callback> = {};
  const withheld: string[] = [];
  for (const [key, callback] of Object.entries(requests)) {
    const question = asideQuestion(life, callback);
    if (question) shown[key] = question;
    else withheld.push(key);
  }
  return { shown, withheld };
}

/** The same for one. */
export function asideQuestion(life: Life, callback: Callback): Callback | undefined {
  const params = aside(life, callback.method, callback.params ?? {});
  if (!params) return undefined;
  return callback.params ? { ...callback, params } : callback;
}
