import { parseArgs } from "node:util";
import { type Run, readRuns, type Suite, suitesIn } from "./agentdojo/data.ts";
import { apart, printScores } from "./agentdojo/print.ts";
import { renamed } from "./agentdojo/rename.ts";
import { type Score, scoreOf } from "./agentdojo/score.ts";
import { hasOwnFile, Setup } from "./agentdojo/setup.ts";

// Replays recorded AgentDojo runs through the real decision path. It is open-loop: it tells which recorded calls a policy
// would let through, not how a model would go on after a refusal.
const { values: flags } = parseArgs({
  options: {
    data: { type: "string" },
    suite: { type: "string", multiple: true },
    rename: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
if (flags.data === undefined) {
  console.error("callgate: the folder of the data is missing\nhelp: npm run eval:agentdojo -- --data <folder>");
  process.exit(2);
}

const wanted = flags.suite;
const suites = suitesIn(flags.data).filter((suite) => !wanted || wanted.includes(suite.name));
const runs = readRuns(flags.data).filter((run) => suites.some((suite) => suite.name === run.suite));
const scores: { readonly label: string; readonly scores: readonly Score[] }[] = [];
const measure = (label: string, own: boolean, of: readonly Suite[], on: readonly Run[]): void => {
  scores.push({
    label,
    scores: of.map((suite) =>
      scoreOf(
        new Setup(suite, own),
        on.filter((run) => run.suite === suite.name),
        flags.verbose,
      ),
    ),
  });
};
if (suites.some(hasOwnFile)) measure("packs and suite file", true, suites, runs);
measure("packs only", false, suites, runs);
if (flags.rename) {
  const other = renamed(suites, runs);
  measure("packs only, renamed", false, other.suites, other.runs);
}
if (flags.rename) {
  const [plain, other] = scores.slice(-2).map((one) => one.scores);
  const off = plain && other ? apart(plain, other) : [];
  for (const line of off) console.error(`callgate: renaming changes ${line}`);
  if (off.length > 0) process.exitCode = 1;
}
if (flags.json) console.log(JSON.stringify(scores, null, 2));
else printScores(scores);
