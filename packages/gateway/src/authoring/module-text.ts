import type { Digest } from "@callgate/core";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";

/** What a manifest says of a module, as it is drafted or added to. */
export interface ModuleDraft {
  readonly digest: Digest;
  readonly hosts: readonly string[];
  readonly calls: readonly string[];
  /** As they are written in a manifest. */
  readonly budgets?: Readonly<Record<string, unknown>>;
}

/**
 * The text of a manifest with another bundle pinned, and `hosts` and `calls` added to those it has. A digest alone is
 * changed in place, so that every other character stays; where something is added, comments stay.
 */
export function acceptBundle(text: string, { digest, hosts, calls }: ModuleDraft): string {
  let changed = text;
  const doc = parseDocument(text, { stringKeys: true });
  const old = doc.getIn(["module", "digest"], true);
  if (isScalar(old) && old.range && old.value !== null)
    changed = text.slice(0, old.range[0]) + digest + text.slice(old.range[1]);
  else {
    if (isMap(doc.get("module"))) doc.setIn(["module", "digest"], digest);
    else doc.set("module", doc.createNode({ digest }));
    changed = doc.toString({ lineWidth: 0, flowCollectionPadding: false });
  }
  for (const [key, wanted] of Object.entries({ hosts, calls })) changed = withItems(changed, key, wanted);
  return changed;
}

function withItems(text: string, key: string, wanted: readonly string[]): string {
  const doc = parseDocument(text, { stringKeys: true });
  const list = doc.getIn(["module", key]);
  const there = isSeq(list) ? (list.toJSON() as unknown[]) : [];
  const missing = wanted.filter((item) => !there.includes(item));
  if (missing.length === 0) return text;
  if (isSeq(list)) for (const item of missing) list.add(doc.createNode(item));
  else doc.setIn(["module", key], doc.createNode(missing, { flow: true }));
  return doc.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/**
 * The text of a configuration with a module as one more server. It is written in after the last server where that gives what
 * is meant, so that every other character stays; else the document is laid out anew, with its comments.
 */
export function withModuleServer(text: string, server: string, module: string): string {
  const doc = parseDocument(text, { stringKeys: true });
  doc.setIn(["servers", server], doc.createNode({ module }));
  const meant = JSON.stringify(doc.toJS());
  const servers = parseDocument(text, { stringKeys: true }).get("servers");
  const last = isMap(servers) && !servers.flow ? servers.items.at(-1) : undefined;
  if (isMap(servers) && last && isScalar(last.key) && last.key.range && servers.range) {
    const at = servers.range[1];
    const lineStart = text.lastIndexOf("\n", last.key.range[0] - 1) + 1;
    const indent = text.slice(lineStart, last.key.range[0]);
    const before = text.slice(0, at);
    const entry = `${indent}${server}:\n${indent}  module: ${module}\n`;
    const inserted = `${before}${before.endsWith("\n") ? "" : "\n"}${entry}${text.slice(at)}`;
    const read = parseDocument(inserted, { stringKeys: true });
    if (/^ +$/.test(indent) && read.errors.length === 0 && JSON.stringify(read.toJS()) === meant) return inserted;
  }
  return doc.toString({ lineWidth: 0, flowCollectionPadding: false });
}
