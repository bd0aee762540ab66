import type { FlowFacts } from "./flow.ts";
import type { Principal } from "./principal.ts";
import type { Label, ToolEffect, ToolFacts } from "./tool.ts";

/** What the session has done so far, as policies see it. */
export interface SessionFacts {
  readonly id: string;
  readonly labels: readonly Label[];
  /** Calls admitted so far, this one not counted. */
  readonly calls: number;
  /** Cost units settled so far. */
  readonly cost: number;
  /** Unix milliseconds. */
  readonly started: number;
}

/** What the loop breaker has seen of this call. */
export interface LoopFacts {
  /** How often this tool was called with these canonical arguments in the window, this one included. */
  readonly repeats: number;
  /** Length of the cycle the session is in (2 to 4), or 0. */
  readonly period: number;
  /** True if the last repeats gave the same result. */
  readonly sameResult: boolean;
}

/** What is left of the narrowest budget of each kind. Infinity is written as -1. */
export interface BudgetFacts {
  readonly callsLeft: number;
  readonly costLeft: number;
}

/** What a call has to do with scripts that agents write. */
export interface ScriptFacts {
  /** 0: the agent itself makes the call; 1: a script that it runs does; 2: a run that the script started, and so on. */
  readonly depth: number;
  /** Of a call that runs a script: the tools (qualified names, sorted) that the script can reach, as far as its text tells. */
  readonly tools: readonly string[];
  /** The effects of these tools, together. */
  readonly effects: readonly ToolEffect[];
  /** Whether `tools` are all: false where the text hands `tools` on in a way that reading does not follow. */
  readonly complete: boolean;
}

/** The request that a policy decides on. MUST be built from the JSON-RPC body and the verified grant alone. */
export interface CallFacts {
  readonly principal: Principal & { readonly scopes: readonly string[] };
  readonly tool: ToolFacts;
  readonly args: unknown;
  readonly session: SessionFacts;
  readonly loop: LoopFacts;
  readonly budget: BudgetFacts;
  /** Where the arguments came from; absent where nobody watched the flow: then nothing is grounded. */
  readonly flow?: FlowFacts;
  /** Absent where the call neither runs a script nor is made by one. */
  readonly script?: ScriptFacts;
  /** Unix milliseconds. */
  readonly time: number;
}

/** What a tool returned, as result policies see it. */
export interface ResultFacts {
  /** `structuredContent`; absent where the tool gave none. Typed by the tool's output schema. */
  readonly structured?: unknown;
  /** The texts of the content blocks, joined by line breaks; of a resource, its text contents; of a prompt, its messages' texts. */
  readonly text: string;
  /** Whether the tool itself says that it failed. */
  readonly isError: boolean;
  /** Length of the whole result as JSON, in UTF-8 bytes. */
  readonly bytes: number;
}
