import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { Check, Status } from "./checks.ts";

/** One pass of an official suite over a server: which suite, in which revision of the protocol. */
export interface SuiteRun {
  readonly suite: string;
  readonly revision: string;
  /** The suite's program. */
  readonly program: string;
  readonly args: readonly string[];
  /** Scenarios that conforming to the revision requires. */
  readonly required: ReadonlySet<string>;
}

/** A pass takes seconds; one that takes this long (in milliseconds) hangs. */
const LONGEST = 150_000;

const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));
const current = join(modules, "@modelcontextprotocol/conformance");
const older = join(modules, "conformance-2025");

/** Every pass. The older suite has no lists of requirements, so that its scenarios are judged by the current one's. */
export const SUITE_RUNS: readonly SuiteRun[] = [
  suiteRun(current, "2025-11-25", ["--requirements", "2025-11-25"]),
  suiteRun(current, "2026-07-28", ["--requirements", "2026-07-28"]),
  suiteRun(older, "2025-11-25", ["--suite", "all", "--spec-version", "2025-11-25"]),
];

/** Runs the passes side by side against a server and gives every check of every scenario. */
export async function runSuites(url: string, log: (line: string) => void): Promise<Check[]> {
  return (await Promise.all(SUITE_RUNS.map((run) => runSuite(run, url, log)))).flat();
}

async function runSuite(run: SuiteRun, url: string, log: (line: string) => void): Promise<Check[]> {
  const folder = await mkdtemp(join(tmpdir(), "callgate-conformance-"));
  try {
    const output = await execute([run.program, "server", "--url", url, ...run.args, "-o", folder]);
    log(output);
    const checks = await readResults(run, folder);
    if (checks.length === 0) throw new Error(`suite ${run.suite} (${run.revision}) gave no results:\n${output}`);
    return checks;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The suite's output. Its exit code is not asked: it is about failures, which the results tell check by check. */
function execute(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 64 << 20, timeout: LONGEST }, (error, stdout, stderr) => {
      if (error?.killed) reject(new Error(`suite took longer than ${LONGEST / 1000} s: ${args.join(" ")}`));
      else resolve(stdout + stderr);
    });
  });
}

interface RawCheck {
  readonly id: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

/** Reads `server-<scenario>-<time>/checks.json` of every scenario. */
async function readResults(run: SuiteRun, folder: string): Promise<Check[]> {
  const checks: Check[] = [];
  for (const entry of (await readdir(folder)).sort()) {
    const scenario = /^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/.exec(entry)?.[1];
    const file = join(folder, entry, "checks.json");
    if (scenario === undefined || !existsSync(file)) continue;
    const seen = new Map<string, number>();
    for (const raw of JSON.parse(await readFile(file, "utf8")) as RawCheck[]) {
      const nth = (seen.get(raw.id) ?? 0) + 1;
      seen.set(raw.id, nth);
      checks.push({
        suite: run.suite,
        revision: run.revision,
        scenario,
        id: `${raw.id}#${nth}`,
        status: raw.status,
        ...(raw.errorMessage !== undefined && { message: raw.errorMessage }),
        required: run.required.has(scenario),
      });
    }
  }
  return checks;
}

function suiteRun(folder: string, revision: string, args: readonly string[]): SuiteRun {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const list = join(current, "requirements", `${revision}.yaml`);
  if (!existsSync(list)) {
    const known = readdirSync(join(current, "requirements")).join(", ");
    throw new Error(`the suite has no requirements for \`${revision}\`, only ${known}`);
  }
  const { server } = parse(readFileSync(list, "utf8")) as { server: string[] };
  return { suite: version, revision, program: join(folder, "dist/index.js"), args, required: new Set(server) };
}
