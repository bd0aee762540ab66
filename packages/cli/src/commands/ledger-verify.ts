import { CallgateError, messageOf } from "@callgate/core";
import { heldFileKey } from "@callgate/ledger";
import { renderReport, showProgress, verifyLedger } from "@callgate/verify";
import { Command, type CommanderError } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { dataFolder, type FolderOptions, keyIn } from "../data.ts";
import { fail } from "../output.ts";

interface Options extends FolderOptions {
  readonly anchor?: string[];
  readonly checkpoint?: string[];
  readonly witnessVkey?: string[];
  readonly vkey?: string;
  readonly mlDsaVkey?: string;
  readonly segments?: string;
  readonly previousKeyFile?: string[];
  readonly openAll?: boolean;
  readonly skipIndexes?: boolean;
  readonly threads?: string;
  readonly json?: boolean;
}

/** Exit code where nothing could be checked; 1 and 2 say something of the ledger here. */
const UNREADABLE = 3;

/** `callgate ledger verify`: the independent verifier, on the ledger of this configuration. */
export function ledgerVerifyCommand(): Command {
  const several = (value: string, before: string[] = []): string[] => [...before, value];
  return withConfig(new Command("verify"))
    .description("check every record, and whether all of them are there, without trusting what wrote them")
    .option(
      "--anchor <where>",
      "hold it against an anchor, `file:PATH` or a witness's address; may be repeated",
      several,
    )
    .option(
      "--checkpoint <file>",
      "hold it against a signed checkpoint that was kept elsewhere; may be repeated",
      several,
    )
    .option(
      "--witness-vkey <key>",
      "a witness's verifier key, or a file that holds it; without it a witness vouches for nothing; may be repeated",
      several,
    )
    .option("--vkey <key>", "the log's verifier key, or a file that holds it (default: the folder's own)")
    .option("--ml-dsa-vkey <key>", "its verifier key of ML-DSA-44, if it has one, or a file that holds it")
    .option("--segments <folder>", "check archived segments too")
    .option(
      "--previous-key-file <file>",
      "an earlier key, under which segments were archived; may be repeated",
      several,
    )
    .option("--open-all", "decrypt every payload, not only the first of each session")
    .option("--skip-indexes", "do not compare the indexes with the tables")
    .option("--threads <n>", "how many threads (default: as many as the machine runs at a time)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 0 clean, 1 tampered, 2 incomplete, 3 unreadable (or wrong usage).")
    .exitOverride(({ exitCode }: CommanderError) => process.exit(exitCode === 0 ? 0 : UNREADABLE))
    .action(async (options: Options) => {
      try {
        const { checkpoint, vkey, segments, mlDsaVkey } = options;
        const configured =
          options.anchor === undefined && options.data === undefined ? await configuredAnchors(options) : NONE;
        const folder = await dataFolder(options);
        const fileKey = heldFileKey(folder);
        const keys = [...(fileKey === undefined ? [] : [fileKey]), ...(options.previousKeyFile ?? []).map(keyIn)];
        const report = await verifyLedger({
          ledger: folder,
          ...(keys.length > 0 && { fileKey: keys }),
          anchors: options.anchor ?? configured.anchors,
          witnessKeys: [...configured.witnessKeys, ...(options.witnessVkey ?? [])],
          ...(checkpoint !== undefined && { checkpoints: checkpoint }),
          ...(vkey !== undefined && { vkey }),
          ...(mlDsaVkey !== undefined && { secondVkey: mlDsaVkey }),
          ...(segments !== undefined && { segments }),
          ...(options.threads !== undefined && { threads: threadsOf(options.threads) }),
          openAll: options.openAll === true,
          skipIndexes: options.skipIndexes === true,
          onProgress: showProgress(process.stderr),
        });
        console.log(options.json ? JSON.stringify(report) : renderReport(report));
        process.exitCode = report.exitCode;
      } catch (error) {
        fail(error, UNREADABLE);
      }
    });
}

interface Configured {
  readonly anchors: readonly string[];
  readonly witnessKeys: readonly string[];
}

const NONE: Configured = { anchors: [], witnessKeys: [] };

/** The anchors that the configuration names. A ledger can be checked where the rest of it cannot be read, such as its secrets. */
async function configuredAnchors(options: Options): Promise<Configured> {
  try {
    const { ledger } = await configOf(options, "skip");
    const named = ledger.anchors.map(({ to }) => to);
    const usable = named.filter((to) => !to.startsWith("command:"));
    if (usable.length < named.length)
      console.error("warning: anchors that are commands are not asked; give what they keep with `--checkpoint`");
    return { anchors: usable, witnessKeys: ledger.anchors.flatMap(({ vkey }) => (vkey === undefined ? [] : [vkey])) };
  } catch (error) {
    console.error(
      `warning: the configuration's anchors are not known, ${messageOf(error)}; name them with \`--anchor\``,
    );
    return NONE;
  }
}

function threadsOf(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`--threads\` is not a number of threads`);
}
