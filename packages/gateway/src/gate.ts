import type { Naming } from "@callgate/core";
import type { Ledger } from "@callgate/ledger";
import type { PolicySet } from "@callgate/policy";
import type { Logger } from "pino";
import type { ApprovalStore } from "./approvals.ts";
import type { BudgetBook } from "./budget.ts";
import type { ApprovalConfig, CodeConfig, LoopConfig, MessageLimits } from "./config/index.ts";
import type { Parking } from "./parking.ts";
import type { RateCaps } from "./rate-cap.ts";
import type { Redaction } from "./record-redaction.ts";
import type { Registry } from "./registry.ts";
import type { StateSeal } from "./state.ts";

/** What the life of a call needs, and nothing more. A reload swaps `policies` and the settings; a call keeps what it began with. */
export interface Gate {
  naming: Naming;
  limits: MessageLimits;
  loop: LoopConfig;
  approvalTimes: ApprovalConfig;
  policies: PolicySet;
  /** Scripts of agents; absent where they cannot run any. */
  code: CodeConfig | undefined;
  /** What is kept out of the record. */
  redaction: Redaction;
  readonly registry: Registry;
  readonly budgets: BudgetBook;
  readonly rates: RateCaps;
  readonly ledger: Ledger;
  readonly approvals: ApprovalStore;
  readonly seal: StateSeal;
  readonly parking: Parking;
  readonly log: Logger;
}
