import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringifyJson } from "@callgate/core";
import { folder } from "./config-folder.ts";

const OFFERING = join(import.meta.dirname, "fixtures", "offering.mjs");

/** A tool as the fixture server offers it. */
export interface OfferedTool {
  readonly name: string;
  readonly [key: string]: unknown;
}

export const READ: OfferedTool = {
  name: "read",
  description: "Reads a thing.\nAnd more.",
  inputSchema: { type: "object", properties: { id: { type: "string" } } },
  annotations: { readOnlyHint: true, openWorldHint: false },
};
export const DROP: OfferedTool = {
  name: "drop",
  description: "Drops a thing.",
  inputSchema: { type: "object" },
  annotations: { destructiveHint: true },
};

/** How to start the fixture server on a file of tools. */
export function offering(dir: string, mode?: string): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: [OFFERING, join(dir, "tools.json"), ...(mode === undefined ? [] : [mode])],
  };
}

/** Changes what the fixture server offers when it is next started. */
export async function offer(dir: string, tools: readonly OfferedTool[], capabilities?: object): Promise<void> {
  await writeFile(join(dir, "tools.json"), stringifyJson({ tools, capabilities }));
}

/** A folder with a configuration of one server, `thing`, that offers these tools. */
export async function thingFolder(tools: readonly OfferedTool[], mode?: string): Promise<string> {
  const dir = await folder({ "policies/all.yaml": 'policies:\n  - id: all\n    effect: permit\n    tools: ["*"]\n' });
  await offer(dir, tools);
  const config = {
    version: 1,
    servers: { thing: { ...offering(dir, mode), env: { TOKEN: "the-secret-token" } } },
    agents: { me: { scopes: ["thing:read", "thing:write"] } },
    stdio: { agent: "me" },
    policies: ["policies/*.yaml"],
  };
  await writeFile(join(dir, "callgate.yaml"), JSON.stringify(config));
  return dir;
}

export function textOf(...path: string[]): Promise<string> {
  return readFile(join(...path), "utf8");
}

/** The rejection of a promise; fails if there is none. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error & { code?: string; help?: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error;
  throw new Error("the promise did not reject");
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
