import { spawn } from "node:child_process";
import type { LedgerRecord } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { holdFileKey, openLedger, openReader } from "../src/index.ts";
import { APPENDER, acknowledged, expectAll, output, startAppender } from "./appending.ts";
import { dataFolder } from "./folder.ts";

describe("faults", () => {
  it.each([
    ["a plain ledger", undefined],
    ["an encrypted one", "c3".repeat(32)],
  ])("loses no acknowledged record of %s when it is killed while appending", async (_, key) => {
    const folder = dataFolder();
    holdFileKey(folder, key);
    const env = { ...process.env, ...(key !== undefined && { FILE_KEY: key }) };
    const acks: [number, string][] = [];
    for (let round = 1; round <= 5; round++) {
      const child = startAppender(folder, { env });
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
