import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LedgerRecord } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { openLedger, openReader } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const APPENDER = fileURLToPath(new URL("./fixtures/appender.ts", import.meta.url));

/** Runs a child to its end; `until` may kill it. Gives what it wrote. */
async function output(child: ChildProcess, until: (text: string) => void = () => {}): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    until(text);
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    errors += chunk;
  });
  await once(child, "close");
  expect(errors).toBe("");
  return text;
}

/** The acknowledgements in a child's output: seq and call. A line that the kill cut off was never read by anybody. */
function acknowledged(text: string): [seq: number, call: string][] {
  return [...text.matchAll(/^ack (\d+) (\S+)\n/gm)].map((m) => [Number(m[1]), m[2] as string]);
}

function expectAll(folder: string, acks: readonly [number, string][]): void {
  const reader = openReader(folder);
  expect(reader.verify().findings).toEqual([]);
  for (const [seq, call] of acks) expect(reader.show(seq)?.record.call).toBe(call);
  reader.close();
}

describe("faults", () => {
  it("loses no acknowledged record when it is killed while appending", async () => {
    const folder = dataFolder();
    const acks: [number, string][] = [];
    for (let round = 1; round <= 5; round++) {
      const child = spawn(process.execPath, [APPENDER, folder], { stdio: ["ignore", "pipe", "pipe"] });
      const text = await output(child, (t) => {
        if (t.length > round * 2000) child.kill("SIGKILL");
      });
      expect(child.signalCode).toBe("SIGKILL");
      const now = acknowledged(text);
      expect(now.length).toBeGreaterThan(20);
      acks.push(...now);
      expectAll(folder, acks);
    }

    // Every intent of every round was left open, and each has one outcome now.
    const ledger = await openLedger({ folder });
    expect(ledger.recovered).toBeGreaterThan(0);
    await ledger.close();
    const reader = openReader(folder);
    const all: LedgerRecord[] = [];
    for (let after = 0; ; after = all.length) {
      const page = reader.query({ order: "asc", after, limit: 10_000 });
      if (page.length === 0) break;
      all.push(...page);
    }
    const byText = (a = "", b = "") => a.localeCompare(b);
    const calls = (kind: string) => all.filter((r) => r.kind === kind).map((r) => r.call);
    expect(calls("outcome").toSorted(byText)).toEqual(calls("intent").toSorted(byText));
    expect(all.filter((r) => r.kind === "outcome").every((r) => r.status === "unknown")).toBe(true);
    reader.close();
  });

  it("refuses all appends once the file cannot grow", async () => {
    const folder = dataFolder();
    // The limit counts in blocks of 512 or 1024 bytes, as the shell has it.
    const child = spawn("sh", ["-c", 'ulimit -f 1000; exec "$0" "$@"', process.execPath, APPENDER, folder], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const text = await output(child);
    expect(text).toMatch(/^failed LEDGER_FAILED after=LEDGER_FAILED failures=1$/m);
    expect(acknowledged(text).length).toBeGreaterThan(20);
    expectAll(folder, acknowledged(text));
  });
});
