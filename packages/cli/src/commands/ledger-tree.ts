import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { type ReaderOptions, withReader } from "../record-selection.ts";
import { payloadTexts } from "../render/records.ts";
import { callTrees, treeLines, treeWith } from "../render/tree.ts";
import { sessionRecords } from "./ledger-timeline.ts";

interface Options extends ReaderOptions {
  readonly call?: string;
  readonly session?: string;
}

const WIDTH = 160;

/** `callgate ledger tree`: which call caused which. */
export function treeCommand(): Command {
  return withConfig(new Command("tree"))
    .description("calls with the calls that they caused: those of a script, and the rounds of one that asked something")
    .option("--call <id>", "the tree that this call is in")
    .option("--session <id>", "all trees of a session (default: that of the newest call)")
    .option("--json", "print JSON")
    .action((options: Options) =>
      withReader(options, (reader) => {
        const { call } = options;
        const known = call === undefined ? undefined : reader.query({ call, limit: 1 })[0];
        if (call !== undefined && !known)
          throw new CallgateError("NO_RECORD", `there is no call \`${printable(call)}\``, {
            help: "calls are named in `callgate ledger query --json`",
          });
        const session = known?.session ?? options.session;
        const records =
          known && known.session === undefined
            ? reader.query({ call: known.call as string, order: "asc", limit: 1000 })
            : sessionRecords(reader, session);
        const trees = callTrees(records);
        const wanted = call === undefined ? trees : [treeWith(trees, call)].filter((tree) => tree !== undefined);
        if (options.json) return console.log(JSON.stringify(wanted));
        const argsOf = (seq: number): string | undefined => {
          const shown = reader.show(seq);
          return shown && payloadTexts(shown)["args"];
        };
        for (const tree of wanted)
          console.log(treeLines(tree, argsOf, call, process.stdout.columns ?? WIDTH).join("\n"));
      }),
    );
}
