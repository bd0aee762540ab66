import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const MAIN = join(import.meta.dirname, "..", "dist", "main.js");

/** Spares each of many processes the compiling of the same sources. */
export const COMPILED = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, "..", "..", "..", "node_modules", ".cache", "callgate-tests"),
};

/** What a run of the command printed, and its exit code. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `callgate` with arguments in a process of its own. */
export function callgate(...args: string[]): Promise<Ran> {
  return start(...args).ended;
}

/** Starts `callgate` and gives what it has printed so far. It is stopped after the test at the latest. */
export function start(...args: string[]): { printed(): string; stop(): void; readonly ended: Promise<Ran> } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...COMPILED, NO_COLOR: "1" },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk));
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { printed: () => out, stop: () => void child.kill("SIGINT"), ended };
}

/** An empty folder, removed after the test. */
export async function emptyFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "callgate-cli-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
