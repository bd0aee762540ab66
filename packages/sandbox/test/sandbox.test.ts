import { afterAll, beforeAll, expect, test } from "vitest";
import { declarationsFor, openSandbox, type Sandbox, searchTools, stripTypes } from "../src/index.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ workers: 1 });
});
afterAll(() => sandbox.close());

test("a module is called with its input", async () => {
  const result = await sandbox.run({
    kind: "module",
    code: "export default (x) => ({ y: x.a + 1 })",
    input: { a: 41 },
  });
  expect(result).toMatchObject({ ok: true, value: '{"y":42}' });
});

test("a denied call is a typed exception, and stands in the usage", async () => {
  const result = await sandbox.run({
    kind: "script",
    code: "try { await tools.mail.send({ to: input }) } catch (e) { return [e.name, e.code] }",
    input: "x",
    tools: { mail: ["send"] },
    onCall: async () => ({ error: { code: "POLICY_DENIED", message: "no" } }),
  });
  expect(result).toMatchObject({ ok: true, value: '["ToolError","POLICY_DENIED"]' });
  expect(result.usage.callsByTool).toEqual({ mail__send: 1 });
});

test("a seeded run repeats itself, an unseeded one does not, and a frozen clock stands", async () => {
  const code = "return [Math.random(), crypto.randomUUID(), Date.now(), new Date().getTime()]";
  const seeded = () => sandbox.run({ kind: "script", code, seed: 7, now: 1_000 });
  const [a, b] = [await seeded(), await seeded()];
  expect(a).toMatchObject({ ok: true, value: b.ok ? b.value : "" });
  expect(a.ok && JSON.parse(a.value).slice(2)).toEqual([1_000, 1_000]);
  const free = () => sandbox.run({ kind: "script", code: "return Math.random()" });
  const [c, d] = [await free(), await free()];
  expect(c.ok && d.ok && c.value !== d.value).toBe(true);
});

test("a cancelled run ends", async () => {
  const stop = new AbortController();
  const run = sandbox.run({
    kind: "script",
    code: "await tools.a.b()",
    tools: { a: ["b"] },
    signal: stop.signal,
    onCall: () => {
      stop.abort();
      return new Promise(() => {});
    },
  });
  expect(await run).toMatchObject({ ok: false, error: { code: "CANCELLED" } });
});

test("types are stripped, declarations written, tools found", () => {
  expect(stripTypes("const a: number = 1")).toContain("const a         = 1");
  const tools = [
    {
      server: "my-fs",
      name: "read",
      description: "reads */ a file",
      inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
    { server: "web", name: "get" },
  ];
  expect(declarationsFor(tools)).toContain(
    '"my-fs": {\n    /** reads * / a file */\n    read(args: { path: string }): Promise<unknown>;',
  );
  expect(searchTools(tools, "read file").map((t) => t.name)).toEqual(["read"]);
});

test("whole numbers beyond 2^53 keep every digit: in, out, in a result, in arguments", async () => {
  const seen: unknown[] = [];
  const result = await sandbox.run({
    kind: "script",
    code: `
      const a = await tools.t.get({ n: input.n + 1n, s: 1 });
      const b = await tools.t.text({});
      return [typeof input.n, input.n, a.big, b.big + 1n, b.small, b.half, 7n];`,
    input: { n: 9007199254740993n },
    tools: { t: ["get", "text"] },
    onCall: async (call) => {
      seen.push(call.args, call.bytes);
      return call.name === "get"
        ? { result: { big: 12345678901234567890n } }
        : { resultText: '{"big":-12345678901234567890, "small":12, "half":0.12345678901234567}' };
    },
  });
  expect(seen).toEqual([{ n: 9007199254740994n, s: 1 }, 28, {}, 2]);
  expect(result).toMatchObject({
    ok: true,
    value: '["bigint",9007199254740993,12345678901234567890,-12345678901234567889,12,0.12345678901234566,7]',
  });
});

test("the broker ends a run with an error of its own, and the worker serves the next", async () => {
  const ended = await sandbox.run({
    kind: "script",
    code: "try { await tools.a.b() } catch {} return 1",
    tools: { a: ["b"] },
    onCall: async () => ({ end: { code: "HELD", message: "waits for a person" } }),
  });
  expect(ended).toMatchObject({ ok: false, error: { code: "HELD", message: "waits for a person" } });
  expect(await sandbox.run({ kind: "script", code: "return 1" })).toMatchObject({ ok: true });
});

test("a broker whose call path throws, or answers with what is no JSON, costs the guest one call", async () => {
  const cycle: Record<string, unknown> = {};
  cycle.c = cycle;
  const answers = [
    () => ({ result: cycle }),
    () => {
      throw new Error("secret");
    },
    async () => {
      throw new Error("secret");
    },
  ];
  const result = await sandbox.run({
    kind: "script",
    code: "const r = []; for (let i = 0; i < 3; i++) try { await tools.a.b() } catch (e) { r.push(e.code, e.message) } return r",
    tools: { a: ["b"] },
    onCall: (call) => (answers[call.id - 1] as () => never)(),
  });
  const told = '"INTERNAL","the call failed inside the broker"';
  expect(result).toMatchObject({ ok: true, value: `[${told},${told},${told}]` });
});

test("the guest's world is these names and no others", async () => {
  const result = await sandbox.run({
    kind: "script",
    code: "return Object.getOwnPropertyNames(globalThis).filter((name) => !input.includes(name)).sort()",
    // What ECMAScript itself defines, and what the sandbox leaves of it.
    input:
      `globalThis Infinity NaN undefined isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI encodeURIComponent
      escape unescape AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DataView Date
      DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Int16Array Int32Array Int8Array Intl Iterator JSON
      Map Math Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError
      TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet`.split(/\s+/),
  });
  expect(result.ok && JSON.parse(result.value)).toEqual(
    `AbortController AbortSignal DOMException Event EventTarget TextDecoder TextEncoder ToolError URL URLSearchParams atob btoa
    clearImmediate clearInterval clearTimeout console crypto fetch progress queueMicrotask scratch setImmediate setInterval setTimeout
    structuredClone tools`.split(/\s+/),
  );
});

test("the large exact numbers of a guest do not keep the broker from its work", async () => {
  const result = await sandbox.run({
    kind: "script",
    code: "await tools.a.b({ n: 12345678901234567890n, list: new Array(100000).fill(1) })",
    tools: { a: ["b"] },
    onCall: async () => ({ result: null }),
  });
  expect(result).toMatchObject({ ok: false, error: { code: "OUTPUT_LIMIT" } });
});

test.each([
  ["where V8 gives up on a table", "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });"],
  ["where V8 gives up on a collection", "const m = new Set(); for (;;) m.add(Symbol());"],
  ["at the heap's limit", "const a = []; for (;;) a.push(new Array(1000).fill(1.5));"],
  [
    "beside the heap",
    "const a = []; for (;;) { const b = new ArrayBuffer(1e6, { maxByteLength: 2e6 }); new Uint8Array(b).fill(1); a.push(b); }",
  ],
])("a guest that runs out of memory is told so: %s", async (_where, code) => {
  const result = await sandbox.run({ kind: "script", code, budgets: { cpuMs: 10_000 } });
  expect(result).toMatchObject({ ok: false, error: { code: "MEMORY_LIMIT" } });
});

test("runs that wait for a tool do not keep others from running, and one that gets no worker in time ends", async () => {
  const pool = await openSandbox({ workers: 1, maxWorkers: 3 });
  const stop = new AbortController();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const waiting = [1, 2].map(() =>
    pool.run({
      kind: "script",
      code: "return await tools.a.b()",
      tools: { a: ["b"] },
      onCall: async () => {
        await gate;
        return { result: 1 };
      },
    }),
  );
  expect(await pool.run({ kind: "script", code: "return 2" })).toMatchObject({ ok: true, value: "2" });
  const third = pool.run({ kind: "script", code: "for (;;);", budgets: { cpuMs: 60_000 }, signal: stop.signal });
  // All three are taken: a run that no worker takes in time ends, as does one that is cancelled.
  const late = await pool.run({ kind: "script", code: "return 3", budgets: { wallMs: 50 } });
  expect(late).toMatchObject({ ok: false, error: { code: "WALL_TIMEOUT" } });
  stop.abort();
  expect(await third).toMatchObject({ ok: false, error: { code: "CANCELLED" } });
  open();
  for (const run of waiting) expect(await run).toMatchObject({ ok: true, value: "1" });
  await pool.close();
});

test("what guests held is given back: the next one does not pay for it", async () => {
  const pool = await openSandbox({ workers: 1 });
  const heavy = "const a = []; for (let i = 0; i < 300000; i++) a.push('x'.repeat(100) + i); return a.length";
  for (let i = 0; i < 4; i++) await pool.run({ kind: "script", code: heavy, budgets: { cpuMs: 10_000, heapMb: 128 } });
  // Long enough to be sampled.
  const light = await pool.run({
    kind: "script",
    code: "await new Promise((y) => setTimeout(y, 60))",
    budgets: { rssMb: 96 },
  });
  expect(light).toMatchObject({ ok: true });
  await pool.close();
});
