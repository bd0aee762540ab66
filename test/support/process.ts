import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

/** A `node` process that a test started. It is killed with the test's own process at the latest. */
export interface Running {
  readonly pid: number;
  /** Every line it wrote so far, stdout and stderr, in the order of arrival. */
  readonly lines: readonly string[];
  /** Resolves with the first line that matches, past or to come. Rejects if the process ends before it. */
  line(pattern: RegExp): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal's name, once it is gone. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** SIGTERM, and SIGKILL to one that has not ended after 10 s. */
  stop(): Promise<number | NodeJS.Signals>;
}

const STOP_MS = 10_000;

/** What every process of the tests gets. The cache spares each of many starts the compiling of the same sources. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env["PATH"] ?? "",
  NODE_COMPILE_CACHE: fileURLToPath(new URL("../../node_modules/.cache/callgate-tests", import.meta.url)),
};

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** No file may grow beyond so many blocks, of 512 or 1024 bytes as the shell has it: a full disk, but for this process alone. */
  readonly fileBlocks?: number;
}

/** Starts `node <args>` with no environment but what is needed and what `env` names. */
export function startNode(args: readonly string[], { env, fileBlocks }: StartOptions = {}): Running {
  const [program, ...rest] =
    fileBlocks === undefined
      ? [process.execPath, ...args]
      : ["sh", "-c", `ulimit -f ${fileBlocks}; exec "$0" "$@"`, process.execPath, ...args];
  const child = spawn(program as string, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...ENVIRONMENT, ...env },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => void lines.push(line));
  const abandon = () => child.kill("SIGKILL");
  process.once("exit", abandon);
  let over = false;
  const ended = once(child, "close").then(([code, signal]) => {
    over = true;
    process.off("exit", abandon);
    return (code ?? signal) as number | NodeJS.Signals;
  });
  return {
    pid: pidOf(child),
    lines,
    async line(pattern) {
      return await until(`a line like ${pattern}\n${lines.slice(-20).join("\n")}`, () => {
        const found = lines.find((line) => pattern.test(line));
        if (found === undefined && over)
          throw new Error(`the process ended before a line like ${pattern}\n${lines.slice(-20).join("\n")}`);
        return found;
      });
    },
    signal: (name) => void child.kill(name),
    ended,
    async stop() {
      child.kill("SIGTERM");
      const stuck = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      const how = await ended;
      clearTimeout(stuck);
      return how;
    },
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error("the process did not start");
  return child.pid;
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (!existsSync("/proc/self/stat")) return true;
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** A TCP port on loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
