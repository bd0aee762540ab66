import { Command } from "commander";
import { withKeyFile } from "../configuration.ts";
import { anchorsCommand } from "./ledger-anchors.ts";
import { decryptCommand, encryptCommand } from "./ledger-encryption.ts";
import { exportCommand } from "./ledger-export.ts";
import { indexCommand } from "./ledger-index.ts";
import { archiveCommand, sealCommand, shredCommand } from "./ledger-keep.ts";
import { ledgerMcpCommand } from "./ledger-mcp.ts";
import { proofCommand } from "./ledger-proof.ts";
import { queryCommand } from "./ledger-query.ts";
import { showCommand } from "./ledger-show.ts";
import { sqlCommand } from "./ledger-sql.ts";
import { statsCommand } from "./ledger-stats.ts";
import { tailCommand } from "./ledger-tail.ts";
import { timelineCommand } from "./ledger-timeline.ts";
import { treeCommand } from "./ledger-tree.ts";
import { ledgerVerifyCommand } from "./ledger-verify.ts";

/** `callgate ledger`: reads the record of every call, beside a running broker or without one. */
export function ledgerCommand(): Command {
  const ledger = new Command("ledger")
    .description("the record of every call: follow it, search it, check it")
    .addCommand(tailCommand())
    .addCommand(queryCommand())
    .addCommand(showCommand())
    .addCommand(timelineCommand())
    .addCommand(treeCommand())
    .addCommand(statsCommand())
    .addCommand(sqlCommand())
    .addCommand(indexCommand())
    .addCommand(exportCommand())
    .addCommand(proofCommand())
    .addCommand(ledgerVerifyCommand())
    .addCommand(anchorsCommand())
    .addCommand(sealCommand())
    .addCommand(archiveCommand())
    .addCommand(shredCommand())
    .addCommand(encryptCommand())
    .addCommand(decryptCommand())
    .addCommand(ledgerMcpCommand());
  return withKeyFile(ledger);
}
