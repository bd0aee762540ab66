import { parseArgs } from "node:util";
import { renderBundleReport, verifyBundle } from "./bundle.ts";
import { textOf } from "./key.ts";
import { showProgress } from "./progress.ts";
import { renderReport } from "./render.ts";
import { renderProofReport, verifyProof } from "./tlog-proof.ts";
import { verifyLedger } from "./verify.ts";

const HELP = `usage: callgate-verify [options] LEDGER
       callgate-verify --bundle FOLDER [--vkey KEY] [--ml-dsa-vkey KEY] [--witness-vkey KEY] [--json]
       callgate-verify --proof FILE --vkey KEY [--ml-dsa-vkey KEY] [--json]

Checks a Callgate ledger (a data folder, or its ledger.db) without trusting it, and changes nothing.

  --anchor WHERE      hold it against an anchor: file:PATH, or the https address of a witness; may be repeated
  --checkpoint FILE   hold it against a signed checkpoint that was kept elsewhere; may be repeated
  --witness-vkey KEY  a witness's verifier key, or a file that holds it; without it a witness vouches for nothing;
                      may be repeated
  --vkey KEY          the log's verifier key, or a file that holds it (default: the folder's own)
  --ml-dsa-vkey KEY   its verifier key of ML-DSA-44, if it has one, or a file that holds it
  --key-file FILE     a file with the key of an encrypted ledger, 64 hex digits (or CALLGATE_LEDGER_KEY in the environment)
                      may be repeated, for segments that were archived under an earlier key
  --segments FOLDER   check archived segments too
  --open-all          decrypt every payload, where the keys are there (default: the first of each session)
  --skip-indexes      do not compare the indexes with the tables
  --threads N         how many threads (default: as many as the machine runs at a time)
  --bundle FOLDER     check an evidence bundle instead of a ledger
  --proof FILE        check a proof that one record is in a log (C2SP tlog-proof)
  --json              print the report as JSON
  --help              print this

Ends with 0 clean, 1 tampered, 2 incomplete, 3 unreadable (or wrong usage).`;

/** Codes of \`parseArgs\` and of what is checked here. */
const WRONG_USAGE = 3;

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse();
  } catch (error) {
    return usage((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  const secondVkey = values["ml-dsa-vkey"] === undefined ? {} : { secondVkey: values["ml-dsa-vkey"] };
  if (values.bundle !== undefined) {
    if (positionals.length > 0) return usage("give either a ledger or `--bundle`");
    const report = verifyBundle({
      bundle: values.bundle,
      witnessKeys: values["witness-vkey"] ?? [],
      ...(values.vkey !== undefined && { vkey: values.vkey }),
      ...secondVkey,
    });
    console.log(values.json === true ? JSON.stringify(report) : renderBundleReport(report));
    return report.exitCode;
  }
  if (values.proof !== undefined) {
    if (positionals.length > 0) return usage("give either a ledger or `--proof`");
    if (values.vkey === undefined) return usage("a proof is checked against a key: give it with `--vkey`");
    const report = verifyProof({ proof: values.proof, vkey: values.vkey, ...secondVkey });
    console.log(values.json === true ? JSON.stringify(report) : renderProofReport(report));
    return report.exitCode;
  }
  const [ledger, ...rest] = positionals;
  if (ledger === undefined) return usage("name the ledger");
  if (rest.length > 0) return usage(`one ledger at a time: \`${rest[0]}\` is too much`);
  const threads = values.threads === undefined ? undefined : Number(values.threads);
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0 && threads <= 256))
    return usage(`\`${values.threads}\` in \`--threads\` is not a number of threads`);

  const files = values["key-file"] ?? [];
  const keys = files.map(textOf);
  if (keys.includes(undefined)) return usage(`the key file \`${files[keys.indexOf(undefined)]}\` cannot be read`);
  const fileKey = keys.length === 0 ? process.env["CALLGATE_LEDGER_KEY"] : keys.filter((key) => key !== undefined);
  const report = await verifyLedger({
    ledger,
    anchors: values.anchor ?? [],
    checkpoints: values.checkpoint ?? [],
    witnessKeys: values["witness-vkey"] ?? [],
    ...(values.vkey !== undefined && { vkey: values.vkey }),
    ...secondVkey,
    ...(fileKey !== undefined && { fileKey }),
    ...(values.segments !== undefined && { segments: values.segments }),
    ...(threads !== undefined && { threads }),
    openAll: values["open-all"] === true,
    skipIndexes: values["skip-indexes"] === true,
    onProgress: showProgress(process.stderr),
  });
  console.log(values.json === true ? JSON.stringify(report) : renderReport(report));
  return report.exitCode;
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      anchor: { type: "string", multiple: true },
      checkpoint: { type: "string", multiple: true },
      "witness-vkey": { type: "string", multiple: true },
      bundle: { type: "string" },
      proof: { type: "string" },
      vkey: { type: "string" },
      "ml-dsa-vkey": { type: "string" },
      segments: { type: "string" },
      "key-file": { type: "string", multiple: true },
      threads: { type: "string" },
      "open-all": { type: "boolean" },
      "skip-indexes": { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
}

function usage(problem: string): number {
  console.error(`error: ${problem}\n  help: callgate-verify --help`);
  return WRONG_USAGE;
}

process.exitCode = await main();
