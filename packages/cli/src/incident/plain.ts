import type { Incident } from "./incident.ts";

/** An incident as JSON: what `--json` prints and a bundle holds. Records are named by their number; `ledger show` has the rest. */
export function plainIncident(incident: Incident): object {
  const { calls, records, ...rest } = incident;
  return {
    ...rest,
    records: { count: records.length, from: records[0]?.seq, to: records.at(-1)?.seq },
    calls: calls.map(({ call, parent, tool, ending, decided, outcome, labels, effects, records: own, args }) => ({
      call,
      parent,
      tool,
      ending,
      labels,
      effects,
      time: own[0]?.ts,
      seqs: own.map((record) => record.seq),
      rules: decided?.decision?.rules,
      status: outcome?.status,
      args,
    })),
  };
}
