import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A process that the bench started and will end. */
export interface Child {
  readonly pid: number;
  /** The first line it printed that matched. */
  readonly ready: string;
  /** Asks it to end, and kills it if it has not after 10 s. Resolves with its exit code; null for a signal. */
  stop(): Promise<number | null>;
}

const START_MS = 30_000;
const STOP_MS = 10_000;

function exited(process: ChildProcess): Promise<number | null> {
  if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve(process.exitCode);
  return new Promise((resolve) => process.once("exit", resolve));
}

/**
 * Starts `node <args>` and resolves when a line of its output (stdout or stderr) matches `ready`. Rejects, with the last of
 * what it printed, if it ends before that or takes 30 s.
 */
export async function startChild(args: readonly string[], ready: RegExp, cwd?: string): Promise<Child> {
  const name = args[0] ?? "node";
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"], ...(cwd ? { cwd } : {}) });
  // A child that ends while its pipe is open must fail a measurement, not the harness.
  child.stdin.on("error", () => {});
  const abandon = () => child.kill("SIGKILL");
  process.once("exit", abandon);
  child.once("exit", () => process.off("exit", abandon));
  const tail: string[] = [];
  const line = await new Promise<string>((resolve, reject) => {
    const give = (why: string) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`\`${name}\` ${why}\n${tail.join("\n")}`));
    };
    const timer = setTimeout(() => give(`printed no line like ${ready} within ${START_MS} ms`), START_MS);
    const onExit = (code: number | null) => give(`ended with ${code} before it was ready`);
    child.once("exit", onExit);
    child.once("error", (error) => give(`did not start: ${error.message}`));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (text) => {
        tail.push(text);
        if (tail.length > 20) tail.shift();
        if (!ready.test(text)) return;
        clearTimeout(timer);
        child.off("exit", onExit);
        resolve(text);
      });
    }
  });
  return {
    pid: child.pid as number,
    ready: line,
    async stop() {
      const gone = exited(child);
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      const code = await gone;
      clearTimeout(timer);
      return code;
    },
  };
}

// USER_HZ is 100 on every Linux that Node supports, whatever the kernel's own tick.
const MICROSECONDS_A_TICK = 10_000;

/** User and system CPU time of a process with all its threads, in microseconds; undefined where there is no /proc. */
export function cpuOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name stands in parentheses and may hold anything; what follows the last one is fixed.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_A_TICK;
  } catch {
    return undefined;
  }
}

/** Resident memory of a process in bytes; undefined where there is no /proc. */
export function rssOf(pid: number): number | undefined {
  try {
    const found = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
