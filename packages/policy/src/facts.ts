import {
  type CallFacts,
  EFFECTS,
  LABELS,
  type Principal,
  type ResultFacts,
  type ScriptFacts,
  type ToolFacts,
} from "@callgate/core";
import { Environment, type Variable } from "./cel/env.ts";
import { LIBRARY } from "./cel/lib/index.ts";
import { timestampOfMillis } from "./cel/time.ts";
import { BOOL, DOUBLE, INT, listOf, objectOf, STRING, TIMESTAMP, type Type } from "./cel/type.ts";
import type { Value } from "./cel/value.ts";

/** What a rule about listing may read. */
export interface ListFacts {
  readonly principal: Principal & { readonly scopes: readonly string[] };
  readonly tool: ToolFacts;
}

/** What a rule about a result may read: the call as it was decided, without what only a decision is about, and what came of it. */
export interface ReturnedFacts extends Pick<CallFacts, "principal" | "tool" | "args" | "session" | "time"> {
  readonly result: ResultFacts;
}

const PRINCIPAL = objectOf("principal", {
  agent: STRING,
  roles: listOf(STRING),
  "user?": STRING,
  scopes: listOf(STRING),
});

const TOOL = objectOf("tool", {
  server: STRING,
  name: STRING,
  qualified: STRING,
  operation: {
    kind: "string",
    values: [
      "tools/call",
      "resources/read",
      "resources/subscribe",
      "prompts/get",
      "completion/complete",
      "sandbox/fetch",
    ],
  },
  scopes: listOf(STRING),
  effects: listOf({ kind: "string", values: EFFECTS }),
  labels: listOf({ kind: "string", values: LABELS }),
  digest: STRING,
});

const SESSION = objectOf("session", {
  id: STRING,
  labels: listOf({ kind: "string", values: LABELS }),
  calls: INT,
  cost: DOUBLE,
  started: TIMESTAMP,
});

const LOOP = objectOf("loop", { repeats: INT, period: INT, sameResult: BOOL });

const BUDGET = objectOf("budget", { callsLeft: INT, costLeft: DOUBLE });

const SCRIPT = objectOf("script", {
  depth: INT,
  tools: listOf(STRING),
  effects: listOf({ kind: "string", values: EFFECTS }),
  complete: BOOL,
});
const NO_SCRIPT: ScriptFacts = { depth: 0, tools: [], effects: [], complete: true };

/** Who asked for this kind of action. */
const ACTION: Type = { kind: "string", values: ["task", "untrusted", "model"] };

function fact(name: string, type: Type, read: (facts: CallFacts) => unknown): Variable {
  return { name, type, read: (facts) => read(facts as CallFacts) as Value | undefined };
}

const LISTED = [fact("principal", PRINCIPAL, (c) => c.principal), fact("tool", TOOL, (c) => c.tool)];

/** The names that a rule about listing may use. */
export const LIST_ENVIRONMENT = new Environment(LISTED, LIBRARY);

/** What the rules of both a call and its result know. */
function shared(args: Type): Variable[] {
  return [
    ...LISTED,
    fact("args", args, (c) => c.args),
    fact("session", SESSION, (c) => c.session),
    // Longer than `session`, so that it is found first: the fact is in milliseconds, the rule sees a point in time.
    fact("session.started", TIMESTAMP, (c) => timestampOfMillis(c.session.started)),
    fact("time", TIMESTAMP, (c) => timestampOfMillis(c.time)),
  ];
}

/** The names that a rule about a call may use, with the arguments' type. */
export function callEnvironment(args: Type): Environment {
  return new Environment(
    [
      ...shared(args),
      fact("loop", LOOP, (c) => c.loop),
      fact("budget", BUDGET, (c) => c.budget),
      fact("script", SCRIPT, (c) => c.script ?? NO_SCRIPT),
      fact("action", ACTION, (c) => c.flow?.action ?? "model"),
    ],
    LIBRARY,
  );
}

/** The names that a rule about a result may use. `structured` is the type of the tool's structured content. */
export function resultEnvironment(args: Type, structured: Type): Environment {
  const type = objectOf("result", { "structured?": structured, text: STRING, isError: BOOL, bytes: INT });
  const result: Variable = {
    name: "result",
    type,
    read: (facts) => (facts as ReturnedFacts).result as unknown as Value,
  };
  return new Environment([...shared(args), result], LIBRARY);
}
