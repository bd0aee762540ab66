import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { startBroker } from "./broker.ts";
import type { Check } from "./checks.ts";
import { compare, type Difference } from "./compare.ts";
import { startFixture } from "./fixture/start.ts";
import { passesAgainstNothing } from "./nothing.ts";
import { differenceLine, failureLine, rowsOf, tableOf, withoutEvidence } from "./report.ts";
import { runSuites } from "./suites.ts";
import { assertAlive, type StartTarget, type Target } from "./target.ts";

const USAGE = `usage: node test/conformance/run.ts [--direct | --via] [--url URL] [--json FILE] [--verbose]
  (no mode)    run the suites against the fixture and through the broker, and compare check by check
  --direct     against the fixture alone
  --via        through the broker alone
  --url URL    a server in the broker's place: one that stands in front of a fixture of its own
  --json FILE  write every check of every run
exit code: 0 nothing is lost, 1 a check is lost through the broker or a required scenario fails directly, 2 no run`;

const { values } = parseArgs({
  options: {
    direct: { type: "boolean", default: false },
    via: { type: "boolean", default: false },
    url: { type: "string" },
    json: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const log = values.verbose ? (line: string) => console.error(line) : () => undefined;

/** The checks of one target, which is alive before the suites and after them. */
async function checksOf(start: StartTarget): Promise<Check[]> {
  const target = await start();
  try {
    await assertAlive(target);
    const checks = await runSuites(target.url, log);
    await assertAlive(target);
    return checks;
  } finally {
    await target.close();
  }
}

async function main(): Promise<number> {
  const both = values.direct === values.via;
  const fixture = await startFixture();
  const inFront: StartTarget = async (): Promise<Target> =>
    values.url === undefined
      ? startBroker(fixture.url, values.verbose)
      : { name: values.url, url: values.url, close: async () => undefined };
  let direct: Check[] = [];
  let via: Check[] = [];
  let nothing: Set<string>;
  try {
    // One target after the other: the suites watch the clock, and a busy machine must not fail their checks.
    nothing = await passesAgainstNothing(log);
    if (both || values.direct) {
      direct = await checksOf(async () => ({ name: "fixture", url: fixture.url, close: async () => undefined }));
    }
    if (both || values.via) via = await checksOf(inFront);
  } finally {
    await fixture.close();
  }
  const differences = both ? compare(direct, via) : [];
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ direct, via, nothing: [...nothing], differences }, null, 2)}\n`);
  }
  return print(direct, via, nothing, differences);
}

/** Prints the figures and gives the exit code. */
function print(
  direct: readonly Check[],
  via: readonly Check[],
  nothing: ReadonlySet<string>,
  differences: readonly Difference[],
): number {
  const section = (title: string, lines: readonly string[]) => {
    if (lines.length > 0) console.log(`\n${title}\n${lines.join("\n")}`);
  };
  if (direct.length > 0) console.log(`directly\n${tableOf(rowsOf(direct, nothing))}`);
  if (via.length > 0) console.log(`\nthrough the broker\n${tableOf(rowsOf(via, nothing))}`);
  const some = direct.length > 0 ? direct : via;
  section(
    "no evidence (these scenarios also pass against nothing)",
    withoutEvidence(some, nothing).map((scenario) => `  ${scenario}`),
  );
  const failing = some.filter((check) => check.status === "FAILURE");
  const broken = failing.filter((check) => check.required);
  section("required and failing", broken.map(failureLine));
  if (values.verbose) section("not required and failing", failing.filter((check) => !check.required).map(failureLine));
  const lost = differences.filter((difference) => difference.lost);
  section("lost: passes directly, fails through the broker", lost.map(differenceLine));
  section(
    "weaker: passes directly, warned of or not offered through the broker",
    differences.filter((difference) => !difference.lost).map(differenceLine),
  );
  return broken.length > 0 || lost.length > 0 ? 1 : 0;
}

if (values.help) console.log(USAGE);
else {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(error instanceof Error ? (values.verbose ? error : reasonOf(error)) : error);
    return 2;
  });
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${reasonOf(error.cause)}` : error.message;
}
