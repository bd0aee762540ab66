import type { LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { shortText } from "./json.ts";
import { toolName } from "./records.ts";

/** A call with those that it caused. */
export interface CallNode {
  readonly call: string;
  readonly tool: string;
  /** `allow`, `deny` or `hold`: of the newest decision. */
  readonly verdict: string | undefined;
  readonly status: string | undefined;
  readonly ms: number | undefined;
  readonly error: string | undefined;
  readonly started: string;
  /** Its records. */
  readonly seqs: readonly number[];
  readonly children: readonly CallNode[];
}

/** The calls of records (oldest first) as trees by their `parent`. A call whose parent is not among them is a root. */
export function callTrees(records: readonly LedgerRecord[]): readonly CallNode[] {
  const calls = new Map<string, LedgerRecord[]>();
  for (const record of records) {
    if (record.call === undefined) continue;
    const own = calls.get(record.call);
    if (own) own.push(record);
    else calls.set(record.call, [record]);
  }
  const children = new Map<string, string[]>();
  const roots: string[] = [];
  for (const [call, [first]] of calls) {
    const parent = first?.parent;
    if (parent === undefined || parent === call || !calls.has(parent)) roots.push(call);
    else children.set(parent, [...(children.get(parent) ?? []), call]);
  }
  // A record that names a later call as its parent is not one that the broker writes: a circle has no root, and is left
  // out.
  const node = (call: string): CallNode => {
    const own = calls.get(call) as [LedgerRecord, ...LedgerRecord[]];
    const last = (pick: (r: LedgerRecord) => unknown): LedgerRecord | undefined =>
      own.findLast((r) => pick(r) !== undefined);
    const error = last((r) => r.error)?.error;
    return {
      call,
      tool: toolName(own[0]),
      verdict: last((r) => r.decision)?.decision?.verdict,
      status: own.findLast((r) => r.kind === "outcome")?.status,
      ms: last((r) => r.ms)?.ms,
      error: error && `${error.code}: ${error.message}`,
      started: own[0].ts,
      seqs: own.map((r) => r.seq),
      children: (children.get(call) ?? []).map(node),
    };
  };
  return roots.map(node);
}

/** The tree that a call is in: from the first call that led to it. Undefined if it is in none. */
export function treeWith(trees: readonly CallNode[], call: string): CallNode | undefined {
  const has = (node: CallNode): boolean => node.call === call || node.children.some(has);
  return trees.find(has);
}

/**
 * A tree in lines, safe to print. The call `marked` is pointed out; `argsOf` gives the arguments of a call's first
 * record.
 */
export function treeLines(
  root: CallNode,
  argsOf: (seq: number) => string | undefined,
  marked: string | undefined,
  width: number,
): string[] {
  const lines: string[] = [];
  const walk = (node: CallNode, before: string, under: string): void => {
    const [first = 0] = node.seqs;
    const seqs = node.seqs.length === 1 ? `#${first}` : `#${first}-${node.seqs.at(-1)}`;
    const head = `${before}${node.call === marked ? "* " : ""}`;
    const end = `${endingOf(node)}  ${seqs}`;
    const room = Math.max(width - head.length - end.length - 4, 20);
    lines.push(
      `${head}${shortText([node.tool, argsOf(first) ?? ""].join(" ").trim(), room)}  ${printable(end)}`.trimEnd(),
    );
    for (const [i, child] of node.children.entries()) {
      const last = i === node.children.length - 1;
      walk(child, `${under}${last ? "└─ " : "├─ "}`, `${under}${last ? "   " : "│  "}`);
    }
  };
  walk(root, "", "");
  return lines;
}

function endingOf({ verdict, status, ms, error }: CallNode): string {
  if (verdict === "deny") return `DENIED ${error ?? ""}`.trimEnd();
  const time = ms === undefined ? "" : ` in ${ms} ms`;
  if (status === undefined) return verdict === "hold" ? "held" : "no outcome";
  return `${status}${time}${status !== "ok" && error !== undefined ? `: ${error}` : ""}`;
}
