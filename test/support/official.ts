import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { type Running, startNode } from "./process.ts";

const program = (name: string) =>
  fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url));

/** The official servers, as arguments of `node`. */
export const EVERYTHING = [program("server-everything")];
export const FILESYSTEM = [program("server-filesystem")];
export const MEMORY = [program("server-memory")];

/**
 * The tools that a server offers over stdio to a client that can do everything: asked directly, past the broker, so that what the
 * broker shows can be held against it.
 */
export async function toolsOf(args: readonly string[]): Promise<{ name: string; description?: string | undefined }[]> {
  const client = new Client(
    { name: "callgate-test", version: "1.0.0" },
    { capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} } },
  );
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [...args], stderr: "ignore" }));
  try {
    return (await client.listTools()).tools;
  } finally {
    await client.close();
  }
}

/** The everything server over streamable HTTP. It takes the port that it is told; a taken one is an error. */
export async function startEverythingHttp(port: number): Promise<{ url: string; process: Running }> {
  const process = startNode([...EVERYTHING, "streamableHttp"], { env: { PORT: String(port) } });
  await process.line(/listening on port/i);
  return { url: `http://127.0.0.1:${port}/mcp`, process };
}
