// Every npm script of the workspace goes through here: `npm start` is `node scripts/run.mjs start`.
// It brings what is missing, then runs the task under Node 24. Plain JavaScript that runs on the host's own Node.
import { readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { runToEnd } from "./child.mjs";
import { ensureInstalled, nodePath, root, SetupError } from "./installed.mjs";

const CLI = "packages/cli/src/main.ts";

/** What a task runs: an argument list for Node. Arguments of the command line are added to its end. */
const TASKS = {
  start: () => [CLI, "start"],
  demo: () => [CLI, "demo"],
  dev: () => ["--watch", "--watch-preserve-output", CLI, "start"],
  test: () => [bin("vitest"), "run"],
  attacks: () => [bin("vitest"), "run", "test/attacks"],
  bench: () => ["test/bench/main.ts"],
  "bench:sandbox": () => ["packages/sandbox/bench/run.ts"],
  "bench:million": () => ["test/bench/million.ts"],
  conformance: () => ["test/conformance/run.ts"],
  "conformance:cel": () => ["test/conformance/cel.ts"],
  "eval:agentdojo": () => ["test/evals/agentdojo.ts"],
  example: () => ["scripts/example.ts"],
  generate: () => ["scripts/generate.ts"],
  clients: () => ["test/clients/run.mjs"],
};

/** What reads the tree without running it, cheapest first. */
const CHECKS = {
  format: () => [bin("@biomejs/biome", "biome"), "check"],
  types: () => [bin("typescript", "tsc"), "-p", "."],
  boundaries: () => [bin("turbo"), "boundaries"],
  lint: () => [bin("oxlint"), "--type-aware", "--deny-warnings"],
  unused: () => [bin("knip")],
  package: () => ["scripts/package.ts", "--check"],
};

/** What `fix` may change. */
const FIXES = {
  package: () => ["scripts/package.ts", "--fix"],
  lint: () => [bin("oxlint"), "--type-aware", "--fix"],
  format: () => [bin("@biomejs/biome", "biome"), "check", "--write"],
};

/** Tasks of several steps. Every step runs, so that one run tells all that is wrong. */
const LISTS = { lint: CHECKS, check: { ...CHECKS, tests: TASKS.test }, fix: FIXES };

async function main([task, ...given]) {
  const args = given[0] === "--" ? given.slice(1) : given;
  if (task === undefined || !(task in TASKS || task in LISTS)) {
    const known = [...Object.keys(TASKS), ...Object.keys(LISTS)].sort().join(", ");
    throw new SetupError(`there is no task \`${task ?? ""}\`\nhelp: the tasks are ${known}`);
  }
  ensureInstalled();
  const node = nodePath();
  // The tests run some of the attacks; this task runs all, in every form.
  const more = task === "attacks" ? { CALLGATE_ATTACKS: "all" } : {};
  const run = (list) => runToEnd(node, list, { cwd: root, env: { ...environment(node), ...more } });
  if (task in TASKS) return run([...TASKS[task](), ...args]);
  if (args.length > 0) throw new SetupError(`\`npm run ${task}\` takes no arguments`);

  const failed = [];
  for (const [name, list] of Object.entries(LISTS[task])) {
    console.log(`\n== ${name}`);
    const code = await run(list());
    if (code > 128) return code;
    if (code !== 0) failed.push(name);
  }
  const passed = Object.keys(LISTS[task]).length - failed.length;
  console.log(
    `\n${task}: ${passed} passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(", ")}` : ""}`,
  );
  return failed.length > 0 ? 1 : 0;
}

// Programs that the task starts by name (MCP servers with `command: node`) MUST get the same Node, and the workspace's tools.
function environment(node) {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };
  // Types are stripped once and not by every process and thread: it is faster, and V8 can crash where many threads that come and go
  // run the stripper's WebAssembly at a time.
  env["NODE_COMPILE_CACHE"] ??= join(root, "node_modules", ".cache", "node");
  const key = Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  env[key] = [dirname(node), join(root, "node_modules", ".bin"), env[key]].filter(Boolean).join(delimiter);
  return env;
}

// A package's program is run as a file by Node, not through node_modules/.bin, which holds shell scripts on Windows.
function bin(name, program = name) {
  const folder = join(root, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[program]);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof SetupError ? `callgate: ${error.message}` : error);
  process.exitCode = 1;
}
