// Runs one program to its end and ends with it.
import { spawn } from "node:child_process";
import { constants } from "node:os";

// A terminal sends these to every process in front of it, so the child has them already: passing them on would be a second Ctrl-C.
const FROM_TERMINAL = ["SIGINT", "SIGHUP"];
// npm passes on what the process group has had too; within this time it is the same keystroke.
const SAME_MS = 500;

/**
 * Resolves with the exit code, 128 + the signal's number if a signal ended it. While it runs, this process does not end by SIGINT,
 * SIGHUP or SIGTERM: the child has them, closes and says when it is done.
 */
export function runToEnd(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit", ...options });
    const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
    const last = new Map();
    const pass = (signal) => {
      const now = Date.now();
      const repeated = now - (last.get(signal) ?? 0) < SAME_MS;
      last.set(signal, now);
      if (!repeated && !(terminal && FROM_TERMINAL.includes(signal))) child.kill(signal);
    };
    const signals = [...FROM_TERMINAL, "SIGTERM"];
    for (const signal of signals) process.on(signal, pass);
    const done = () => signals.forEach((signal) => void process.off(signal, pass));
    child.once("error", done);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      done();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
