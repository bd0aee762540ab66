import { canonicalJson, type ToolFacts } from "@callgate/core";
import { parse } from "../cel/parse.ts";
import type { Studied } from "./condition.ts";
import { always, alwaysOf, shapesFor } from "./contexts.ts";
import { globsCover } from "./cover.ts";
import type { Finding } from "./finding.ts";
import { keyOf } from "./key.ts";

/** What is odd about policies beside each other. Those on trial decide nothing and are left out. */
export function lintPairs(all: readonly Studied[], tools: readonly ToolFacts[]): Finding[] {
  const live = all.filter(({ rule, document }) => rule.isEnforced && document.phase !== "list");
  const hidden = new Set<Studied>();
  const found = live.flatMap((one): Finding[] => {
    const shapes = shapesFor(one, tools);
    // What is never true is covered by anything, and has been told.
    if (alwaysOf(one, shapes, (truth) => truth !== true)) return [];
    const over = live.find((other) => overrules(other, one) && implies(one, other, shapes));
    if (over) {
      hidden.add(one);
      return [overruled(one, over)];
    }
    const by = live.find((other) => !hidden.has(other) && shadows(other, one) && implies(one, other, shapes));
    // Of two that say the same, the first stays.
    const same =
      by && live.indexOf(by) > live.indexOf(one) && shadows(one, by) && implies(by, one, shapesFor(by, tools));
    if (!by || same) return [];
    hidden.add(one);
    return [shadowed(one, by)];
  });
  return [...found, ...sameConditions(live.filter((one) => !hidden.has(one)))];
}

/** Whether every call that one policy speaks to is one that the other speaks to. */
function reachesAll({ document: wide }: Studied, { document: narrow }: Studied): boolean {
  const globs = (document: Studied["document"]): string[] => document.tools.map(({ glob }) => glob);
  return (
    wide.phase === narrow.phase &&
    globsCover(globs(wide), globs(narrow)) &&
    globsCover(wide.roles, narrow.roles) &&
    globsCover(wide.agents, narrow.agents)
  );
}

function overrules(wide: Studied, narrow: Studied): boolean {
  return wide.document.effect === "forbid" && narrow.document.effect !== "forbid" && reachesAll(wide, narrow);
}

/** Whether a policy has all the effect of another, as far as they differ in more than their conditions. */
function shadows(wide: Studied, narrow: Studied): boolean {
  if (wide === narrow || wide.document.effect !== narrow.document.effect || !reachesAll(wide, narrow)) return false;
  // An operator's answer is more than a client's.
  if (narrow.document.approver === "operator" && wide.document.approver === "client") return false;
  const kept = new Set(wide.document.obligations.map(canonicalJson));
  return narrow.document.obligations.every((obligation) => kept.has(canonicalJson(obligation)));
}

/** Whether one holds only where the other does, whatever the call. */
function implies(narrow: Studied, wide: Studied, shapes: readonly (ToolFacts | undefined)[] | undefined): boolean {
  if (!wide.document.when) return true;
  return (
    shapes?.every((tool) =>
      always([narrow.formula(tool, {}), wide.formula(tool, {})], (a, b) => a !== true || b === true),
    ) === true
  );
}

function place({ document }: Studied): string {
  return `\`${document.id}\` (${document.span.file}:${document.span.line})`;
}

function overruled({ document }: Studied, by: Studied): Finding {
  const { effect, id, span, phase } = document;
  const what =
    phase === "result"
      ? "blocks every result that it is about"
      : `forbids every call that it ${effect === "ask" ? "asks for" : "permits"}`;
  return {
    code: "overruled",
    severity: "error",
    rule: id,
    message: `the policy never comes into effect: ${place(by)} ${what}`,
    span,
    help: "narrow the forbid, or remove this policy",
  };
}

function shadowed({ document }: Studied, by: Studied): Finding {
  const { effect, id, span } = document;
  // What forbids or asks may be there for the reason that it gives.
  const severity = effect === "permit" ? "warning" : "info";
  const does = { permit: "permits", forbid: "forbids", ask: "asks for" }[effect];
  const help =
    effect === "permit" ? "remove it, or narrow the other" : "keep it if its reason is worth telling, else remove it";
  return {
    code: "shadowed",
    severity,
    rule: id,
    message: `${place(by)} ${does} all that the policy ${does}`,
    span,
    help,
  };
}

function sameConditions(live: readonly Studied[]): Finding[] {
  const groups = Map.groupBy(
    live.filter(({ document }) => document.when),
    ({ document: d }) =>
      canonicalJson([
        d.phase,
        d.effect,
        d.approver,
        d.effect === "permit" ? "" : [d.reason ?? "", d.remedy ?? ""],
        d.roles ?? "all",
        d.agents ?? "all",
        d.obligations,
        keyOf(parse(d.when?.text ?? "true")),
      ]),
  );
  return [...groups.values()].flatMap(([first, ...rest]) =>
    rest.map(({ document }): Finding => {
      const message = `the policy differs from ${place(first as Studied)} in its tools alone`;
      const help = "write one policy for the tools of both";
      const span = document.when?.at(0) ?? document.span;
      return { code: "same-condition", severity: "info", rule: document.id, message, span, help };
    }),
  );
}
