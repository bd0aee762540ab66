import { CallgateError } from "@callgate/core";
import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { gather, type IncidentCall } from "../incident/calls.ts";
import { treeOf } from "../incident/tree.ts";
import { errorText } from "../render/said.ts";
import { type Desk, registerLook } from "./desk.ts";
import { quoted, UNTRUSTED } from "./untrusted.ts";

/** A call of a session, for a model. */
const CALL = z.object({
  call: z.string(),
  parent: z.string().optional(),
  tool: z.string().optional(),
  time: z.string(),
  ending: z.enum(["ran", "denied", "held"]),
  rules: z.array(z.string()),
  status: z.string().optional(),
  ms: z.number().optional(),
  labels: z.array(z.string()),
  effects: z.array(z.string()),
  seqs: z.array(z.number().int()),
  untrusted: z
    .object({ tool: z.string().optional(), message: z.string().optional(), args: z.string().optional() })
    .optional()
    .describe(UNTRUSTED),
});

/** Registers `session_timeline` and `call_tree`. */
export function registerSessionTools(server: McpServer, desk: Desk): void {
  registerLook(
    server,
    "session_timeline",
    "The calls of a session, oldest first: what was decided of each, by which rules, and how it ended.",
    {
      input: z.object({
        session: z.string().max(200),
        skip: z.number().int().min(0).default(0).describe("calls to leave out at the beginning"),
        limit: z.number().int().min(1).max(100).default(50),
      }),
      output: z.object({
        session: z.string(),
        agent: z.string().optional(),
        user: z.string().optional(),
        from: z.string(),
        to: z.string(),
        calls: z.array(CALL),
        total: z.number().int(),
        truncated: z.boolean().describe("true if the session has more records than are looked at"),
      }),
    },
    async ({ session, skip, limit }) => {
      const { records, calls, truncated } = await callsIn(desk, session);
      const [first, last] = [records[0], records.at(-1)];
      if (!first || !last) throw new CallgateError("NO_RECORD", "there is no such session");
      return {
        session,
        ...(first.agent !== undefined && { agent: first.agent }),
        ...(first.user !== undefined && { user: first.user }),
        from: first.ts,
        to: last.ts,
        calls: calls.slice(skip, skip + limit).map((call) => callView(call, desk)),
        total: calls.length,
        truncated,
      };
    },
  );
  registerLook(
    server,
    "call_tree",
    "A call with the calls that it came from and those that came from it: retries, and the calls of a script.",
    {
      input: z.object({ call: z.string().max(200) }),
      output: z.object({
        session: z.string(),
        calls: z.array(CALL.extend({ depth: z.number().int() })),
        more: z.boolean(),
      }),
    },
    async ({ call }) => {
      const session = desk.reader.query({ call, limit: 1 })[0]?.session;
      if (session === undefined) throw new CallgateError("NO_RECORD", "there is no such call in a session");
      const { calls } = await callsIn(desk, session);
      const tree = treeOf(call, calls);
      return {
        session,
        calls: tree.slice(0, MOST_CALLS).map(({ of, depth }) => ({ ...callView(of, desk), depth })),
        more: tree.length > MOST_CALLS,
      };
    },
  );
}

const MOST_CALLS = 100;

async function callsIn(desk: Desk, session: string): Promise<ReturnType<typeof gather>> {
  const { tools } = await desk.today();
  return gather(desk.reader, session, new Map(tools.map((tool) => [tool.qualified, tool])));
}

function callView(call: IncidentCall, desk: Desk): z.infer<typeof CALL> {
  const { tool, ending, records, decided, outcome, labels, effects, payloads, parent } = call;
  const known = records.some((record) => record.tool && record.tool.server !== "");
  const failure = outcome && errorText(outcome, desk.payloads ? call.result : undefined);
  const message = failure ?? (ending === "ran" ? undefined : decided?.error?.message);
  const untrusted = {
    ...(!known && tool !== "-" && { tool: quoted(tool) }),
    ...(message !== undefined && { message: quoted(message) }),
    ...(desk.payloads && payloads["args"] !== undefined && { args: quoted(payloads["args"]) }),
  };
  return {
    call: call.call,
    ...(parent !== undefined && { parent }),
    ...(known && { tool }),
    time: records[0]?.ts ?? "",
    ending,
    rules: [...(decided?.decision?.rules ?? [])],
    ...(outcome?.status !== undefined && { status: outcome.status }),
    ...(outcome?.ms !== undefined && { ms: outcome.ms }),
    labels: [...labels],
    effects: [...effects],
    seqs: records.map((record) => record.seq),
    ...(Object.keys(untrusted).length > 0 && { untrusted }),
  };
}
