export type Cell = string | number | null;
export type Row = readonly Cell[];

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

export interface Condition {
  readonly column: string;
  readonly is: "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains";
  readonly value: string | number;
}

export interface Aggregate {
  readonly of: "count" | "sum" | "mean" | "min" | "max";
  readonly column?: string | undefined;
  readonly as?: string | undefined;
}

/** The place of a column. Throws with the names there are. */
export function indexOf({ columns }: Table, name: string): number {
  const at = columns.indexOf(name);
  if (at < 0) throw new Error(`there is no column \`${name}\`; there are ${columns.map((c) => `\`${c}\``).join(", ")}`);
  return at;
}

/** Rows of cells as a table: the first row has the names; a column whose cells are all numbers is one of numbers. */
export function tableOf([names = [], ...rows]: readonly (readonly string[])[]): Table {
  const ragged = rows.findIndex((row) => row.length !== names.length);
  const bad = rows[ragged];
  if (bad) throw new Error(`row ${ragged + 2} has ${bad.length} cells, and the first row ${names.length}`);
  if (new Set(names).size < names.length) throw new Error("two columns have the same name");
  const isNumber = names.map((_, i) => {
    const cells = rows.map((row) => (row[i] as string).trim()).filter((cell) => cell !== "");
    return cells.length > 0 && cells.every((cell) => /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(cell));
  });
  return {
    columns: names,
    rows: rows.map((row) =>
      row.map((cell, i): Cell => (isNumber[i] ? (cell.trim() === "" ? null : Number(cell)) : cell)),
    ),
  };
}

export function filtered(table: Table, conditions: readonly Condition[]): Table {
  const tests = conditions.map((condition) => ({ ...condition, at: indexOf(table, condition.column) }));
  return {
    ...table,
    rows: table.rows.filter((row) => tests.every(({ at, is, value }) => holds(row[at] ?? null, is, value))),
  };
}

function holds(cell: Cell, is: Condition["is"], value: string | number): boolean {
  if (is === "contains")
    return String(cell ?? "")
      .toLowerCase()
      .includes(String(value).toLowerCase());
  if (cell === null) return is === "!=";
  const order = typeof cell === "number" ? cell - Number(value) : compareTexts(cell, String(value));
  switch (is) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

/** One row for each combination of the `by` columns, in the order in which they come first. Without `by`: one row. */
export function grouped(table: Table, by: readonly string[], aggregates: readonly Aggregate[]): Table {
  const keys = by.map((name) => indexOf(table, name));
  const groups = new Map<string, Row[]>(by.length === 0 ? [["[]", []]] : []);
  for (const row of table.rows) {
    const key = JSON.stringify(keys.map((at) => row[at]));
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  }
  const columns = [...by, ...aggregates.map((a) => a.as ?? (a.column === undefined ? a.of : `${a.of}_${a.column}`))];
  const rows = [...groups].map(
    ([key, members]): Row => [...(JSON.parse(key) as Cell[]), ...aggregates.map((a) => aggregate(table, members, a))],
  );
  return { columns, rows };
}

function aggregate(table: Table, rows: readonly Row[], { of, column }: Aggregate): Cell {
  if (column === undefined) {
    if (of === "count") return rows.length;
    throw new Error(`\`${of}\` needs a column`);
  }
  const at = indexOf(table, column);
  const cells = rows.map((row) => row[at] ?? null).filter((cell) => cell !== null && cell !== "");
  if (of === "count") return cells.length;
  if (cells.length === 0) return null;
  if (of === "min" || of === "max") return cells.toSorted(compare).at(of === "min" ? 0 : -1) ?? null;
  const sum = cells.reduce<number>((total, cell) => {
    if (typeof cell !== "number") throw new Error(`\`${column}\` is no column of numbers: it has \`${cell}\``);
    return total + cell;
  }, 0);
  return of === "sum" ? sum : sum / cells.length;
}

export function sorted(
  table: Table,
  order: readonly { readonly column: string; readonly descending: boolean }[],
): Table {
  const keys = order.map(({ column, descending }) => ({ at: indexOf(table, column), sign: descending ? -1 : 1 }));
  const rows = table.rows.toSorted((a, b) => {
    for (const { at, sign } of keys) {
      const found = compare(a[at] ?? null, b[at] ?? null) * sign;
      if (found !== 0) return found;
    }
    return 0;
  });
  return { ...table, rows };
}

export function selected(table: Table, columns: readonly string[]): Table {
  const at = columns.map((name) => indexOf(table, name));
  return { columns, rows: table.rows.map((row) => at.map((i) => row[i] ?? null)) };
}

/** Empty cells first, then numbers, then texts. */
function compare(a: Cell, b: Cell): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
  const rank = (cell: Cell): number => (cell === null ? 0 : typeof cell === "number" ? 1 : 2);
  return rank(a) - rank(b);
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
