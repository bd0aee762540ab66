import { type ResultFacts, stringifyJson } from "@callgate/core";
import { isMap, type Node } from "yaml";
import type { SourceFile } from "../source.ts";
import { didYouMean } from "../suggest.ts";

/** What the policies must say of a case. What is not given is not looked at. */
export interface Expectation {
  /** `call`: the verdict on the call. `result`: on what it returned. `list`: whether its tool is shown. */
  readonly phase: "call" | "result" | "list";
  readonly verdict: "allow" | "deny" | "hold" | "pass" | "block" | "listed" | "hidden";
  /** Ids of the rules that made the verdict, in any order, and no others. */
  readonly rules?: readonly string[];
  /** Their reasons, in any order, and no others. */
  readonly reasons?: readonly string[];
  /** Each of the obligations, in their order, with `rule` left out if it does not matter. */
  readonly obligations?: readonly Readonly<Record<string, unknown>>[];
}

const VERDICTS = ["allow", "deny", "hold"] as const;
const RESULTS = ["pass", "block"] as const;
const PHASES = ["verdict", "result", "listed"] as const;

/** Reads `expect`: one of `verdict`, `result` and `listed`, and what else the decision must hold. */
export function readExpect(file: SourceFile, node: Node | null | undefined): Expectation | undefined {
  const fields = file.fields(node, [...PHASES, "rules", "reasons", "obligations"], "`expect`");
  if (!fields) return undefined;
  const valueOf = (name: string): Node | null | undefined => fields.get(name)?.value;
  const [phase, ...others] = PHASES.filter((name) => fields.has(name));
  if (phase === undefined)
    return file.report(
      "`expect` has no `verdict`",
      node,
      "write `verdict: allow`, or `result: pass`, or `listed: true`",
    );
  if (others.length > 0)
    return file.report(
      `\`${phase}\` and \`${others.join("`, `")}\` are decided apart`,
      fields.get(others[0] ?? "")?.key,
      "write a case for each",
    );
  const texts = (name: string): string[] | undefined =>
    fields.has(name) ? file.texts(valueOf(name), `\`${name}\``) : undefined;
  const rules = texts("rules");
  if (phase === "listed") {
    for (const name of ["reasons", "obligations"])
      if (fields.has(name)) file.report(`hiding a tool gives no \`${name}\``, fields.get(name)?.key, "leave it out");
    const listed = file.scalar(valueOf("listed"));
    if (typeof listed !== "boolean")
      return file.report("`listed` must be `true` or `false`", valueOf("listed") ?? node);
    return { phase: "list", verdict: listed ? "listed" : "hidden", ...(rules && { rules }) };
  }
  const known: readonly string[] = phase === "verdict" ? VERDICTS : RESULTS;
  const verdict = file.text(valueOf(phase), `\`${phase}\``);
  if (verdict === undefined) return undefined;
  if (!known.includes(verdict))
    return file.report(
      `\`${phase}\` cannot be \`${verdict}\``,
      valueOf(phase),
      didYouMean(verdict, known, "it is one of"),
    );
  const reasons = texts("reasons");
  const listed = fields.has("obligations") ? file.items(valueOf("obligations"), "`obligations`") : undefined;
  const obligations = listed?.flatMap((item) =>
    isMap(item)
      ? [file.plain(item) as Record<string, unknown>]
      : (file.report("an obligation is a mapping", item) ?? []),
  );
  return {
    phase: phase === "verdict" ? "call" : "result",
    verdict: verdict as Expectation["verdict"],
    ...(rules && { rules }),
    ...(reasons && { reasons }),
    ...(obligations && { obligations }),
  };
}

/** Reads `result`: the text that the tool returned, or `text`, `structured` and `isError`. The size is what it would be as JSON. */
export function readResult(file: SourceFile, node: Node | null | undefined): ResultFacts | undefined {
  if (!isMap(node)) {
    const text = file.text(node, "`result`");
    return text === undefined ? undefined : resultFacts(text, undefined, false);
  }
  const fields = file.fields(node, ["text", "structured", "isError"], "`result`");
  if (!fields) return undefined;
  const structured = fields.has("structured") ? file.plain(fields.get("structured")?.value) : undefined;
  // A tool that returns structured content gives the same as text, for agents that do not read it.
  const text = fields.has("text")
    ? file.text(fields.get("text")?.value, "`text`")
    : structured === undefined
      ? ""
      : stringifyJson(structured);
  const isError = file.scalar(fields.get("isError")?.value) ?? false;
  if (typeof isError !== "boolean")
    return file.report("`isError` must be `true` or `false`", fields.get("isError")?.value);
  return text === undefined ? undefined : resultFacts(text, structured, isError);
}

function resultFacts(text: string, structured: unknown, isError: boolean): ResultFacts {
  const whole = {
    content: [{ type: "text", text }],
    ...(structured !== undefined && { structuredContent: structured }),
    ...(isError && { isError }),
  };
  return {
    text,
    ...(structured !== undefined && { structured }),
    isError,
    bytes: new TextEncoder().encode(stringifyJson(whole)).byteLength,
  };
}
