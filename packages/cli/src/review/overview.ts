import { heldFileKey } from "@callgate/ledger";
import { verifyLedger } from "@callgate/verify";
import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { Counting } from "../statistics.ts";
import { type Desk, queryOf, registerLook } from "./desk.ts";
import { quoted, UNTRUSTED } from "./untrusted.ts";

const COUNTS = z.array(z.object({ name: z.string(), count: z.number().int() }));
const TOP = 10;
const FINDINGS = 20;

/** Registers `stats` and `verify`. */
export function registerOverviewTools(server: McpServer, desk: Desk): void {
  registerLook(
    server,
    "stats",
    "What records come to: calls run and denied, what was denied most and by which rules, the slowest tools, the busiest agents.",
    {
      input: z.object({
        query: z.string().max(2000).default("").describe("as in `query_records`"),
        newest: z.number().int().min(1).max(100_000).default(20_000).describe("so many records are counted at most"),
      }),
      output: z.object({
        records: z.number().int(),
        whole: z.boolean().describe("false if older records that match were left out"),
        from: z.string().optional(),
        to: z.string().optional(),
        calls: z.number().int(),
        run: z.number().int(),
        denied: z.number().int(),
        held: z.number().int(),
        statuses: COUNTS,
        deniedRules: COUNTS,
        errors: COUNTS,
        slowest: z.array(
          z.object({ tool: z.string(), calls: z.number().int(), p50: z.number(), p95: z.number(), max: z.number() }),
        ),
        agents: z.array(z.object({ name: z.string(), calls: z.number().int(), denied: z.number().int() })),
        untrusted: z.object({ deniedTools: COUNTS }).describe(UNTRUSTED),
      }),
    },
    ({ query, newest }) => {
      const counting = new Counting();
      let [counted, whole] = [0, true];
      for (const record of desk.reader.records({ ...queryOf(query, desk), order: "desc" })) {
        if (counted === newest) {
          whole = false;
          break;
        }
        counted++;
        counting.add(record);
      }
      const told = counting.report(() => undefined, TOP);
      return {
        records: told.records,
        whole,
        ...(told.from !== undefined && { from: told.from }),
        ...(told.to !== undefined && { to: told.to }),
        calls: told.calls,
        run: told.run,
        denied: told.denied,
        held: told.held,
        statuses: [...told.statuses],
        deniedRules: [...told.deniedRules],
        errors: [...told.errors],
        slowest: [...told.tools],
        agents: told.agents.map(({ name, calls, denied }) => ({ name, calls, denied })),
        untrusted: { deniedTools: told.deniedTools.map(({ name, count }) => ({ name: quoted(name), count })) },
      };
    },
  );
  registerLook(
    server,
    "verify",
    "Checks the ledger without trusting what wrote it. `integrity`: what is there is as it was written. `completeness`: all that an anchor has seen is there.",
    {
      input: z.object({}),
      output: z.object({
        verdict: z.enum(["clean", "tampered", "incomplete", "unreadable"]),
        integrity: z.string(),
        completeness: z.string(),
        completeTo: z.number().int().optional(),
        records: z.number().int(),
        anchors: z.array(z.object({ name: z.string(), newest: z.number().int(), covers: z.number().int() })),
        unchecked: z.array(z.string()),
        findings: z.number().int(),
        untrusted: z
          .object({
            findings: z.array(z.object({ code: z.string(), seq: z.number().int().optional(), problem: z.string() })),
          })
          .describe(UNTRUSTED),
      }),
    },
    async () => {
      const fileKey = heldFileKey(desk.folder);
      const report = await verifyLedger({
        ledger: desk.folder,
        ...(fileKey !== undefined && { fileKey }),
        anchors: desk.anchors,
        witnessKeys: desk.witnessKeys,
        ...(desk.vkey !== undefined && { vkey: desk.vkey }),
      });
      const { verdict, integrity, completeness, completeTo, counts, anchors, unchecked, findings, findingCounts } =
        report;
      return {
        verdict,
        integrity,
        completeness,
        ...(completeTo !== undefined && { completeTo }),
        records: counts.records,
        anchors: anchors.map(({ name, newest, covers }) => ({ name, newest, covers })),
        unchecked: [...unchecked],
        findings: Object.values(findingCounts).reduce((sum, count) => sum + count, 0),
        untrusted: {
          findings: findings.slice(0, FINDINGS).map(({ code, seq, problem }) => ({
            code,
            ...(seq !== undefined && { seq }),
            problem: quoted(problem),
          })),
        },
      };
    },
  );
}
