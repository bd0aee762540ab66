import { cpSync } from "node:fs";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import { type Ledger, openLedger } from "@callgate/ledger";
import type { Folder } from "../../support/folder.ts";

/** A ledger as a broker leaves it, with what was kept of it elsewhere. */
export interface Stage {
  /** The data folder after the second run. */
  readonly now: string;
  /** A copy from between the runs. */
  readonly earlier: string;
  /** A copy from the second run, with its log of writes beside the file. */
  readonly running: string;
  /** An anchor, and the key as it was noted down. */
  readonly anchor: string;
  readonly vkey: string;
}

const TOOL = { server: "mail", name: "send", digest: `sha256:${"1".repeat(64)}` } as const;

/** Calls of three sessions, one after another or all at once: an intent with arguments and facts, and an outcome with a result each. */
export async function work(
  ledger: Ledger,
  calls: number,
  name: string,
  order: "in turn" | "at once" = "in turn",
): Promise<void> {
  const call = async (i: number): Promise<void> => {
    const who = { agent: `agent-${i % 3}`, session: `ses_${i % 3}`, call: `${name}_${i}`, tool: TOOL };
    const payloads = { args: JSON.stringify({ to: `${name}-${i}@example.org` }), facts: JSON.stringify({ call: i }) };
    await ledger.append({ kind: "intent", ...who, ...intent(payloads.args, payloads.facts) });
    const result = JSON.stringify({ content: [{ type: "text", text: `sent ${i}` }] });
    const ended = { status: "ok", ms: 2, result: digestOf(result), payloads: { result } } as const;
    await ledger.append({ kind: "outcome", ...who, ...ended });
  };
  if (order === "at once") await Promise.all(Array.from({ length: calls }, (_, i) => call(i)));
  else for (let i = 0; i < calls; i++) await call(i);
}

function intent(args: string, facts: string): Partial<RecordDraft> {
  return {
    decision: { verdict: "allow", rules: ["may-mail"], policies: digestOf("policies") },
    args: digestOf(args),
    detail: { facts: digestOf(facts) },
    payloads: { args, facts },
  };
}

/** Two runs of a broker with an anchor. */
export async function makeStage(folder: Folder): Promise<Stage> {
  const at = (name: string): string => join(folder.path, name);
  const [now, earlier, running, anchor] = [at("now"), at("earlier"), at("running"), at("anchor.jsonl")];
  const options = { folder: now, sync: "off", anchors: [{ to: `file:${anchor}` }] } as const;
  const first = await openLedger(options);
  await work(first, 10, "first");
  await first.close();
  cpSync(now, earlier, { recursive: true });
  const second = await openLedger(options);
  await work(second, 15, "second");
  cpSync(now, running, { recursive: true, filter: (path) => !path.endsWith("-shm") });
  await second.close();
  return { now, earlier, running, anchor, vkey: join(now, "ledger.vkey") };
}
