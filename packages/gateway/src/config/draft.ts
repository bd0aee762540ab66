import {
  type ArgumentRole,
  type Digest,
  isObject,
  type JsonObject,
  type Label,
  roundedJson,
  type ToolEffect,
} from "@callgate/core";
import { draftFlow, type ResultFlow } from "@callgate/policy";
import { Document, isCollection, type YAMLMap } from "yaml";
import { type Definition, definitionDigest } from "./definition.ts";
import type { Callback } from "./types.ts";

/** A tool as a draft proposes it. `note` becomes a comment above it. */
export interface ToolDraft {
  readonly scopes: readonly string[];
  readonly effects: readonly ToolEffect[];
  readonly labels?: readonly Label[];
  readonly result?: ResultFlow;
  readonly arguments?: Readonly<Record<string, ArgumentRole>>;
  readonly limits?: Readonly<Record<string, string | number>>;
  readonly digest: Digest;
  readonly description?: string;
  readonly note?: string;
}

type AccessDraft = Pick<ToolDraft, "scopes" | "effects" | "labels">;

/** A manifest as a draft proposes it. */
export interface ManifestDraft {
  readonly server: string;
  /** For code that runs in the sandbox. */
  readonly module?: {
    readonly digest: Digest;
    readonly hosts: readonly string[];
    readonly calls: readonly string[];
    readonly budgets?: Readonly<Record<string, unknown>>;
  };
  readonly tools: Readonly<Record<string, ToolDraft>>;
  readonly resources?: AccessDraft;
  readonly prompts?: AccessDraft;
  readonly callbacks?: readonly Callback[];
  readonly logging?: boolean;
}

/** What the server said about itself; see MCP's server capabilities. */
export interface Offer {
  readonly tools: readonly Definition[];
  readonly resources?: boolean;
  readonly prompts?: boolean;
}

/**
 * Drafts a manifest from what a server offers. Its annotations are hints, read by MCP's own defaults, which assume the
 * worst of a tool that says nothing. A person MUST read the draft: a server that lies drafts its own rights.
 */
export function draftManifest(server: string, offer: Offer): ManifestDraft {
  const reading: AccessDraft = { scopes: [`${server}:read`], effects: ["read"] };
  return {
    server,
    tools: Object.fromEntries(offer.tools.map((t) => [t.name, draftTool(server, t)])),
    ...(offer.resources && { resources: reading }),
    ...(offer.prompts && { prompts: reading }),
  };
}

export function draftTool(server: string, definition: Definition): ToolDraft {
  const hints = isObject(definition["annotations"]) ? definition["annotations"] : {};
  const reads = hints["readOnlyHint"] === true;
  const effects: ToolEffect[] = reads ? ["read"] : ["write"];
  if (!reads && hints["destructiveHint"] !== false) effects.push("destructive");
  const open = hints["openWorldHint"] !== false;
  if (open) effects.push("external");
  const { description, inputSchema } = definition as { description?: unknown; inputSchema?: unknown };
  const flow = draftFlow(
    {
      name: definition.name,
      ...(typeof description === "string" && { description }),
      ...(isObject(inputSchema) && { inputSchema: roundedJson(inputSchema) as JsonObject }),
    },
    effects,
  );
  // A closed world has no strangers in it: what its results say is no more than private.
  const labels = flow.labels.filter((label) => open || label !== "untrusted");
  const note = noteOf(definition);
  return {
    scopes: [`${server}:${reads ? "read" : "write"}`],
    effects,
    ...(labels.length > 0 && { labels }),
    ...(labels.includes("untrusted") && flow.result.untrusted === "prose" && { result: flow.result }),
    arguments: flow.arguments,
    digest: definitionDigest(definition),
    ...(note && { note }),
  };
}

/** The first sentence of a description, on one line and without control characters: a comment MUST NOT become YAML. */
function noteOf(definition: Definition): string {
  const text = typeof definition["description"] === "string" ? definition["description"] : "";
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  const sentence = /^.{1,110}?[.!?](?= |$)/u.exec(plain)?.[0] ?? plain;
  return sentence.length > 110 ? `${sentence.slice(0, 109)}…` : sentence;
}

/** The YAML text of a manifest, with a comment on top (`header`, lines) and one above each tool. */
export function writeManifest(manifest: ManifestDraft, header?: string): string {
  const { server, module } = manifest;
  const doc = new Document(
    { version: 1, server, ...(module && { module }), tools: {} },
    { aliasDuplicateObjects: false },
  );
  for (const key of ["hosts", "calls"]) {
    const list = doc.getIn(["module", key]);
    if (isCollection(list)) list.flow = true;
  }
  if (header) {
    doc.commentBefore = header
      .split("\n")
      .map((l) => ` ${l}`)
      .join("\n");
  }
  const tools = doc.get("tools") as YAMLMap;
  for (const [name, draft] of Object.entries(manifest.tools)) tools.add(doc.createPair(name, toolNode(doc, draft)));
  for (const key of ["resources", "prompts"] as const) {
    if (manifest[key]) doc.set(key, shortLists(doc.createNode(definedKeys(manifest[key])) as YAMLMap));
  }
  if (manifest.callbacks && manifest.callbacks.length > 0)
    doc.set("callbacks", doc.createNode(manifest.callbacks, { flow: true }));
  if (manifest.logging !== undefined) doc.set("logging", manifest.logging);
  return doc.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** One tool of a manifest as a YAML node of `doc`. */
export function toolNode(doc: Document, draft: ToolDraft): YAMLMap {
  const { note, ...keys } = draft;
  const node = doc.createNode(definedKeys(keys)) as YAMLMap;
  if (note) node.commentBefore = ` ${note}`;
  return shortLists(node);
}

function definedKeys(object: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined));
}

function shortLists(node: YAMLMap): YAMLMap {
  for (const key of ["scopes", "effects", "labels", "result", "arguments"]) {
    const value: unknown = node.get(key);
    if (isCollection(value)) value.flow = true;
  }
  return node;
}
