import { existsSync } from "node:fs";
import { join } from "node:path";
import { CallgateError } from "@callgate/core";
import { ApprovalStore, IDENTITY, printable } from "@callgate/gateway";
import {
  archiveSegments,
  heldFileKey,
  holdFileKey,
  type OfflineOptions,
  sealLedger,
  shredSession,
} from "@callgate/ledger";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { dataFolder, type FolderOptions } from "../data.ts";

interface Options extends FolderOptions {
  readonly json?: boolean;
}

/** With `--data` alone nothing is known of anchors, which get what they lack when the broker starts; checkpoints are signed as before. */
async function offline(options: Options, command: string): Promise<OfflineOptions> {
  const boot = { callgate: IDENTITY.version, node: process.version, command };
  const folder = await dataFolder(options);
  if (options.data !== undefined) return { folder, boot };
  const key = heldFileKey(folder);
  const config = await configOf(options, "skip");
  // The key that was named, on the command line or in the environment, comes before the configuration's.
  if (key !== undefined) holdFileKey(config.data, key);
  const { anchors, signatures } = config.ledger;
  return { folder: config.data, anchors, signatures, boot };
}

/** `callgate ledger seal`: closes a segment. */
export function sealCommand(): Command {
  return withConfig(new Command("seal"))
    .description("close a segment: seal all records since the last seal (the broker must be stopped)")
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const seq = await sealLedger(await offline(options, "ledger seal"));
      if (options.json) console.log(JSON.stringify({ seal: seq ?? null }));
      else console.log(seq === undefined ? "there is nothing to seal" : `sealed: the seal is record ${seq}`);
    });
}

/** `callgate ledger archive`: moves sealed segments to files of their own. */
export function archiveCommand(): Command {
  return withConfig(new Command("archive"))
    .description("move sealed segments out of the ledger; what remains proves as before (the broker must be stopped)")
    .requiredOption("--before <seq>", "those that end before this record")
    .requiredOption("--to <folder>", "where their files go")
    .option("--json", "print JSON, one file a line")
    .action(async (options: Options & { before: string; to: string }) => {
      const before = Number(options.before);
      if (!Number.isSafeInteger(before) || before < 1)
        throw new CallgateError("BAD_ARGUMENT", `\`${options.before}\` is not the number of a record`, {
          help: "write it as in `--before 1000000`",
        });
      const segments = await archiveSegments(await offline(options, "ledger archive"), { before, to: options.to });
      for (const segment of segments) {
        if (options.json) console.log(JSON.stringify(segment));
        else console.log(`archived: records ${segment.from} to ${segment.to} in ${printable(segment.file)}`);
      }
    });
}

/** Takes the arguments of a session's held calls out of a data folder. Throws `APPROVALS_BUSY` if a reader keeps them there. */
function forgetApprovals(folder: string, session: string): void {
  if (!existsSync(join(folder, "approvals.db"))) return;
  const store = new ApprovalStore(folder);
  try {
    if (!store.forget(session))
      throw new CallgateError("APPROVALS_BUSY", "another program reads the approvals, which still have the arguments", {
        help: "run it again once no other program reads them",
      });
  } finally {
    store.close();
  }
}

/** `callgate ledger shred`: makes a session's payloads unreadable. */
export function shredCommand(): Command {
  return withConfig(new Command("shred"))
    .description("make a session's arguments, results and facts unreadable for good (the broker must be stopped)")
    .requiredOption("-s, --session <id>", "the session, as its records name it")
    .option("--json", "print JSON")
    .action(async (options: Options & { session: string }) => {
      const { session } = options;
      const where = await offline(options, "ledger shred");
      const { seq, hadKey } = await shredSession(where, session);
      forgetApprovals(where.folder, session);
      if (options.json) console.log(JSON.stringify({ session, record: seq, hadKey }));
      else
        console.log(
          hadKey
            ? `shredded: the key of \`${printable(session)}\` is gone; record ${seq} says so`
            : `there was no key of \`${printable(session)}\` any more; record ${seq} says so`,
        );
    });
}
