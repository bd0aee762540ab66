import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Findings } from "../src/finding.ts";
import { judgeAnchor } from "../src/judge.ts";
import { askWitness } from "../src/witness.ts";

const ORIGIN = "callgate/log_1";
const root = (n: number): Buffer => Buffer.alloc(32, n);
const note = (size: number, hash = root(size)): string =>
  `${ORIGIN}\n${size}\n${hash.toString("base64")}\n\n— ${ORIGIN} ${Buffer.alloc(68).toString("base64")}\n`;

/** A witness as C2SP tlog-witness describes it, which has seen a size; `moved` counts what it was made to remember. */
async function witness(seen: number, hash = root(seen), status?: number): Promise<{ url: string; moved(): number }> {
  let moved = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk));
    request.on("end", () => {
      const [, old, size, base64] = /^old (\d+)\n\n\S+\n(\d+)\n(\S+)\n\n/.exec(body) ?? [];
      const say = (code: number, type: string, text: string): unknown =>
        response.writeHead(code, { "content-type": type }).end(text);
      if (request.url !== "/prefix/add-checkpoint" || request.method !== "POST") return say(404, "text/plain", "");
      if (status !== undefined) return say(status, "text/plain", "");
      if (Number(old) !== seen || (Number(size) === seen && base64 !== hash.toString("base64")))
        return say(409, "text/x.tlog.size", `${seen}\n`);
      if (Number(size) > seen) moved++;
      return say(200, "text/plain", `— witness ${Buffer.alloc(76).toString("base64")}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`, moved: () => moved };
}

/** A log of ten records with a checkpoint at every second one, held against a witness. */
async function against(url: string): Promise<readonly string[]> {
  const own = { newest: { size: 10, note: note(10) }, at: (size: number) => (size % 2 === 0 ? note(size) : undefined) };
  const anchor = await askWitness(url, ORIGIN, own);
  const findings = new Findings();
  const roots = new Map(Array.from({ length: 10 }, (_, i) => [i + 1, root(i + 1)]));
  const { covers } = judgeAnchor(anchor, { records: 10, size: 10, roots }, true, findings);
  return [`covers ${covers}`, ...findings.list.map(({ aspect, code }) => `${aspect} ${code}`)];
}

test.each<[string, number, Buffer, readonly string[]]>([
  ["just the newest", 10, root(10), ["covers 10"]],
  ["an earlier one", 6, root(6), ["covers 6"]],
  ["more than there is", 12, root(12), ["covers 0", "completeness anchor-short"]],
  ["another one of the same size", 10, root(99), ["covers 0", "integrity anchor-root"]],
  ["another one of an earlier size", 6, root(99), ["covers 0", "integrity anchor-root"]],
  ["a size of which no checkpoint was ever made here", 7, root(7), ["covers 0", "integrity anchor-root"]],
  ["nothing yet", 0, root(0), ["covers 0", "completeness anchor-unknown"]],
])("a witness that has seen %s", async (_, seen, hash, expected) => {
  const { url, moved } = await witness(seen, hash);
  expect(await against(url)).toEqual(expected);
  expect(moved()).toBe(0);
});

test("a witness that does not know the log", async () => {
  expect(await against((await witness(0, root(0), 404)).url)).toEqual(["covers 0", "completeness anchor-unknown"]);
});

test("a witness that does not answer as one, or not at all", async () => {
  expect(await against((await witness(0, root(0), 500)).url)).toEqual(["covers 0", "unreadable anchor"]);
  expect(await against("http://127.0.0.1:1/")).toEqual(["covers 0", "unreadable anchor"]);
});
