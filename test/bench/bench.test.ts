import { execFile } from "node:child_process";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterEach, describe, expect, test } from "vitest";
import { type Child, startChild } from "./child.ts";
import { Connection, type HttpAnswer, headerOf, parseAnswer } from "./connection.ts";
import { Generator } from "./generator.ts";
import { proveGoverned, upstreamCalls } from "./probes.ts";
import { latencyOf, median, quantile } from "./stats.ts";
import { ECHO } from "./tool.ts";
import { callBody, callNumber, callText, ERAS, faultOf, messageIn } from "./wire.ts";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function child(...args: string[]): Promise<Child & { readonly url: string }> {
  const started = await startChild(args, /^ready \S+$/);
  ends.push(() => started.stop());
  return { ...started, url: started.ready.slice("ready ".length) };
}

function generator(): Generator {
  const made = new Generator();
  ends.push(() => made.end());
  return made;
}

async function server(listener: RequestListener): Promise<string> {
  const made: Server = createServer(listener);
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    made.closeAllConnections();
    made.close();
  });
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}/mcp`;
}

describe("the upstream is a real MCP server", () => {
  for (const mode of ["auto", "legacy"] as const) {
    test(`over HTTP, to a client in mode ${mode}`, async () => {
      const upstream = await child(here("upstream.ts"));
      const client = new Client({ name: "t", version: "1" }, { versionNegotiation: { mode } });
      await client.connect(new StreamableHTTPClientTransport(new URL(upstream.url)));
      ends.push(() => client.close());
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(["echo"]);
      const result = await client.callTool({ name: "echo", arguments: { text: "héllo", n: 7 } });
      expect(result.content).toEqual([{ type: "text", text: "7 héllo" }]);
      expect(client.getNegotiatedProtocolVersion()).toBe(mode === "auto" ? "2026-07-28" : "2025-11-25");
      expect(await upstreamCalls(upstream.url)).toBe(1);
    });

    test(`over stdio, to a client in mode ${mode}`, async () => {
      const client = new Client({ name: "t", version: "1" }, { versionNegotiation: { mode } });
      await client.connect(new StdioClientTransport({ command: process.execPath, args: [here("stdio-upstream.ts")] }));
      ends.push(() => client.close());
      const result = await client.callTool({ name: "echo", arguments: { text: "x" } });
      expect(result.content).toEqual([{ type: "text", text: "x" }]);
      expect(client.getNegotiatedProtocolVersion()).toBe(mode === "auto" ? "2026-07-28" : "2025-11-25");
    });
  }
});

describe("the load generator", () => {
  test.each(ERAS)("runs every call once, in the %s era, directly and through the plain proxy", async (era) => {
    const upstream = await child(here("upstream.ts"));
    const proxy = await child(here("proxy.ts"), upstream.url);
    const load = generator();
    for (const [name, url] of [
      ["direct", upstream.url],
      ["proxy", proxy.url],
    ] as const) {
      const before = await upstreamCalls(upstream.url);
      await load.open(name, { url, era, tool: ECHO.name }, 8);
      const round = await load.round(name, 200, 20_000);
      await load.close(name);
      expect(round.calls).toBe(200);
      expect((await upstreamCalls(upstream.url)) - before).toBe(200);
      expect(round.latency.p50).toBeLessThanOrEqual(round.latency.p99);
    }
    expect(load.calls).toBe(400);
  });

  test.each([
    ["a wrong text", { content: [{ type: "text", text: "something else" }] }, "the content is wrong"],
    ["a tool's error", { content: [], isError: true }, "the tool failed"],
    ["an unfinished result", { resultType: "input_required" }, "not `complete`"],
  ])("a run fails on %s", async (_, result, message) => {
    const url = await server((request, response) => {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        const { id } = JSON.parse(text);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } }));
      });
    });
    const load = generator();
    await load.open("liar", { url, era: "modern", tool: "echo" }, 2);
    await expect(load.round("liar", 10, 10_000)).rejects.toThrow(message);
  });

  test("a run fails on a status, and on a server that hangs up", async () => {
    const refusing = await server((_, response) => response.writeHead(503, { "content-length": 2 }).end("no"));
    const closing = await server((request) => request.socket.destroy());
    const load = generator();
    await load.open("refusing", { url: refusing, era: "modern", tool: "echo" }, 1);
    await expect(load.round("refusing", 1, 10_000)).rejects.toThrow("status 503: no");
    await load.open("closing", { url: closing, era: "modern", tool: "echo" }, 1);
    await expect(load.round("closing", 1, 10_000)).rejects.toThrow("closing");
  });
});

test("the probes find a route without checks out", async () => {
  const upstream = await child(here("upstream.ts"));
  const proxy = await child(here("proxy.ts"), upstream.url);
  for (const era of ERAS) {
    await expect(proveGoverned({ url: proxy.url, era, tool: "echo" }, upstream.url)).rejects.toThrow(
      "a forbidden text was let through",
    );
  }
});

test("a smoke run without the broker ends well, and its report has every cell", async () => {
  const args = [here("main.ts"), "--quick", "--json", "--routes", "direct,proxy,stdio"];
  const report = JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
  expect(
    report.cells.map((c: { era: string; concurrency: number; route: string }) => [c.era, c.concurrency, c.route]),
  ).toEqual(ERAS.flatMap((era) => [1, 16].flatMap((n) => ["direct", "plain proxy"].map((route) => [era, n, route]))));
  expect(report.stdio).toHaveLength(2);
});

describe("one HTTP answer", () => {
  const OK = "HTTP/1.1 200 OK\r\n";

  test("with a length, cut anywhere", () => {
    const bytes = Buffer.from(`${OK}Content-Type: application/json\r\nContent-Length: 5\r\n\r\nh\u00e9lo`);
    for (let cut = 0; cut < bytes.length; cut++) expect(parseAnswer(bytes.subarray(0, cut))).toBeUndefined();
    const parsed = parseAnswer(Buffer.concat([bytes, Buffer.from("HTTP")]));
    expect(parsed?.answer).toMatchObject({ status: 200, body: "h\u00e9lo" });
    expect(parsed?.rest.toString()).toBe("HTTP");
    expect(headerOf(parsed?.answer as HttpAnswer, "content-type")).toBe("application/json");
    expect(headerOf(parsed?.answer as HttpAnswer, "mcp-session-id")).toBeUndefined();
  });

  test("in chunks, cut anywhere, a character over two chunks", () => {
    const body = Buffer.from("h\u00e9lo");
    const parts = [body.subarray(0, 2), body.subarray(2)];
    const bytes = Buffer.concat([
      Buffer.from(`${OK}transfer-encoding: chunked\r\n\r\n`),
      ...parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
      Buffer.from("0\r\n\r\n"),
    ]);
    for (let cut = 0; cut < bytes.length; cut++) expect(parseAnswer(bytes.subarray(0, cut))).toBeUndefined();
    expect(parseAnswer(bytes)).toMatchObject({ answer: { body: "h\u00e9lo" }, rest: { length: 0 } });
  });

  test("a connection serves one request after another, and says so when it is closed", async () => {
    let hits = 0;
    const url = await server((_, response) => response.end(`answer ${++hits}`));
    const connection = new Connection(new URL(url));
    const ask = () =>
      new Promise<HttpAnswer | Error>((resolve) => connection.send(connection.head("POST", []), "{}", resolve));
    expect(await ask()).toMatchObject({ status: 200, body: "answer 1" });
    expect(await ask()).toMatchObject({ status: 200, body: "answer 2" });
    connection.close();
    expect(await ask()).toBeInstanceOf(Error);
  });
});

describe("answers and figures", () => {
  const good = (id: number) => ({
    jsonrpc: "2.0",
    id,
    result: { resultType: "complete", content: [{ type: "text", text: `${callNumber(id)} ${callText(3, id)}` }] },
  });

  test("a message is found in JSON and in an event stream, after other messages", () => {
    expect(messageIn(JSON.stringify(good(5)), 5)).toEqual(good(5));
    const stream = `: hi\nevent: message\ndata: {"jsonrpc":"2.0","method":"m"}\n\ndata: ${JSON.stringify(good(5))}\n\n`;
    expect(messageIn(stream, 5)).toEqual(good(5));
    expect(messageIn(stream, 6)).toBeUndefined();
  });

  test("only the exact answer is right", () => {
    expect(faultOf("modern", 3, 5, good(5))).toBeUndefined();
    expect(faultOf("modern", 4, 5, good(5))).toContain("content is wrong");
    expect(faultOf("modern", 3, 6, good(5))).toContain("the answer is for");
    expect(faultOf("modern", 3, 5, { ...good(5), result: undefined, error: { code: 1 } })).toContain(
      "an error came back",
    );
    expect(faultOf("modern", 3, 5, undefined)).toContain("no answer");
  });

  test("a call's body is JSON, in both eras", () => {
    for (const era of ERAS) {
      const { params } = JSON.parse(callBody(era, "bench__echo", 3, 5));
      expect(params).toMatchObject({ name: "bench__echo", arguments: { text: callText(3, 5), n: 5 } });
      expect("_meta" in params).toBe(era === "modern");
    }
  });

  test("quantiles are nearest-rank", () => {
    const hundred = Float64Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(latencyOf(hundred)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
    expect(hundred[0]).toBe(100);
    expect(quantile([7], 0.99)).toBe(7);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
