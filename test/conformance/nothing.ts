import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Check, keysWith } from "./checks.ts";
import { runSuites } from "./suites.ts";

/**
 * The keys of the checks that pass although there is nothing to check: against a closed port, or against a server that
 * refuses every request as JSON-RPC asks. Such a check says nothing about the server behind it.
 */
export async function passesAgainstNothing(log: (line: string) => void): Promise<Set<string>> {
  const closed = await runSuites(await closedPort(), log);
  const refuser = await listen(createServer(refuse));
  let refused: Check[];
  try {
    refused = await runSuites(urlOf(refuser), log);
  } finally {
    await stop(refuser);
  }
  return keysWith([...closed, ...refused], "SUCCESS");
}

/** Answers every request with `method not found` and its id, every other thing with 404. */
const refuse: Parameters<typeof createServer>[1] = (req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const error = { code: -32601, message: "method not found" };
    res.writeHead(404, { "content-type": "application/json" });
    res.end(JSON.stringify({ jsonrpc: "2.0", id: idIn(Buffer.concat(chunks).toString()), error }));
  });
};

function idIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { id?: unknown }).id ?? null;
  } catch {
    return null;
  }
}

async function closedPort(): Promise<string> {
  const server = await listen(createServer());
  const url = urlOf(server);
  await stop(server);
  return url;
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
