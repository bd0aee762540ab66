import * as z from "zod";
import type { ToolModule } from "../callgate.d.ts";
import { parseCsv } from "./parse.ts";
import { filtered, grouped, selected, sorted, tableOf } from "./query.ts";

const column = z.string().describe("A name in the first row.");

const Input = z.strictObject({
  csv: z.string().min(1).max(4_000_000).describe("The CSV text; its first row has the names of the columns."),
  delimiter: z.enum([",", ";", "\t", "|"]).default(","),
  where: z
    .array(
      z.strictObject({
        column,
        is: z.enum(["=", "!=", "<", "<=", ">", ">=", "contains"]),
        value: z.union([z.string(), z.number()]),
      }),
    )
    .default([])
    .describe("Conditions that a row has to meet, all of them."),
  groupBy: z.array(column).default([]),
  aggregate: z
    .array(
      z.strictObject({
        of: z.enum(["count", "sum", "mean", "min", "max"]),
        column: column.optional(),
        as: z.string().min(1).optional().describe("The name of the new column."),
      }),
    )
    .default([])
    .describe("One row for each group, or one in all."),
  sort: z.array(z.strictObject({ column, descending: z.boolean().default(false) })).default([]),
  select: z.array(column).min(1).optional().describe("The columns to give, in this order."),
  limit: z.int().min(1).max(10_000).default(100),
});

const Output = z.object({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
  total: z.int().describe("How many rows there are without the limit."),
});

export default {
  tools: {
    query: {
      description: "Queries a CSV text: conditions, groups, order, columns. Gives the rows that fit.",
      input: Input,
      output: Output,
      annotations: { title: "Query CSV", readOnlyHint: true, openWorldHint: false },
      handler({ csv, delimiter, where, groupBy, aggregate, sort, select, limit }: z.output<typeof Input>) {
        let table = filtered(tableOf(parseCsv(csv, delimiter)), where);
        if (groupBy.length > 0 || aggregate.length > 0) table = grouped(table, groupBy, aggregate);
        table = sorted(table, sort);
        if (select) table = selected(table, select);
        return { columns: table.columns, rows: table.rows.slice(0, limit), total: table.rows.length };
      },
    },
  },
} satisfies ToolModule;
