import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { append, story, TRACE, upTo } from "./exported.ts";
import { callgate, start } from "./run.ts";

// Each run of the command is a process, and a busy machine takes its time to start one.
vi.setConfig({ testTimeout: 60_000 });

interface Received {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** A collector that keeps what it gets; `answer` gives the status of the n-th request. */
async function collector(answer: (n: number) => number = () => 200): Promise<{ url: string; got: Received[] }> {
  const got: Received[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const status = answer(requests++);
      if (status === 200)
        got.push({
          path: request.url ?? "",
          headers: request.headers,
          body: JSON.parse(Buffer.concat(chunks).toString()),
        });
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got };
}

interface Item {
  readonly [key: string]: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The spans or the log records in what a collector got, with their attributes as plain values. */
function itemsOf(got: readonly Received[], path: string): Item[] {
  const [resources, scopes, items] =
    path === "/v1/traces"
      ? (["resourceSpans", "scopeSpans", "spans"] as const)
      : (["resourceLogs", "scopeLogs", "logRecords"] as const);
  type Attribute = { key: string; value: { stringValue?: string; intValue?: number | string } };
  type Json = { readonly [key: string]: readonly Json[] };
  return got
    .filter((request) => request.path === path)
    .flatMap(({ body }) => (body as Json)[resources] ?? [])
    .flatMap((resource) => resource[scopes] ?? [])
    .flatMap((scope) => scope[items] ?? [])
    .map((item) => ({
      ...item,
      attributes: Object.fromEntries(
        (item["attributes"] as unknown as Attribute[]).map(({ key, value }) => [
          key,
          value.stringValue ?? Number(value.intValue),
        ]),
      ),
    }));
}

test("a collector gets a span for each call that ended and a log record for the rest, the same ones when sent again", async () => {
  const folder = await story();
  const { url, got } = await collector();
  const args = ["ledger", "export", "--to", `otlp:${url}/`, "--payloads", "--data", folder];
  expect(await callgate(...args)).toMatchObject({ code: 0, err: "" });
  const spans = itemsOf(got, "/v1/traces");
  expect(spans).toHaveLength(2);
  expect(spans[0]).toMatchObject({
    traceId: TRACE,
    name: "execute_tool send",
    attributes: {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "send",
      "gen_ai.agent.name": "bot",
      "gen_ai.tool.call.arguments": '{"to":"ann@example.com"}',
      "gen_ai.tool.call.result": '{"sent":true}',
      "mcp.method.name": "tools/call",
      "callgate.seq": 3,
    },
  });
  expect(BigInt(String(spans[0]!["endTimeUnixNano"]))).toBeGreaterThan(0n);
  expect(BigInt(String(spans[0]!["endTimeUnixNano"]))).toBeGreaterThanOrEqual(
    BigInt(String(spans[0]!["startTimeUnixNano"])),
  );
  expect(spans[1]).toMatchObject({
    name: "execute_tool send",
    status: { code: 2, message: "no answer in 30 s" },
    attributes: { "error.type": "callgate/timeout" },
  });
  const logs = itemsOf(got, "/v1/logs");
  expect(logs.map((log) => [log["eventName"], log["severityText"]])).toEqual([
    ["callgate.boot", "INFO"],
    ["callgate.denial", "WARN"],
  ]);
  expect(logs[1]!.attributes["log.record.uid"]).toMatch(/^log_\w+\/4$/);

  // The call that caused the failed one ends after the run that exported its intent: with the broker's next start.
  await append(folder, []);
  await callgate(...args);
  const later = itemsOf(got, "/v1/traces");
  expect(later[2]).toMatchObject({
    spanId: spans[1]!["parentSpanId"],
    traceId: spans[1]!["traceId"],
    attributes: { "callgate.status": "unknown", "callgate.seq.intent": 5 },
  });
  const { length } = got;
  await callgate(...args, "--from", "1");
  const ids = (items: readonly Item[]) => items.map((span) => [span["traceId"], span["spanId"]]);
  const repeated = itemsOf(got.slice(length), "/v1/traces");
  expect(ids(repeated)).toEqual(ids(later));
});

test("a collector that refuses gets the records when it does not any more", async () => {
  const folder = await story();
  let refusing = true;
  const { url, got } = await collector(() => (refusing ? 400 : 200));
  const args = ["ledger", "export", "--to", `otlp:${url}`, "--data", folder];
  expect(await callgate(...args)).toMatchObject({ code: 1, err: expect.stringContaining("does not take records") });
  refusing = false;
  expect(await callgate(...args)).toMatchObject({ code: 0, err: "" });
  expect(itemsOf(got, "/v1/traces")).toHaveLength(2);
});

/** Messages out of a stream of syslog frames (RFC 6587), and whether the stream ended behind one. */
function messagesOf(stream: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < stream.length; ) {
    const space = stream.indexOf(" ", at);
    const length = Number(stream.toString("utf8", at, space));
    expect(length).toBeGreaterThan(0);
    const message = stream.subarray(space + 1, space + 1 + length);
    expect(message).toHaveLength(length);
    messages.push(message.toString());
    at = space + 1 + length;
  }
  return messages;
}

test("a syslog receiver over TCP gets CEF in frames, and goes on with the next record", async () => {
  const folder = await story();
  const chunks: Buffer[] = [];
  const server = createTcpServer((socket: Socket) => socket.on("data", (chunk) => chunks.push(chunk)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const args = ["ledger", "export", "--to", `cef:tcp://127.0.0.1:${port}`, "--data", folder];
  expect(await callgate(...args)).toMatchObject({ code: 0, err: "" });
  const messages = () => messagesOf(Buffer.concat(chunks));
  expect(messages()).toHaveLength(7);
  expect(messages()[3]).toMatch(
    /^<108>1 \d{4}-\S+Z \S+ callgate boot_\w+ denial \[meta sequenceId="4"\] CEF:0\|Callgate\|Callgate\|[\d.]+\|denial\|Call denied\|6\|/,
  );
  await append(folder, [{ kind: "config" }]);
  await callgate(...args);
  const sequence = messages().map((message) => Number(/sequenceId="(\d+)"/.exec(message)?.[1]));
  expect(sequence).toEqual(upTo(sequence.length));
  expect(sequence.length).toBeGreaterThan(8);

  server.close();
  await append(folder, [{ kind: "config" }]);
  expect(await callgate(...args)).toMatchObject({ code: 1, err: expect.stringContaining("ECONNREFUSED") });
});

test("a syslog receiver that goes away and comes back misses no record", async () => {
  const folder = await story();
  const chunks: Buffer[] = [];
  let open: Socket | undefined;
  const receiver = () =>
    createTcpServer((socket: Socket) => {
      open = socket;
      socket.on("data", (chunk) => chunks.push(chunk));
    });
  const first = receiver().listen(0, "127.0.0.1");
  await once(first, "listening");
  const { port } = first.address() as AddressInfo;
  const following = start("ledger", "export", "--to", `cef:tcp://127.0.0.1:${port}`, "--follow", "--data", folder);
  const seqs = () => [
    ...new Set(messagesOf(Buffer.concat(chunks)).map((m) => Number(/sequenceId="(\d+)"/.exec(m)?.[1]))),
  ];
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(7)), 15_000);
  first.close();
  open?.destroy();
  await append(folder, [{ kind: "config" }]);
  const second = receiver().listen(port, "127.0.0.1");
  onTestFinished(() => void second.close());
  await vi.waitFor(() => expect(seqs()).toEqual(upTo(10)), 15_000);
  following.stop();
  expect((await following.ended).code).toBe(0);
});

test("a syslog receiver over UDP gets a datagram for each record", async () => {
  const folder = await story();
  const receiver = createSocket("udp4");
  onTestFinished(() => void receiver.close());
  const got: string[] = [];
  receiver.on("message", (message) => got.push(message.toString()));
  receiver.bind(0, "127.0.0.1");
  await once(receiver, "listening");
  const to = `cef:udp://127.0.0.1:${receiver.address().port}`;
  expect((await callgate("ledger", "export", "--to", to, "kind:denial,outcome", "--data", folder)).code).toBe(0);
  await vi.waitFor(() => expect(got).toHaveLength(3), 15_000);
  expect(got.map((message) => /sequenceId="(\d+)"/.exec(message)?.[1])).toEqual(["3", "4", "7"]);
  expect(got[0]).toMatch(/^<110>1 /);
});
