import { LABELS, type Label, type Obligation } from "@callgate/core";
import type { Node } from "yaml";
import type { Phase } from "./phase.ts";
import { patternProblem } from "./redaction.ts";
import type { SourceFile } from "./source.ts";
import { didYouMean } from "./suggest.ts";

type WithoutRule<T> = T extends unknown ? Omit<T, "rule"> : never;

/** An obligation before the rule that asks for it is named. */
export type ObligationSpec = WithoutRule<Obligation>;

/** The fields of each kind; those in `needs` MUST be there. */
const KINDS: Readonly<
  Record<Obligation["kind"], { readonly takes: readonly string[]; readonly needs: readonly string[] }>
> = {
  redact: { takes: ["target", "path", "pattern"], needs: ["path"] },
  label: { takes: ["label"], needs: ["label"] },
  cap: { takes: ["resultBytes", "callsPerMinute"], needs: [] },
  notify: { takes: ["channel"], needs: ["channel"] },
  rewrite: { takes: ["path", "value"], needs: ["path", "value"] },
  clamp: { takes: ["path", "min", "max"], needs: ["path"] },
};

/** JSONPath as far as it is needed to name a place: `$`, `.name`, `['name']`, `[0]`, `[*]`, `.*`, `..name`. */
const JSON_PATH = /^\$(?:\.\.?[A-Za-z_][\w-]*|\.\*|\[(?:\d+|\*|'[^'\\]+'|"[^"\\]+")\])*$/;

/** A redaction leaves texts in its place: where MCP wants a list or an object, the agent's client would not read the result. */
const WHOLE = /^\$(?:\.structuredContent|\.(?:content|contents|messages)(?:\[(?:\d+|\*)\])?)?$/;

/** Reads the `obligations` of a permit: a list of mappings with a `kind`. In the `result` phase, those alone that can still be met. */
export function parseObligations(file: SourceFile, node: Node | null | undefined, phase: Phase): ObligationSpec[] {
  const items = file.items(node, "`obligations`") ?? [];
  if (items.length === 0 && phase === "result")
    file.report("`obligations` is empty", node, "leave it out, or add an obligation");
  return items.flatMap((item) => {
    const spec = readOne(file, item);
    if (!spec || phase !== "result" || !comesTooLate(spec)) return spec ?? [];
    const help = "the call has happened: put it on a permit of the `call` phase";
    file.report(`\`${comesTooLate(spec)}\` comes too late in a \`result\` policy`, item, help);
    return [];
  });
}

/** What of an obligation can be met before a call alone. */
function comesTooLate(spec: ObligationSpec): string | undefined {
  if (spec.kind === "rewrite" || spec.kind === "clamp") return spec.kind;
  if (spec.kind === "redact" && spec.target === "args") return "target: args";
  return spec.kind === "cap" && spec.callsPerMinute !== undefined ? "callsPerMinute" : undefined;
}

function readOne(file: SourceFile, node: Node): ObligationSpec | undefined {
  const kinds = Object.keys(KINDS);
  const all = Object.values(KINDS).flatMap(({ takes }) => takes);
  const loose = file.fields(node, ["kind", ...new Set(all)], "an obligation");
  if (!loose) return undefined;
  if (!loose.has("kind")) return file.report("the obligation has no `kind`", node, `it is one of: ${kinds.join(", ")}`);
  const kind = file.text(loose.get("kind")?.value, "`kind`");
  if (kind === undefined) return undefined;
  if (!Object.hasOwn(KINDS, kind)) {
    return file.report(
      `unknown obligation \`${kind}\``,
      loose.get("kind")?.value,
      didYouMean(kind, kinds, "it is one of"),
    );
  }
  const { takes, needs } = KINDS[kind as Obligation["kind"]];
  for (const [name, { key }] of loose) {
    if (name !== "kind" && !takes.includes(name))
      file.report(`\`${name}\` does not belong to \`${kind}\``, key, `it takes: ${takes.join(", ")}`);
  }
  const missing = needs.find((name) => !loose.has(name));
  if (missing) return file.report(`\`${kind}\` has no \`${missing}\``, node, `it takes: ${takes.join(", ")}`);
  return build(file, node, kind as Obligation["kind"], (name) => loose.get(name)?.value ?? null);
}

function build(
  file: SourceFile,
  node: Node,
  kind: Obligation["kind"],
  valueOf: (name: string) => Node | null,
): ObligationSpec | undefined {
  switch (kind) {
    case "redact":
      return redact(file, valueOf);
    case "label": {
      const label = file.text(valueOf("label"), "`label`");
      if (label === undefined || isLabel(label)) return label === undefined ? undefined : { kind, label };
      return file.report(`unknown label \`${label}\``, valueOf("label"), didYouMean(label, LABELS, "it is one of"));
    }
    case "cap": {
      const resultBytes = positive(file, valueOf("resultBytes"), "`resultBytes` must be a positive number of bytes");
      const calls = "`callsPerMinute` must be a positive whole number";
      const callsPerMinute = positive(file, valueOf("callsPerMinute"), calls);
      if (resultBytes === undefined && callsPerMinute === undefined)
        return (valueOf("resultBytes") ?? valueOf("callsPerMinute"))
          ? undefined
          : file.report("`cap` caps nothing", node, "add `resultBytes`, `callsPerMinute` or both");
      return {
        kind,
        ...(resultBytes !== undefined && { resultBytes }),
        ...(callsPerMinute !== undefined && { callsPerMinute }),
      };
    }
    case "notify": {
      const channel = file.text(valueOf("channel"), "`channel`");
      return channel === undefined ? undefined : { kind, channel };
    }
    case "rewrite": {
      const path = pathOf(file, valueOf("path"));
      return path === undefined ? undefined : { kind, path, value: file.plain(valueOf("value")) };
    }
    case "clamp":
      return clamp(file, node, valueOf);
    default:
      return kind satisfies never;
  }
}

function redact(file: SourceFile, valueOf: (name: string) => Node | null): ObligationSpec | undefined {
  const target = valueOf("target") === null ? "result" : file.text(valueOf("target"), "`target`");
  if (target !== "args" && target !== "result") {
    return file.report("`target` must be `args` or `result`", valueOf("target"));
  }
  const path = pathOf(file, valueOf("path"));
  const pattern = valueOf("pattern") === null ? undefined : file.text(valueOf("pattern"), "`pattern`");
  if (path === undefined || (valueOf("pattern") !== null && pattern === undefined)) return undefined;
  if (pattern === undefined) {
    if (target === "args" ? path !== "$" : !WHOLE.test(path)) return { kind: "redact", target, path };
    const help = "name places inside it, such as `$.content[*].text` or `$.structuredContent.token`";
    return file.report(`\`${path}\` cannot be a text, which is what redaction leaves`, valueOf("path"), help);
  }
  const problem = patternProblem(pattern);
  if (problem === undefined) return { kind: "redact", target, path, pattern };
  return file.report(problem, valueOf("pattern"), "write for example `sk-[A-Za-z0-9]{20,}`, in single quotes");
}

function clamp(file: SourceFile, node: Node, valueOf: (name: string) => Node | null): ObligationSpec | undefined {
  const path = pathOf(file, valueOf("path"));
  const bounds: { min?: number; max?: number } = {};
  for (const name of ["min", "max"] as const) {
    const at = valueOf(name);
    const value = file.scalar(at);
    if (typeof value === "number" && Number.isFinite(value)) bounds[name] = value;
    else if (at) return file.report(`\`${name}\` must be a number, exact in a double`, at);
  }
  const { min, max } = bounds;
  if (path === undefined) return undefined;
  if (min === undefined && max === undefined)
    return file.report("`clamp` bounds nothing", node, "add `min`, `max` or both");
  if (min !== undefined && max !== undefined && min > max)
    return file.report("`min` is more than `max`", valueOf("min"), "no number is within these bounds");
  return { kind: "clamp", path, ...bounds };
}

function positive(file: SourceFile, node: Node | null, message: string): number | undefined {
  const value = file.scalar(node);
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  return node ? file.report(message, node) : undefined;
}

function isLabel(label: string): label is Label {
  return (LABELS as readonly string[]).includes(label);
}

function pathOf(file: SourceFile, node: Node | null): string | undefined {
  const path = file.text(node, "`path`");
  if (path === undefined || JSON_PATH.test(path)) return path;
  return file.report(`\`${path}\` is not a path`, node, "write for example `$.user.email` or `$.items[*].token`");
}
