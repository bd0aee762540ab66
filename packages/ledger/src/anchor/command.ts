import { spawn } from "node:child_process";
import { CallgateError, safeEnvironment } from "@callgate/core";
import { type Anchor, compareNote } from "./anchor.ts";

const PATIENCE_MS = 10_000;
const MOST_OUTPUT = 64 * 1024;

/**
 * A program that keeps what it gets on its standard input, and ends with 0 once it has. With `last` as one more argument it
 * prints the newest note it has kept, or nothing. The words of the command are separated by spaces; no shell reads them. It gets
 * no variable of the broker's but what programs need to start.
 */
export function commandAnchor(name: string, command: string): Anchor {
  const [program = "", ...args] = command.trim().split(/\s+/);
  return {
    name,
    async compare(log) {
      const { code, output } = await run(program, [...args, "last"], "");
      const note = output.trim() === "" ? undefined : `${output.trim()}\n`;
      // Not every program can tell.
      return code === 0 ? compareNote(note, log) : { size: 0, verdict: "agrees" };
    },
    async keep({ note }) {
      const { code, output } = await run(program, args, note);
      if (code !== 0)
        throw new CallgateError("ANCHOR_FAILED", `the command ended with ${code}: ${output.trim().slice(0, 200)}`);
      return undefined;
    },
  };
}

function run(
  program: string,
  args: readonly string[],
  input: string,
): Promise<{ code: string | number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "ignore"],
      env: safeEnvironment(process.env, process.platform),
      timeout: PATIENCE_MS,
      killSignal: "SIGKILL",
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      if (output.length < MOST_OUTPUT) output += chunk;
    });
    child.on("error", (cause) =>
      reject(new CallgateError("ANCHOR_FAILED", `\`${program}\` cannot be run: ${cause.message}`, { cause })),
    );
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "nothing", output }));
    // A program that does not read its input is no error by itself.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
