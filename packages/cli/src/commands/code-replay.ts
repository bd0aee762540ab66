import { CallgateError, stringifyJson } from "@callgate/core";
import { Command } from "commander";
import { recordedRun } from "../code/recorded-run.ts";
import { replayRun } from "../code/replay.ts";
import { scriptFile, studyScript } from "../code/script-file.ts";
import { withConfig } from "../configuration.ts";
import { configIfAny, todayIn } from "../incident/today.ts";
import { EXIT } from "../output.ts";
import { type ReaderOptions, withReader } from "../record-selection.ts";
import { replayLines } from "../render/code-replay.ts";

interface Options extends ReaderOptions {
  readonly call?: string;
  readonly script?: string;
}

/** `callgate code replay`: a recorded script again, on the answers of then. */
export function codeReplayCommand(): Command {
  return withConfig(new Command("replay"))
    .description("run a recorded script, or another one, on what its calls gave then; no tool is called")
    .option("--call <id>", "the call that ran the script")
    .option("--script <file>", "another script in its place, with the same input, on the same record")
    .option("--json", "print JSON")
    .action((options: Options) =>
      withReader(options, async (reader) => {
        const { call, script: file, json } = options;
        if (call === undefined)
          throw new CallgateError("BAD_ARGUMENT", "name the call with `--call`", {
            help: "`callgate ledger query tool:callgate__run_code --json` names the calls that ran scripts",
          });
        const found = await configIfAny(options);
        const config = "config" in found ? found.config : undefined;
        const today = "config" in found ? todayIn(found.config) : { missing: found.missing, tools: [] };
        const run = recordedRun(reader, call, new Map(today.tools.map((tool) => [tool.qualified, tool])));
        const script =
          file === undefined ? await studyScript(run.code, `the script of ${call}`) : await scriptFile(file);
        const replay = await replayRun(run, script, today, config);
        if (json) {
          const { intent, seed, now, frozen } = run;
          const about = { call, record: intent.seq, session: intent.session, agent: intent.agent, started: intent.ts };
          const policies = "set" in today ? { policies: today.set.digest } : { missing: today.missing };
          console.log(
            stringifyJson({
              ...about,
              ...(file !== undefined && { file }),
              seed,
              now,
              frozen,
              today: policies,
              ...replay,
            }),
          );
        } else console.log(replayLines(run, replay, today, file).join("\n"));
        const { same } = replay;
        if (file === undefined && !(same.value === true && same.calls)) process.exitCode = EXIT.failed;
      }),
    );
}
