const leaf = (path: string): string => `leaf ->> '$.${path}'`;
const TIME = "strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1000.0, 'unixepoch')";

/**
 * The views that analysts read, made for the one connection that runs their statement. Columns stay; new ones come at
 * the end.
 */
export const VIEWS: { readonly [name: string]: string } = {
  records: `SELECT seq, ${TIME} AS time, ts, kind, agent, ${leaf("user")} AS user, session, call, ${leaf("parent")} AS parent,
    ${leaf("trace")} AS trace, ${leaf("boot")} AS boot, ${leaf("tool.server")} AS server, tool, verdict, status,
    leaf -> '$.decision.rules' AS rules, ${leaf("decision.rules[0]")} AS rule, ${leaf("decision.approver")} AS approver,
    ${leaf("error.code")} AS error, ${leaf("error.message")} AS message, ${leaf("ms")} AS ms, ${leaf("args")} AS args,
    ${leaf("result")} AS result, leaf -> '$.detail' AS detail, lower(hex(hash)) AS hash, leaf
  FROM record`,
  calls: `SELECT d.seq, strftime('%Y-%m-%dT%H:%M:%fZ', d.ts / 1000.0, 'unixepoch') AS time, d.ts, d.call,
    d.leaf ->> '$.parent' AS parent, d.agent, d.leaf ->> '$.user' AS user, d.session, d.leaf ->> '$.tool.server' AS server, d.tool,
    d.verdict, d.leaf -> '$.decision.rules' AS rules, d.leaf ->> '$.decision.rules[0]' AS rule,
    d.leaf ->> '$.decision.approver' AS approver, o.status, o.leaf ->> '$.ms' AS ms,
    coalesce(d.leaf ->> '$.error.code', o.leaf ->> '$.error.code') AS error,
    coalesce(d.leaf ->> '$.error.message', o.leaf ->> '$.error.message') AS message, o.seq AS outcome
  FROM record AS d LEFT JOIN record AS o ON o.call = d.call AND o.kind = 'outcome'
  WHERE d.kind IN ('intent', 'denial')`,
};
