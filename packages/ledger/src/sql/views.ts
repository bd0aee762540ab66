/** A leaf that somebody edited may be no JSON any more: then nothing can be said of it, and of all others it can. */
const json = (column: string): string => `CASE WHEN json_valid(${column}) THEN ${column} END`;
const field = (column: string, path: string, arrow: "->" | "->>" = "->>"): string =>
  `(${json(column)}) ${arrow} '$.${path}'`;
const leaf = (path: string): string => field("leaf", path);
const TIME = "strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1000.0, 'unixepoch')";

/**
 * The views that analysts read, made for the one connection that runs their statement. Columns stay; new ones come at
 * the end.
 */
export const VIEWS: { readonly [name: string]: string } = {
  records: `SELECT seq, ${TIME} AS time, ts, kind, agent, ${leaf("user")} AS user, session, call, ${leaf("parent")} AS parent,
    ${leaf("trace")} AS trace, ${leaf("boot")} AS boot, ${leaf("tool.server")} AS server, tool, verdict, status,
    ${field("leaf", "decision.rules", "->")} AS rules, ${leaf("decision.rules[0]")} AS rule, ${leaf("decision.approver")} AS approver,
    ${leaf("error.code")} AS error, ${leaf("error.message")} AS message, ${leaf("ms")} AS ms, ${leaf("args")} AS args,
    ${leaf("result")} AS result, ${field("leaf", "detail", "->")} AS detail, lower(hex(hash)) AS hash, leaf
  FROM record`,
  calls: `SELECT d.seq, strftime('%Y-%m-%dT%H:%M:%fZ', d.ts / 1000.0, 'unixepoch') AS time, d.ts, d.call,
    ${field("d.leaf", "parent")} AS parent, d.agent, ${field("d.leaf", "user")} AS user, d.session, ${field("d.leaf", "tool.server")} AS server, d.tool,
    d.verdict, ${field("d.leaf", "decision.rules", "->")} AS rules, ${field("d.leaf", "decision.rules[0]")} AS rule,
    ${field("d.leaf", "decision.approver")} AS approver, o.status, ${field("o.leaf", "ms")} AS ms,
    coalesce(${field("d.leaf", "error.code")}, ${field("o.leaf", "error.code")}) AS error,
    coalesce(${field("d.leaf", "error.message")}, ${field("o.leaf", "error.message")}) AS message, o.seq AS outcome
  FROM record AS d LEFT JOIN record AS o ON o.call = d.call AND o.kind = 'outcome'
  WHERE d.kind IN ('intent', 'denial')`,
};
