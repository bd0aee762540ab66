import { compileGlobs, type ToolFacts } from "@callgate/core";
import { didYouMean } from "../suggest.ts";
import type { Studied } from "./condition.ts";
import { always, alwaysOf, shapesFor } from "./contexts.ts";
import { globCovers } from "./cover.ts";
import type { Finding, FindingCode, Severity } from "./finding.ts";

/** What a configuration says of an agent. */
export interface RoledAgent {
  readonly roles: readonly string[];
}

/** What is odd about one policy by itself. */
export function lintRule(
  studied: Studied,
  tools: readonly ToolFacts[],
  agents: Readonly<Record<string, RoledAgent>>,
): Finding[] {
  return [
    ...conditionFindings(studied, tools),
    ...principalFindings(studied, agents),
    ...globFindings(studied),
    ...breadthFindings(studied),
    ...trialFindings(studied),
  ];
}

function finding(
  { document }: Studied,
  code: FindingCode,
  severity: Severity,
  message: string,
  help?: string,
  span = document.span,
): Finding {
  return { code, severity, rule: document.id, message, span, ...(help !== undefined && { help }) };
}

const DOES = { permit: "permits", forbid: "forbids", ask: "asks for" } as const;

function conditionFindings(studied: Studied, tools: readonly ToolFacts[]): Finding[] {
  const { document, rule } = studied;
  if (!document.when) return [];
  const at = document.when.at(0);
  const say = (code: FindingCode, severity: Severity, message: string, help: string): Finding[] => [
    finding(studied, code, severity, message, help, at),
  ];
  const shapes = shapesFor(studied, tools);
  const neverTrue = alwaysOf(studied, shapes, (truth) => truth !== true);
  const neverFalse = alwaysOf(studied, shapes, (truth) => truth !== false);
  if (neverTrue && neverFalse)
    return say("always-fails", "error", "the condition always fails", "a policy that fails denies: correct it");
  if (neverTrue) {
    const help = `the policy never ${DOES[document.effect]} anything: correct the condition, or remove the policy`;
    return say("never-true", "error", "the condition is never true", help);
  }
  if (neverFalse) {
    const help = "say what is meant, or leave `when` out";
    return say("never-false", "warning", "the condition is never false", help);
  }
  const matched = tools.filter((tool) => rule.matchesTool(tool.qualified));
  const idle = matched.every((tool) => always([studied.formula(tool, { tool })], (truth) => truth !== true));
  if (matched.length === 0 || !idle) return [];
  const help = `it ${DOES[document.effect]} nothing as long as the manifests stay as they are`;
  return say("no-such-tool-now", "info", "the condition is true for no tool that a manifest declares", help);
}

function principalFindings(studied: Studied, agents: Readonly<Record<string, RoledAgent>>): Finding[] {
  const { document, rule } = studied;
  const names = Object.keys(agents);
  if (names.length === 0) return [];
  const found: Finding[] = [];
  if (!Object.entries(agents).some(([agent, { roles }]) => rule.appliesTo({ agent, roles }))) {
    const roles = [...new Set(Object.values(agents).flatMap((agent) => agent.roles))];
    const [word, known, noun] = document.agents
      ? [document.agents.join(), names, "the agents are"]
      : [document.roles?.join() ?? "", roles, "agents have the roles"];
    const message = "the policy speaks to no agent of the configuration";
    found.push(finding(studied, "speaks-to-nobody", "warning", message, didYouMean(word, known, noun)));
  }
  if (document.canary && !names.some(compileGlobs(document.canary))) {
    const help = didYouMean(document.canary.join(), names, "the agents are");
    found.push(finding(studied, "speaks-to-nobody", "warning", "`canary` names no agent of the configuration", help));
  }
  return found;
}

function globFindings(studied: Studied): Finding[] {
  const { tools, roles, agents, canary } = studied.document;
  const spans = tools.map(({ span }) => span);
  const lists = [
    { name: "tools", globs: tools.map(({ glob }) => glob) },
    { name: "roles", globs: roles ?? [] },
    { name: "agents", globs: agents ?? [] },
    { name: "canary", globs: canary ?? [] },
  ];
  return lists.flatMap(({ name, globs }) =>
    globs.flatMap((glob, i) => {
      const span = name === "tools" ? spans[i] : undefined;
      if (globs.indexOf(glob) < i)
        return finding(studied, "repeated-glob", "warning", `\`${glob}\` is in \`${name}\` twice`, "remove one", span);
      // Of two that cover each other (`a*`, `a**`), the first stays.
      const wider = globs.find((one, j) => one !== glob && globCovers(one, glob) && (j < i || !globCovers(glob, one)));
      if (wider === undefined) return [];
      const message = `\`${glob}\` is matched by \`${wider}\` in the same \`${name}\``;
      return finding(studied, "repeated-glob", "info", message, `remove it, or narrow \`${wider}\``, span);
    }),
  );
}

function breadthFindings(studied: Studied): Finding[] {
  const { effect, phase, tools, when, roles, agents, obligations } = studied.document;
  if (effect !== "permit" || phase !== "call" || when) return [];
  const all = tools.find(({ glob }) => /^\*+$/.test(glob));
  if (!all) return [];
  const narrowed = [roles, agents].some((globs) => globs && !globs.some((glob) => /^\*+$/.test(glob)));
  const severity = narrowed || obligations.length > 0 ? "info" : "warning";
  const help = "name the tools, or say in `when` which calls are meant: what nobody has declared yet is permitted too";
  const message = `every call of every tool is permitted${narrowed ? " to those it speaks to" : ""}`;
  return [finding(studied, "too-broad", severity, message, help, all.span)];
}

function trialFindings(studied: Studied): Finding[] {
  const { mode, canary } = studied.document;
  if (mode === "enforce" && !canary) return [];
  const message = canary
    ? "the policy is enforced for its `canary` alone"
    : `the policy is on trial: it is in \`${mode}\`, and decides nothing`;
  const help = "look at `callgate policy rollout`, then enforce it or remove it";
  return [finding(studied, "on-trial", "info", message, help)];
}
