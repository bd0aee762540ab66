import type { Approver, Diagnostic, PolicyEffect, Span } from "@callgate/core";
import { isScalar, type Node } from "yaml";
import { Fields } from "./fields.ts";
import { type RolledOut, readMode } from "./mode.ts";
import { type ObligationSpec, parseObligations } from "./obligation.ts";
import { type Phase, readPhase } from "./phase.ts";
import type { PolicySource } from "./port.ts";
import { SourceFile } from "./source.ts";

/** A policy as its file states it, with its parts' places. */
export interface PolicyDocument extends RolledOut {
  readonly id: string;
  readonly effect: PolicyEffect;
  readonly tools: readonly { readonly glob: string; readonly span: Span }[];
  /** Absent for a rule that always applies. `at` finds a character of the text in the file. */
  readonly when?: { readonly text: string; at(offset: number): Span };
  readonly reason?: string;
  readonly remedy?: string;
  readonly phase: Phase;
  readonly approver: Approver;
  /** Globs; absent for every principal. */
  readonly roles?: readonly string[];
  readonly agents?: readonly string[];
  readonly obligations: readonly ObligationSpec[];
  readonly span: Span;
}

const FIELDS = [
  "id",
  "effect",
  "tools",
  "when",
  "reason",
  "remedy",
  "phase",
  "mode",
  "canary",
  "approve",
  "roles",
  "agents",
  "obligations",
];
const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/** Reads one policy file. Every finding is reported; a policy with one is left out. */
export function readPolicies(source: PolicySource): {
  readonly policies: readonly PolicyDocument[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const file = new SourceFile(source);
  if (file.diagnostics.length) return { policies: [], diagnostics: file.diagnostics };
  if (file.root === null) return { policies: [], diagnostics: [] };
  const top = file.fields(file.root, ["policies"], "a policy file");
  const list = top?.get("policies");
  if (top && !list) file.report("the file has no `policies`", file.root, "start it with `policies:` and a list");
  const items = list && (file.items(list.value, "`policies`") ?? []);
  const policies = (items ?? []).flatMap((item) => {
    const before = file.diagnostics.length;
    const policy = readPolicy(file, item);
    return policy && file.diagnostics.length === before ? [policy] : [];
  });
  return { policies, diagnostics: file.diagnostics };
}

function readPolicy(file: SourceFile, node: Node): PolicyDocument | undefined {
  const entries = file.fields(node, FIELDS, "a policy");
  if (!entries) return undefined;
  const fields = new Fields(file, node, entries);

  fields.require("id", "add `id:`, a short name such as `no-mail-to-strangers`");
  const id = fields.text("id") ?? "";
  if (fields.has("id") && id !== "" && !ID.test(id)) {
    file.report(
      `the id \`${id}\` is malformed`,
      fields.value("id"),
      "use lower-case letters, digits and hyphens, at most 64",
    );
  }
  fields.require("effect", "add `effect:` with `permit`, `forbid` or `ask`");
  const effect = fields.oneOf("effect", ["permit", "forbid", "ask"] as const) ?? "forbid";
  const phase = readPhase(fields, effect);

  const reason = fields.text("reason");
  if (effect !== "permit" && fields.has("effect"))
    fields.require("reason", `add \`reason:\`, one sentence: \`${effect}\` must say why`);
  const remedy = fields.text("remedy");
  const approver = fields.oneOf("approve", ["operator", "client"] as const) ?? "operator";
  if (fields.has("approve") && effect !== "ask")
    fields.refuse("approve", `\`approve\` does not apply to \`${effect}\``, "only `ask` is approved");

  const globs = fields.require("tools", 'add `tools:`, globs over `server__tool`, such as ["mail__*"]')
    ? file.items(fields.value("tools"), "`tools`")
    : undefined;
  const tools = (globs ?? []).flatMap((item) => {
    const glob = file.text(item, "each of `tools`");
    return glob === undefined ? [] : [{ glob, span: file.spanOf(item) }];
  });
  if (globs?.length === 0)
    file.report("`tools` is empty", fields.value("tools"), 'write `tools: ["*"]` for every tool');

  const roles = fields.texts("roles");
  const agents = fields.texts("agents");
  const obligations = fields.has("obligations") ? parseObligations(file, fields.value("obligations"), phase) : [];
  if (fields.has("obligations") && effect !== "permit")
    fields.refuse(
      "obligations",
      `\`obligations\` do not apply to \`${effect}\``,
      "put them on the permit that allows the call",
    );

  const whenNode = fields.value("when");
  const whenText = fields.text("when");
  const when =
    whenText !== undefined && isScalar(whenNode) ? { text: whenText, at: file.locate(whenNode, whenText) } : undefined;
  return {
    id,
    effect,
    tools,
    phase,
    approver,
    obligations,
    ...readMode(fields, phase),
    span: file.spanOf(node),
    ...(when && { when }),
    ...(reason !== undefined && { reason }),
    ...(remedy !== undefined && { remedy }),
    ...(roles && { roles }),
    ...(agents && { agents }),
  };
}
