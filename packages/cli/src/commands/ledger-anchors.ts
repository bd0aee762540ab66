import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { anchorName, readCosigned } from "@callgate/ledger";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import type { FolderOptions } from "../data.ts";
import { table } from "../output.ts";
import { withReader } from "../record-selection.ts";

/** How an anchor stands, as far as the data folder and the anchor's own file say. */
interface Standing {
  readonly anchor: string;
  readonly required: boolean;
  /** Records that a witness has signed for; absent for an anchor that signs nothing. */
  readonly signed?: number;
  readonly behind?: number;
  readonly by?: readonly { readonly name: string; readonly at: string }[];
}

/** `callgate ledger anchors`: who keeps checkpoints, and what the witnesses among them have signed. */
export function anchorsCommand(): Command {
  return withConfig(new Command("anchors"))
    .description(
      "the anchors of the configuration, and what the witnesses among them have signed (nothing is asked of them)",
    )
    .option("--json", "print JSON, one anchor a line")
    .action((options: FolderOptions & { readonly json?: boolean }) =>
      withReader(options, async (reader, folder) => {
        const { head } = reader.searchState();
        const configured = await anchorsOf(options);
        const kept = readCosigned(folder);
        const names = new Set([...configured.keys(), ...kept.map(({ anchor }) => anchor)]);
        const standings = [...names].map((anchor): Standing => {
          const one = kept.find((cosigned) => cosigned.anchor === anchor);
          return {
            anchor,
            required: configured.get(anchor) ?? false,
            ...(one !== undefined && { signed: one.size, behind: Math.max(0, head - one.size), by: one.by }),
          };
        });
        if (options.json) for (const standing of standings) console.log(JSON.stringify(standing));
        else console.log(standings.length === 0 ? "no anchor is configured" : tableOf(standings));
      }),
    );
}

/** Anchors by name, and whether each is required. Without a configuration only what was kept is known. */
async function anchorsOf(options: FolderOptions): Promise<ReadonlyMap<string, boolean>> {
  try {
    const { ledger } = await configOf(options, "skip");
    return new Map(ledger.anchors.map(({ to, required }) => [anchorName(to), required === true]));
  } catch (error) {
    if (options.data !== undefined && error instanceof CallgateError) return new Map();
    throw error;
  }
}

function tableOf(standings: readonly Standing[]): string {
  return table(
    ["anchor", "required", "signed", "behind", "by", "at"],
    standings.map(({ anchor, required, signed, behind, by = [] }) => [
      printable(anchor),
      required ? "yes" : "no",
      signed === undefined ? "-" : String(signed),
      behind === undefined ? "-" : String(behind),
      by.map(({ name }) => printable(name)).join(", ") || "-",
      by.map(({ at }) => at).join(", ") || "-",
    ]),
  );
}
