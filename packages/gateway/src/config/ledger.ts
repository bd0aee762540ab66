import { resolve } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import { type AnchorTarget, openAnchor } from "@callgate/ledger";
import { compileRedaction, type RedactRule } from "../record-redaction.ts";
import type { Findings } from "./findings.ts";
import { definedOnly } from "./manifest.ts";
import type { ConfigInput } from "./schema.ts";
import type { Source } from "./source.ts";
import type { LedgerConfig } from "./types.ts";

/** The ledger's settings, with anchors and redactions checked as far as that needs no anchor to answer. */
export function resolveLedger({ ledger }: ConfigInput, source: Source, dir: string, findings: Findings): LedgerConfig {
  const { sync, payloads, search, retention } = ledger;
  if (sync !== "full")
    findings.warn(
      `with \`sync: ${sync}\` a power cut can lose records`,
      source.at(["ledger", "sync"]),
      "write `sync: full` where the ledger is evidence",
    );
  const anchors = ledger.anchors.map((written, i): AnchorTarget => {
    const target: AnchorTarget =
      typeof written === "string" ? { to: written } : { ...definedOnly(written), to: written.to };
    try {
      openAnchor(target);
    } catch (error) {
      const help = error instanceof CallgateError ? error.help : undefined;
      findings.error(messageOf(error), source.at(["ledger", "anchors", i]), help ?? "");
    }
    return { ...target, to: placed(target.to, dir) };
  });
  const redact = ledger.redact.map((written, i): RedactRule => {
    const rule = definedOnly(written);
    const at = source.at(["ledger", "redact", i]);
    try {
      compileRedaction([rule]);
    } catch (error) {
      findings.error(messageOf(error), at, "a path is as in `$.user.email`, a pattern is RE2");
    }
    if (rule.path === undefined && rule.pattern === undefined)
      findings.error(
        "the rule would keep everything out",
        at,
        "add a `path` or a `pattern`, or write `payloads: false`",
      );
    return rule;
  });
  return { sync, payloads, search, anchors, retention: definedOnly(retention), redact };
}

/** A file's path starts from the configuration's folder, as every path in it does. */
function placed(to: string, dir: string): string {
  return /^file:(?!\/\/)/.test(to) ? `file:${resolve(dir, to.slice("file:".length).trim())}` : to;
}
