import { LABELS, type Obligation } from "@callgate/core";
import type { Node } from "yaml";
import type { SourceFile } from "./source.ts";
import { didYouMean } from "./suggest.ts";

type WithoutRule<T> = T extends unknown ? Omit<T, "rule"> : never;

/** An obligation before the rule that asks for it is named. */
export type ObligationSpec = WithoutRule<Obligation>;

const KINDS: Readonly<Record<Obligation["kind"], readonly string[]>> = {
  redact: ["target", "path"],
  label: ["label"],
  cap: ["resultBytes"],
  notify: ["channel"],
  rewrite: ["path", "value"],
};

/** JSONPath as far as it is needed to name a place: `$`, `.name`, `['name']`, `[0]`, `[*]`, `.*`, `..name`. */
const JSON_PATH = /^\$(?:\.\.?[A-Za-z_][\w-]*|\.\*|\[(?:\d+|\*|'[^'\\]+'|"[^"\\]+")\])*$/;

/** Reads the `obligations` of a permit: a list of mappings with a `kind`. */
export function parseObligations(file: SourceFile, node: Node | null | undefined): ObligationSpec[] {
  return (file.items(node, "`obligations`") ?? []).flatMap((item) => readOne(file, item) ?? []);
}

function readOne(file: SourceFile, node: Node): ObligationSpec | undefined {
  const kinds = Object.keys(KINDS);
  const loose = file.fields(node, ["kind", ...new Set(Object.values(KINDS).flat())], "an obligation");
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
  const wanted = KINDS[kind as Obligation["kind"]];
  for (const [name, { key }] of loose) {
    if (name !== "kind" && !wanted.includes(name))
      file.report(`\`${name}\` does not belong to \`${kind}\``, key, `it takes: ${wanted.join(", ")}`);
  }
  const missing = wanted.find((name) => !loose.has(name) && !(kind === "redact" && name === "target"));
  if (missing) return file.report(`\`${kind}\` has no \`${missing}\``, node, `it takes: ${wanted.join(", ")}`);
  return build(file, kind as Obligation["kind"], (name) => loose.get(name)?.value ?? null);
}

function build(
  file: SourceFile,
  kind: Obligation["kind"],
  valueOf: (name: string) => Node | null,
): ObligationSpec | undefined {
  switch (kind) {
    case "redact": {
      const target = valueOf("target") === null ? "result" : file.text(valueOf("target"), "`target`");
      if (target !== "args" && target !== "result") {
        return file.report("`target` must be `args` or `result`", valueOf("target"));
      }
      const path = pathOf(file, valueOf("path"));
      return path === undefined ? undefined : { kind, target, path };
    }
    case "label": {
      const label = file.text(valueOf("label"), "`label`");
      if (label === undefined || (LABELS as readonly string[]).includes(label))
        return label === undefined ? undefined : { kind, label };
      return file.report(`unknown label \`${label}\``, valueOf("label"), didYouMean(label, LABELS, "it is one of"));
    }
    case "cap": {
      const resultBytes = file.scalar(valueOf("resultBytes"));
      if (typeof resultBytes === "number" && Number.isSafeInteger(resultBytes) && resultBytes > 0)
        return { kind, resultBytes };
      return file.report("`resultBytes` must be a positive number of bytes", valueOf("resultBytes"));
    }
    case "notify": {
      const channel = file.text(valueOf("channel"), "`channel`");
      return channel === undefined ? undefined : { kind, channel };
    }
    case "rewrite": {
      const path = pathOf(file, valueOf("path"));
      return path === undefined ? undefined : { kind, path, value: file.plain(valueOf("value")) };
    }
    default:
      return kind satisfies never;
  }
}

function pathOf(file: SourceFile, node: Node | null): string | undefined {
  const path = file.text(node, "`path`");
  if (path === undefined || JSON_PATH.test(path)) return path;
  return file.report(`\`${path}\` is not a path`, node, "write for example `$.user.email` or `$.items[*].token`");
}
