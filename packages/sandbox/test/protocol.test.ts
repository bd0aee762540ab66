import fc from "fast-check";
import { expect, test } from "vitest";
import { budgetsOf } from "../src/budgets.ts";
import { Child } from "../src/child.ts";
import { FRAME, FrameReader, frameOf } from "../src/frame.ts";
import { guestSource } from "../src/guest/source.ts";
import { launchOf } from "../src/launch.ts";
import type { RunResult } from "../src/result.ts";
import { Run } from "../src/run.ts";

/** A run against a worker that says `bytes`, and then waits. What a guest could do that took its worker over. */
async function against(bytes: Buffer): Promise<RunResult> {
  const program = `
    const { readSync, writeSync } = process.getBuiltinModule("fs");
    writeSync(1, Buffer.from(${JSON.stringify(frameOf(FRAME.ready, 0, "{}").toString("base64"))}, "base64"));
    // The broker's first frame starts it, its second is the code, its third the run.
    let read = 0;
    const chunk = Buffer.alloc(65536);
    while (read < 60) read += readSync(0, chunk);
    const bytes = Buffer.from(${JSON.stringify(bytes.toString("base64"))}, "base64");
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
    for (;;) if (readSync(0, chunk) === 0) process.exit(0);`;
  const launch = launchOf("none", program);
  if ("missing" in launch) throw new Error(launch.missing);
  const child = new Child(launch, "{}");
  await child.ready;
  const run = new Run(
    { kind: "script", code: "1", tools: { fs: ["read"] }, onCall: async () => ({ result: 1 }) },
    budgetsOf({ wallMs: 100, timers: 4, calls: 10, logLines: 10 }),
  );
  const result = await run.start(child, "digest-of-a-length-like-a-real-one", "1".repeat(64));
  child.kill();
  await child.exited();
  return result;
}

const HOSTILE: readonly (readonly [string, Buffer])[] = [
  ["a server from the prototype", frameOf(FRAME.call, 1, "constructor\nname\n{}")],
  ["a server that is the prototype", frameOf(FRAME.call, 1, "__proto__\ntoString\n{}")],
  ["a call of one line", frameOf(FRAME.call, 1, "fs")],
  ["arguments that are no JSON", frameOf(FRAME.call, 1, "fs\nread\n{")],
  ["a call with the largest id", frameOf(FRAME.call, 0xffffffff, "fs\nread\n{}")],
  ["one timer again and again", Buffer.concat(Array.from({ length: 1000 }, () => frameOf(FRAME.timer, 1, "NaN")))],
  ["timers without end", Buffer.concat(Array.from({ length: 100 }, (_, i) => frameOf(FRAME.timer, i, "1e99")))],
  ["ready in the middle", frameOf(FRAME.ready, 0, "")],
  ["a frame of the broker's", frameOf(FRAME.answer, 1, "1")],
  ["a kind that is none", frameOf(99, 1, "1")],
  ["a failure that is no JSON", frameOf(FRAME.fail, 1, "{")],
  ["a failure that is null", frameOf(FRAME.fail, 1, "null")],
  ["a failure with a code of the broker's", frameOf(FRAME.fail, 1, '{"code":"HELD","message":"x"}')],
  ["a failure of huge text", frameOf(FRAME.fault, 1, `{"code":"MEMORY_LIMIT","message":"${"x".repeat(70_000)}"}`)],
  ["progress that is no JSON", frameOf(FRAME.progress, 1, "{")],
  ["bytes that are no text", Buffer.concat([Buffer.from([10, 0, 0, 0, FRAME.log, 0, 0, 0, 0]), Buffer.alloc(5, 0xff)])],
  ["a frame of no length", Buffer.alloc(64)],
  ["a frame of every length", Buffer.alloc(64, 0xff)],
  ["half a frame", frameOf(FRAME.call, 1, "fs\nread\n{}").subarray(0, 12)],
  [
    "an answer and more",
    Buffer.concat([frameOf(FRAME.done, 1, "1"), frameOf(FRAME.done, 1, "2"), frameOf(FRAME.call, 1, "a\nb\n{}")]),
  ],
];

test.each(HOSTILE)("a worker that was taken over ends its run and no more: %s", async (_name, bytes) => {
  const result = await against(bytes);
  if (!result.ok)
    expect(result.error.code).toMatch(/^(WORKER_LOST|GUEST_ERROR|WALL_TIMEOUT|CALL_BUDGET|OUTPUT_LIMIT|MEMORY_LIMIT)$/);
  if (!result.ok) expect(result.error.message.length).toBeLessThanOrEqual(2000);
});

test("where the system tells no processor time, a guest that waits for nothing has its wall time counted", async () => {
  const launch = launchOf("none");
  if ("missing" in launch) throw new Error(launch.missing);
  const child = new Child(launch, JSON.stringify({ source: guestSource(), heapMb: 64 }));
  await child.ready;
  const request = { kind: "script", code: "", tools: { a: ["b"] } } as const;
  const run = new Run(
    { ...request, onCall: () => new Promise((done) => setTimeout(() => done({ result: 1 }), 80)) },
    budgetsOf({ cpuMs: 40, wallMs: 20_000 }),
  );
  const watch = setInterval(() => run.sample(undefined), 5);
  const result = await run.start(child, "x", "(async () => { await tools.a.b(); await tools.a.b(); for (;;); })");
  clearInterval(watch);
  child.kill();
  await child.exited();
  // It came to its second call, which it waited for without using its budget.
  expect(result).toMatchObject({ ok: false, error: { code: "CPU_TIMEOUT" }, usage: { calls: 2 } });
});

test("frames come out as they went in, however the bytes are cut", () => {
  const frame = fc.record({
    kind: fc.integer({ min: 0, max: 255 }),
    id: fc.nat(),
    text: fc.string({ unit: "binary" }),
  });
  fc.assert(
    fc.property(fc.array(frame), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map((f) => frameOf(f.kind, f.id, f.text)));
      const got: unknown[] = [];
      const reader = new FrameReader(
        () => 1 << 20,
        (kind, id, body) => got.push([kind, id, body.toString()]),
      );
      for (let at = 0; at < bytes.length; ) {
        const cut = cuts.next().value as number;
        expect(reader.push(bytes.subarray(at, at + cut))).toBe(true);
        at += cut;
      }
      expect(got).toEqual(frames.map((f) => [f.kind, f.id, Buffer.from(f.text).toString()]));
    }),
  );
});
