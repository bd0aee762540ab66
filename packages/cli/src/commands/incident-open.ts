import { CallgateError } from "@callgate/core";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import { type Chosen, openIncident } from "../incident/incident.ts";
import { plainIncident } from "../incident/plain.ts";
import { todayOf } from "../incident/today.ts";
import { openTellingReader } from "../reader.ts";
import { incidentLines } from "../render/incident.ts";
import { tellTakenOut } from "../taken-out.ts";

/** Options that choose an incident. */
export interface ChooseOptions {
  readonly config: string;
  readonly data?: string;
  readonly session?: string;
  readonly call?: string;
  readonly scan: string;
  readonly json?: boolean;
}

/** Adds the options that choose an incident. */
export function withChoice(command: Command): Command {
  return withConfig(command)
    .option("--session <id>", "the session")
    .option("--call <id>", "a call, and the session around it")
    .option("--scan <n>", "how many records are read for related sessions", "20000");
}

/** `callgate incident open`: the story of a session, its blast radius, and what today's policies would have done. */
export function incidentOpenCommand(): Command {
  return withChoice(new Command("open"))
    .description("the timeline of a session, what it read and where that went, today's decisions, related sessions")
    .option("--json", "print JSON")
    .action(async (options: ChooseOptions) => {
      const chosen = chosenBy(options);
      const scan = scanOf(options);
      const reader = openTellingReader(await dataFolder(options));
      try {
        tellTakenOut(reader);
        const onProgress = process.stderr.isTTY && !options.json ? progress : undefined;
        const incident = openIncident(reader, chosen, await todayOf(options), {
          scan,
          ...(onProgress && { onProgress }),
        });
        if (options.json) console.log(JSON.stringify(plainIncident(incident)));
        else console.log(incidentLines(incident, (seq) => reader.show(seq)?.payloads ?? {}).join("\n"));
      } finally {
        reader.close();
      }
    });
}

/** What was chosen. Throws `BAD_ARGUMENT` for neither and for both. */
export function chosenBy({ session, call }: ChooseOptions): Chosen {
  if (session !== undefined && call === undefined) return { session };
  if (call !== undefined && session === undefined) return { call };
  throw new CallgateError("BAD_ARGUMENT", "give either `--session` or `--call`", {
    help: "`callgate ledger tail` shows the newest calls, `callgate ledger query --json` names their sessions",
  });
}

/** Throws `BAD_ARGUMENT`. */
export function scanOf({ scan }: ChooseOptions): number {
  if (/^[1-9]\d{0,8}$/.test(scan)) return Number(scan);
  throw new CallgateError("BAD_ARGUMENT", `\`${scan}\` in \`--scan\` is not a number of records`);
}

function progress(done: number, total: number): void {
  process.stderr.write(done >= total ? "\r\x1b[K" : `\rlooking for related sessions: ${done} of ${total} records`);
}
