import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { openReader } from "../src/index.ts";

export const APPENDER = fileURLToPath(new URL("./fixtures/appender.ts", import.meta.url));

/** Starts a process that appends to a folder until it is killed or the ledger fails. */
export function startAppender(folder: string, options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, [APPENDER, folder], { ...options, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs a child to its end; `until` may kill it. Gives what it wrote. */
export async function output(child: ChildProcess, until: (text: string) => void = () => {}): Promise<string> {
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
export function acknowledged(text: string): [seq: number, call: string][] {
  return [...text.matchAll(/^ack (\d+) (\S+)\n/gm)].map((m) => [Number(m[1]), m[2] as string]);
}

/** The ledger is whole, and has every record that was acknowledged. */
export function expectAll(folder: string, acks: readonly [number, string][]): void {
  const reader = openReader(folder);
  expect(reader.verify().findings).toEqual([]);
  for (const [seq, call] of acks) expect(reader.show(seq)?.record.call).toBe(call);
  reader.close();
}
