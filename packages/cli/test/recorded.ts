import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson, digestOf, type RecordDraft } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import type { Ran } from "./run.ts";

export const tool = (server: string, name: string) => ({ server, name, digest: `sha256:${"1".repeat(64)}` }) as const;
const MAIL = tool("mail", "send");
const FILES = tool("files", "read");

function intent(call: string, args: object, more: Partial<RecordDraft> = {}): RecordDraft {
  const text = canonicalJson(args);
  const facts = JSON.stringify({ session: { cost: 7 } });
  return {
    kind: "intent",
    agent: "bot",
    session: "ses_1",
    call,
    tool: FILES,
    decision: { verdict: "allow", rules: ["may-read"], policies: "p" },
    args: digestOf(text),
    detail: { facts: digestOf(facts) },
    payloads: { args: text, facts },
    ...more,
  };
}

function outcome(call: string, ms: number, more: Partial<RecordDraft> = {}): RecordDraft {
  return { kind: "outcome", agent: "bot", session: "ses_1", call, tool: FILES, status: "ok", ms, ...more };
}

/** A data folder with a few calls that belong together. Who makes it removes it. */
export async function recordedData(): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), "callgate-cli-recorded-"));
  const drafts: RecordDraft[] = [
    /* 2 */ intent("call_1", { path: "wire transfer.txt" }),
    /* 3 */ outcome("call_1", 30),
    /* 4 */ intent("call_2", { path: "b" }, { parent: "call_1", tool: MAIL }),
    /* 5 */ outcome("call_2", 900, { tool: MAIL, status: "error", error: { code: "upstream", message: "it broke" } }),
    /* 6 */ {
      kind: "denial",
      agent: "=cmd|' /C calc'!A0",
      session: "ses_2",
      call: "call_3",
      parent: "call_2",
      tool: MAIL,
      decision: { verdict: "deny", rules: ["no-mail"], policies: "p" },
      error: { code: "no-mail", message: 'not "now",\nnever' },
    },
    /* 7 */ intent("call_4", { path: "c" }, { parent: "call_2" }),
    /* 8 */ outcome("call_4", 10),
  ];
  const ledger = await openLedger({ folder: data, sync: "off" });
  await Promise.all(drafts.map((draft) => ledger.append(draft)));
  await ledger.close();
  return data;
}

export const lines = ({ out }: Ran): string[] => out.trimEnd().split("\n");
export const seqs = (ran: Ran): number[] =>
  ran.out === "" ? [] : lines(ran).map((line) => JSON.parse(line).seq as number);
