import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import {
  type ExportTarget,
  jsonLine,
  type LedgerReader,
  openCursor,
  openFileTarget,
  openLedger,
  openReader,
  runExport,
} from "../src/index.ts";

const root = mkdtempSync(join(tmpdir(), "callgate-export-"));
const folder = join(root, "data");
let reader: LedgerReader;
beforeAll(async () => {
  const ledger = await openLedger({ folder, sync: "off" });
  for (let i = 0; i < 1200; i++)
    ledger.appendLater({ kind: i % 2 ? "intent" : "denial", agent: "bot", payloads: { args: `{"n":${i}}` } });
  await ledger.close();
  reader = openReader(folder);
});
afterAll(() => {
  reader.close();
  rmSync(root, { recursive: true });
});

let files = 0;
const newFile = (): string => join(root, `${++files}.jsonl`);
const seqsIn = (file: string): number[] =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { seq: number }).seq);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

/** Exports to a file as the command does; `through` may stand between the run and the file. */
async function run(
  file: string,
  through: (target: ExportTarget) => ExportTarget = (target) => target,
): Promise<number> {
  const cursor = openCursor(`${file}.cursor`, reader.log, "jsonl");
  try {
    if (cursor.place === undefined) cursor.save({ seq: 0, bytes: 0 });
    const target = await openFileTarget(file, cursor.place, ({ record }) => jsonLine(record));
    const signal = AbortSignal.timeout(15_000);
    const done = await runExport(reader, through(target), cursor, {
      filter: {},
      payloads: false,
      follow: false,
      signal,
    });
    await target.close();
    return done.records;
  } finally {
    cursor.close();
  }
}

it("cuts off what was written behind the cursor, be it whole lines", async () => {
  const file = newFile();
  const crash = (target: ExportTarget): ExportTarget => ({
    ...target,
    get bytes() {
      return target.bytes;
    },
    async put(records) {
      await target.put(records);
      // The disk has the batch, and the process ends before the cursor moves.
      if (records.some(({ record }) => record.seq > 600)) throw new Error("killed");
    },
  });
  await expect(run(file, crash)).rejects.toThrow("killed");
  expect(seqsIn(file).length).toBeGreaterThan(600);
  appendFileSync(file, '{"seq":');
  expect(await run(file)).toBeLessThan(1201);
  expect(seqsIn(file)).toEqual(upTo(1201));
  // Nothing is written over it this time.
  appendFileSync(file, `${readFileSync(file, "utf8").split("\n")[0]}\n`);
  expect(await run(file)).toBe(0);
  expect(seqsIn(file)).toEqual(upTo(1201));
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it("finishes the batch that is under way when it is told to end", async () => {
  const file = newFile();
  const cursor = openCursor(`${file}.cursor`, reader.log, "jsonl");
  cursor.save({ seq: 0, bytes: 0 });
  const target = await openFileTarget(file, cursor.place, ({ record }) => jsonLine(record));
  const ending = new AbortController();
  ending.abort();
  const { seq } = await runExport(reader, target, cursor, {
    filter: {},
    payloads: false,
    follow: true,
    signal: ending.signal,
  });
  await target.close();
  cursor.close();
  expect(seqsIn(file)).toEqual(upTo(seq));
  expect(openCursor(`${file}.cursor`, reader.log, "jsonl").place).toEqual({ seq, bytes: statSync(file).size });
});

it("tries a target beyond the network again while it follows, and gives up where it does not", async () => {
  const got: number[] = [];
  const ending = new AbortController();
  let refusals = 1;
  const target: ExportTarget = {
    bytes: undefined,
    async put(records) {
      if (refusals-- > 0) throw new Error("no room");
      got.push(...records.map(({ record }) => record.seq));
      if (got.length === 1201) ending.abort();
    },
    close: async () => undefined,
  };
  const cursor = openCursor(newFile(), reader.log, "jsonl");
  const told: string[] = [];
  const common = { filter: {}, payloads: false, signal: ending.signal } as const;
  const onRetry = (error: unknown): unknown => told.push((error as Error).message);
  await expect(runExport(reader, target, cursor, { ...common, follow: false })).rejects.toThrow("no room");
  refusals = 1;
  await runExport(reader, target, cursor, { ...common, follow: true, onRetry });
  cursor.close();
  expect(told).toEqual(["no room"]);
  expect(got).toEqual(upTo(1201));
});

it("moves the cursor over what is left out, and gives payloads where they are asked for", async () => {
  const cursor = openCursor(newFile(), reader.log, "jsonl");
  const got: { seq: number; args: string | undefined }[] = [];
  const target: ExportTarget = {
    bytes: undefined,
    put: async (records) => {
      for (const { record, payloads } of records) got.push({ seq: record.seq, args: payloads?.["args"] });
    },
    close: async () => undefined,
  };
  const done = await runExport(reader, target, cursor, {
    filter: { kind: ["denial"], until: reader.show(5)!.record.ts },
    accepts: (record) => record.seq < 5,
    payloads: true,
    follow: false,
    signal: AbortSignal.timeout(15_000),
  });
  expect(got).toEqual([
    { seq: 2, args: '{"n":0}' },
    { seq: 4, args: '{"n":2}' },
  ]);
  expect(done).toEqual({ records: 2, seq: 1201 });
  expect(cursor.place).toEqual({ seq: 1201 });
  cursor.close();
});

it.each<[string, (file: string) => void, string, string]>([
  ["is shorter", (file) => truncateSync(file, 10), "EXPORT_TARGET", "has 10 bytes, and the cursor is at"],
  ["is gone", (file) => rmSync(file), "EXPORT_TARGET", "is gone"],
  [
    "goes beyond the ledger",
    (file) => writeFileSync(`${file}.cursor`, readFileSync(`${file}.cursor`, "utf8").replace("1201", "1202")),
    "EXPORT_CURSOR",
    "the ledger ends at record 1201, and record 1202 was exported",
  ],
  [
    "is of another ledger",
    (file) => writeFileSync(`${file}.cursor`, readFileSync(`${file}.cursor`, "utf8").replace(/log_\w+/, "log_other")),
    "EXPORT_CURSOR",
    "belongs to another ledger, `log_other`",
  ],
  ["is not a cursor", (file) => writeFileSync(`${file}.cursor`, "[]"), "EXPORT_CURSOR", "is not one"],
  ["cannot be read", (file) => writeFileSync(`${file}.cursor`, "{"), "EXPORT_CURSOR", "cannot be read"],
])("refuses to go on where the file or the cursor %s", async (_, spoil, code, message) => {
  const file = newFile();
  await run(file);
  spoil(file);
  await expect(run(file)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

it("refuses another export's cursor, and one that is in use", async () => {
  const file = newFile();
  const cursor = openCursor(file, reader.log, "jsonl");
  onTestFinished(() => cursor.close());
  cursor.save({ seq: 3 });
  expect(() => openCursor(file, reader.log, "jsonl")).toThrow(expect.objectContaining({ code: "EXPORT_BUSY" }));
  cursor.close();
  expect(() => openCursor(file, reader.log, "ocsf")).toThrow("belongs to another export, `jsonl`");
  const anew = openCursor(file, reader.log, "ocsf", true);
  expect(anew.place).toBeUndefined();
  anew.close();
});
