import { resolve } from "node:path";
import { CallgateError, messageOf, type Span } from "@callgate/core";
import { type AnchorTarget, openAnchor, parseFileKey } from "@callgate/ledger";
import { compileRedaction, type RedactRule } from "../record-redaction.ts";
import type { Findings } from "./findings.ts";
import { definedOnly } from "./manifest.ts";
import { expand, type Place } from "./placeholder.ts";
import type { ConfigInput } from "./schema.ts";
import { Secret } from "./secret.ts";
import type { Source } from "./source.ts";
import type { LedgerConfig } from "./types.ts";

/** The ledger's settings, with anchors and redactions checked as far as that needs no anchor to answer. */
export async function resolveLedger({ ledger }: ConfigInput, source: Source, place: Place): Promise<LedgerConfig> {
  const { dir, findings } = place;
  const { sync, payloads, search, retention } = ledger;
  if (sync !== "full")
    findings.warn(
      `with \`sync: ${sync}\` a power cut can lose records`,
      source.at(["ledger", "sync"]),
      "write `sync: full` where the ledger is evidence",
    );
  const anchors = ledger.anchors.map((written, i): AnchorTarget => {
    const at = source.at(["ledger", "anchors", i]);
    const target: AnchorTarget = typeof written === "string" ? { to: written } : targetOf(written);
    if (typeof written !== "string" && written.lag !== undefined) checkLag(written, at, findings);
    try {
      openAnchor(target);
    } catch (error) {
      const help = error instanceof CallgateError ? error.help : undefined;
      findings.error(messageOf(error), at, help ?? "");
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
  if (!ledger.signatures.includes("ed25519"))
    findings.error(
      "every checkpoint is signed with `ed25519`",
      source.at(["ledger", "signatures"]),
      "write `signatures: [ed25519, ml-dsa-44]`",
    );
  const key = ledger.encryption && (await resolveFileKey(ledger.encryption.key, source, place));
  return {
    sync,
    payloads,
    search,
    anchors,
    retention: resolveRetention(retention, source.at(["ledger", "retention", "keep"]), dir, findings),
    redact,
    signatures: [...new Set(ledger.signatures)],
    ...(key !== undefined && { encryption: { key } }),
  };
}

/** Whole segments are what can be taken out: without seals there are none. */
function resolveRetention(
  { segment, keep }: ConfigInput["ledger"]["retention"],
  at: Span,
  dir: string,
  findings: Findings,
): LedgerConfig["retention"] {
  const sealed = { ...(segment !== undefined && { segment }) };
  if (keep === undefined) return sealed;
  const { days, records, then, to } = keep;
  if (segment === undefined)
    findings.error("`keep` takes out whole segments, and nothing closes any", at, "add `segment: 100000` beside it");
  if (days === undefined && records === undefined)
    findings.error("`keep` does not say how long", at, "write `days: 90`, or so many `records`");
  if (then === "archive" && to === undefined)
    findings.error("there is no folder to archive to", at, "add `to: /mnt/archive`, or write `then: delete`");
  if (then === "delete" && to !== undefined)
    findings.error("what is deleted goes nowhere", at, "remove `to`, or write `then: archive`");
  return {
    ...sealed,
    keep: {
      ...(days !== undefined && { days }),
      ...(records !== undefined && { records }),
      ...(to !== undefined && { to: resolve(dir, to) }),
    },
  };
}

type WrittenAnchor = Exclude<ConfigInput["ledger"]["anchors"][number], string>;

function targetOf({ lag, to, required, vkey }: WrittenAnchor): AnchorTarget {
  const { records, time } = lag ?? {};
  return {
    to,
    required,
    ...(vkey !== undefined && { vkey }),
    ...(lag !== undefined && {
      lag: { ...(records !== undefined && { records }), ...(time !== undefined && { ms: time }) },
    }),
  };
}

/** An anchor gets a checkpoint a second after a commit: what it may be behind by MUST leave it the time. */
const LEAST_LAG_MS = 5000;

function checkLag({ lag, required }: WrittenAnchor, at: Span, findings: Findings): void {
  if (!required)
    findings.error("`lag` holds for an anchor that is required", at, "add `required: true`, or remove `lag`");
  if (lag?.records === undefined && lag?.time === undefined)
    findings.error("`lag` says nothing", at, "write `lag: { time: 60s }`, or so many `records`");
  if (lag?.time !== undefined && lag.time < LEAST_LAG_MS)
    findings.error("the time in `lag` is too short for any anchor", at, "write `5s` or more");
}

/** A file's path starts from the configuration's folder, as every path in it does. */
function placed(to: string, dir: string): string {
  return /^file:(?!\/\/)/.test(to) ? `file:${resolve(dir, to.slice("file:".length).trim())}` : to;
}

/** The key of the ledger's files, from where `written` says that it stands. Undefined, and a finding, if it is none. */
export async function resolveFileKey(written: string, source: Source, place: Place): Promise<Secret | undefined> {
  const span = source.at(["ledger", "encryption", "key"]);
  const before = place.findings.errors.length;
  const value = await expand(written, span, { folders: false, secrets: true }, place);
  if (!(value instanceof Secret)) {
    if (place.findings.errors.length === before)
      place.findings.error(
        "the key is written out",
        span,
        "read it with `${env:NAME}` or `${file:path}`: who reads the configuration is not to read the ledger",
      );
    return undefined;
  }
  try {
    parseFileKey(value.reveal());
    return value;
  } catch (error) {
    place.findings.error(messageOf(error), span, error instanceof CallgateError ? (error.help ?? "") : "");
    return undefined;
  }
}
