import { CallgateError } from "@callgate/core";
import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Sink } from "../incident/blast.ts";
import { type Incident, openIncident } from "../incident/incident.ts";
import { type Desk, registerLook } from "./desk.ts";
import { quoted, UNTRUSTED } from "./untrusted.ts";

/** Of each list, so many are told. */
const MOST = 50;

const SINK = z.object({
  seq: z.number().int(),
  tool: z.string(),
  effects: z.array(z.string()),
  ending: z.enum(["ran", "denied", "held"]),
  status: z.string().optional(),
  labels: z.array(z.string()).describe("labels that the session had by then"),
  action: z.string().optional().describe("who asked for this kind of act: task, untrusted, model"),
  untrusted: z
    .object({
      values: z.array(
        z.object({
          argument: z.string(),
          origins: z.array(z.string()),
          from: z.array(z.object({ tool: z.string(), seqs: z.array(z.number().int()) })),
          value: z.string().optional().describe("absent where payloads are withheld"),
        }),
      ),
    })
    .describe(UNTRUSTED),
});

const OUTPUT = z.object({
  session: z.string(),
  agent: z.string().optional(),
  user: z.string().optional(),
  from: z.string(),
  to: z.string(),
  calls: z.number().int(),
  truncated: z.boolean(),
  reads: z.array(z.object({ seq: z.number().int(), tool: z.string(), labels: z.array(z.string()) })),
  reached: z.array(SINK).describe("sinks that were reached after labelled data was read"),
  stopped: z.array(SINK).describe("sinks that were tried and stopped"),
  denied: z.array(z.object({ seq: z.number().int(), ending: z.string(), rules: z.array(z.string()) })),
  today: z.object({
    known: z.boolean(),
    why: z.string().optional(),
    policies: z.string().optional(),
    same: z.number().int().optional(),
    changed: z
      .array(
        z.object({
          seq: z.number().int(),
          then: z.string(),
          now: z.string(),
          rules: z.array(z.string()).describe("those that make today's verdict"),
        }),
      )
      .optional(),
    unreplayable: z.number().int().optional(),
  }),
  related: z.array(
    z.object({
      session: z.string(),
      agent: z.string().optional(),
      from: z.string(),
      to: z.string(),
      untrusted: z
        .object({
          indicators: z.array(
            z.object({
              kind: z.string(),
              acted: z.boolean(),
              seqs: z.array(z.number().int()),
              value: z.string().optional(),
            }),
          ),
        })
        .describe(UNTRUSTED),
    }),
  ),
  searched: z.object({ by: z.string(), from: z.number().int(), to: z.number().int(), whole: z.boolean() }),
});

/** Registers `open_incident`. */
export function registerIncidentTools(server: McpServer, desk: Desk): void {
  registerLook(
    server,
    "open_incident",
    "The blast radius of a session: what labelled data it read, which sinks it reached afterwards and with values from where, what was stopped, what today's policies would do, and other sessions with the same addresses, hosts, files or accounts.",
    {
      input: z.object({
        session: z.string().max(200).optional(),
        call: z.string().max(200).optional().describe("in place of the session: a call in it"),
        scan: z.number().int().min(1).max(100_000).default(20_000).describe("records read for related sessions"),
      }),
      output: OUTPUT,
    },
    async ({ session, call, scan }) => {
      if ((session === undefined) === (call === undefined))
        throw new CallgateError("BAD_ARGUMENT", "give either `session` or `call`");
      const chosen = session === undefined ? { call: call ?? "" } : { session };
      return incidentView(openIncident(desk.reader, chosen, await desk.today(), { scan }), desk.payloads);
    },
  );
}

function incidentView(incident: Incident, payloads: boolean): z.infer<typeof OUTPUT> {
  const { session, agent, user, from, to, calls, truncated, blast, stopped, related } = incident;
  return {
    session,
    ...(agent !== undefined && { agent }),
    ...(user !== undefined && { user }),
    from,
    to,
    calls: calls.length,
    truncated,
    reads: blast.reads.slice(0, MOST).map(({ seq, tool, labels }) => ({ seq, tool, labels: [...labels] })),
    reached: blast.reached.slice(0, MOST).map((sink) => sinkView(sink, payloads)),
    stopped: blast.stopped.slice(0, MOST).map((sink) => sinkView(sink, payloads)),
    denied: stopped.slice(0, MOST).map(({ seq, ending, rules }) => ({ seq, ending, rules: [...rules] })),
    today: todayView(incident.counterfactual),
    related: related.sessions.slice(0, MOST).map((one) => ({
      session: one.session,
      ...(one.agent !== undefined && { agent: one.agent }),
      from: one.from,
      to: one.to,
      untrusted: {
        indicators: one.indicators.slice(0, MOST).map(({ kind, value, acted, seqs }) => ({
          kind,
          acted,
          seqs: [...seqs],
          ...(payloads && { value: quoted(value) }),
        })),
      },
    })),
    searched: (({ by, from: first, to: last, whole }) => ({ by, from: first, to: last, whole }))(related.searched),
  };
}

function sinkView(sink: Sink, payloads: boolean): z.infer<typeof SINK> {
  const { seq, tool, effects, ending, status, labels, action, values } = sink;
  return {
    seq,
    tool,
    effects: [...effects],
    ending,
    ...(status !== undefined && { status }),
    labels: [...labels],
    ...(action !== undefined && { action }),
    untrusted: {
      values: values.slice(0, MOST).map(({ argument, value, origins, from }) => ({
        argument: quoted(argument),
        origins: [...origins],
        from: from.map((one) => ({ tool: one.tool, seqs: [...one.seqs] })),
        ...(payloads && { value: quoted(value) }),
      })),
    },
  };
}

function todayView(counterfactual: Incident["counterfactual"]): z.infer<typeof OUTPUT>["today"] {
  if (!counterfactual.available) return { known: false, why: counterfactual.reason };
  const changed = counterfactual.decided.filter((one) => one.changed);
  return {
    known: true,
    policies: counterfactual.policies,
    same: counterfactual.decided.length - changed.length,
    changed: changed.slice(0, MOST).map(({ seq, then, now }) => ({
      seq,
      then: then.verdict,
      now: now.verdict,
      rules: [...now.rules],
    })),
    unreplayable: counterfactual.unreplayable.length,
  };
}
