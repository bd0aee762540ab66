import type { Approver, Diagnostic, PolicyEffect, Span } from "@callgate/core";
import { isScalar, type Node } from "yaml";
import { type ObligationSpec, parseObligations } from "./obligation.ts";
import type { PolicySource } from "./port.ts";
import { SourceFile } from "./source.ts";
import { didYouMean } from "./suggest.ts";

/** A policy as its file states it, with its parts' places. */
export interface PolicyDocument {
  readonly id: string;
  readonly effect: PolicyEffect;
  readonly tools: readonly { readonly glob: string; readonly span: Span }[];
  /** Absent for a rule that always applies. `at` finds a character of the text in the file. */
  readonly when?: { readonly text: string; at(offset: number): Span };
  readonly reason?: string;
  readonly remedy?: string;
  readonly phase: "call" | "list";
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
  const fields = file.fields(node, FIELDS, "a policy");
  if (!fields) return undefined;
  const valueOf = (name: string): Node | null | undefined => fields.get(name)?.value;
  const textOf = (name: string): string | undefined =>
    fields.has(name) ? file.text(valueOf(name), `\`${name}\``) : undefined;
  const require = (name: string, help: string): boolean => {
    if (fields.has(name)) return true;
    file.report(`the policy has no \`${name}\``, node, help);
    return false;
  };
  function oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = textOf(name);
    if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
    return file.report(`\`${name}\` cannot be \`${value}\``, valueOf(name), didYouMean(value, allowed, "it is one of"));
  }

  require("id", "add `id:`, a short name such as `no-mail-to-strangers`");
  const id = textOf("id") ?? "";
  if (fields.has("id") && id !== "" && !ID.test(id)) {
    file.report(
      `the id \`${id}\` is malformed`,
      valueOf("id"),
      "use lower-case letters, digits and hyphens, at most 64",
    );
  }
  require("effect", "add `effect:` with `permit`, `forbid` or `ask`");
  const effect = oneOf("effect", ["permit", "forbid", "ask"] as const) ?? "forbid";
  const phase = oneOf("phase", ["call", "list"] as const) ?? "call";
  if (phase === "list" && effect !== "forbid") {
    file.report(
      `a \`list\` policy cannot be \`${effect}\``,
      valueOf("effect"),
      "tools are shown unless a `forbid` hides them",
    );
  }

  const reason = textOf("reason");
  if (effect !== "permit" && fields.has("effect"))
    require("reason", `add \`reason:\`, one sentence: \`${effect}\` must say why`);
  const remedy = textOf("remedy");
  const approver = oneOf("approve", ["operator", "client"] as const) ?? "operator";
  if (fields.has("approve") && effect !== "ask")
    file.report(`\`approve\` does not apply to \`${effect}\``, fields.get("approve")?.key, "only `ask` is approved");

  const globs = require("tools", 'add `tools:`, globs over `server__tool`, such as ["mail__*"]')
    ? file.items(valueOf("tools"), "`tools`")
    : undefined;
  const tools = (globs ?? []).flatMap((item) => {
    const glob = file.text(item, "each of `tools`");
    return glob === undefined ? [] : [{ glob, span: file.spanOf(item) }];
  });
  if (globs?.length === 0) file.report("`tools` is empty", valueOf("tools"), 'write `tools: ["*"]` for every tool');

  const roles = fields.has("roles") ? file.texts(valueOf("roles"), "`roles`") : undefined;
  const agents = fields.has("agents") ? file.texts(valueOf("agents"), "`agents`") : undefined;
  const obligations = fields.has("obligations") ? parseObligations(file, valueOf("obligations")) : [];
  if (fields.has("obligations") && effect !== "permit") {
    file.report(
      `\`obligations\` do not apply to \`${effect}\``,
      fields.get("obligations")?.key,
      "put them on the permit that allows the call",
    );
  }

  const whenNode = valueOf("when");
  const whenText = textOf("when");
  const when =
    whenText !== undefined && isScalar(whenNode) ? { text: whenText, at: file.locate(whenNode, whenText) } : undefined;
  return {
    id,
    effect,
    tools,
    phase,
    approver,
    obligations,
    span: file.spanOf(node),
    ...(when && { when }),
    ...(reason !== undefined && { reason }),
    ...(remedy !== undefined && { remedy }),
    ...(roles && { roles }),
    ...(agents && { agents }),
  };
}
