import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { heldFileKey, openEvidence, readCosigned } from "@callgate/ledger";
import { renderBundleReport, showProgress, verifyBundle, verifyLedger } from "@callgate/verify";
import { Command } from "commander";
import { dataFolder } from "../data.ts";
import { newestAnchored } from "../incident/anchored.ts";
import { exportBundle } from "../incident/export.ts";
import { openIncident } from "../incident/incident.ts";
import { todayOf } from "../incident/today.ts";
import { EXIT } from "../output.ts";
import { openTellingReader } from "../reader.ts";
import { tellTakenOut } from "../taken-out.ts";
import { type ChooseOptions, chosenBy, scanOf, withChoice } from "./incident-open.ts";

interface Options extends ChooseOptions {
  readonly out?: string;
  readonly anchor?: string[];
  readonly witnessVkey?: string[];
  /** False for `--no-payloads`. */
  readonly payloads: boolean;
}

/** `callgate incident export`: an evidence bundle that a third party checks without the ledger. */
export function incidentExportCommand(): Command {
  const several = (value: string, before: string[] = []): string[] => [...before, value];
  return withChoice(new Command("export"))
    .description(
      "write the records of a session, or of a call and those around it, as evidence that can be checked elsewhere",
    )
    .option("--out <folder>", "where to, a new folder")
    .option(
      "--anchor <where>",
      "what the ledger is held against, `file:PATH` (whose newest checkpoint goes with it) or a witness; may be repeated",
      several,
    )
    .option("--witness-vkey <key>", "the verifier key of a witness among the anchors; may be repeated", several)
    .option("--no-payloads", "leave out the texts of arguments and results, and the key that opens them")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nWhoever has a bundle with payloads can read them. Check one with `callgate-verify --bundle FOLDER`.",
    )
    .action(async (options: Options) => {
      const chosen = chosenBy(options);
      const { out, anchor = [], payloads } = options;
      if (out === undefined) throw new CallgateError("BAD_ARGUMENT", "name a new folder with `--out`");
      const scan = scanOf(options);
      const folder = await dataFolder(options);
      const reader = openTellingReader(folder);
      try {
        tellTakenOut(reader);
        const anchors = anchor
          .filter((name) => !/^https?:/.test(name))
          .flatMap((name) => {
            const found = newestAnchored(name, reader.log);
            if (found) return [found];
            throw new CallgateError("BAD_ARGUMENT", `the anchor \`${name}\` holds no checkpoint of this log`);
          });
        const today = await todayOf(options);
        const named = new Set(anchors.map((one) => one.anchor));
        const incident = openIncident(reader, chosen, today, { scan });
        const fileKey = heldFileKey(folder);
        const report = await verifyLedger({
          ledger: folder,
          ...(fileKey !== undefined && { fileKey }),
          anchors: anchor,
          witnessKeys: options.witnessVkey ?? [],
          onProgress: showProgress(process.stderr),
        });
        const evidence = openEvidence(folder);
        try {
          // A witness hands out no checkpoint of the past, but what it signed was kept.
          const signed = readCosigned(folder, evidence.vkey).filter((one) => !named.has(one.anchor));
          const exported = await exportBundle(reader, evidence, out, {
            incident,
            today,
            report,
            anchors: [...anchors, ...signed.filter(({ size }) => size <= evidence.checkpoint.size)],
            payloads,
          });
          const checked = verifyBundle({ bundle: exported.folder, vkey: evidence.vkey });
          if (options.json)
            console.log(JSON.stringify({ ...exported, ledger: report.verdict, bundle: checked.verdict }));
          else
            console.log(
              `${renderBundleReport(checked)}\nthe ledger as a whole: ${report.verdict}${report.first === undefined ? "" : `: ${printable(report.first.problem)}`}`,
            );
          process.exitCode = checked.exitCode === 0 && report.exitCode === 0 ? EXIT.done : EXIT.failed;
        } finally {
          evidence.close();
        }
      } finally {
        reader.close();
      }
    });
}
