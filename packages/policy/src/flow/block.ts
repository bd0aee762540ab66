/**
 * Reads block YAML as programs print it (mappings, lists, plain and quoted scalars over several lines, literal blocks), in one
 * pass and far faster than a full reader. Undefined for a text that is not that, or that does more: flow collections with
 * content, anchors, tags, several documents. MUST NOT guess: a line that does not fit refuses the whole text.
 */
export function readBlock(text: string): unknown {
  if (!/^(?:- |-\n|[\w"'][^\n]{0,200}?:(?: |\n))/.test(text)) return undefined;
  const reader = new Reader(text.replace(/\r\n/g, "\n").split("\n"));
  try {
    const value = reader.node(0);
    return reader.done() ? value : undefined;
  } catch (error) {
    if (error === MALFORMED) return undefined;
    throw error;
  }
}

// One object for all: a stack trace would cost more than the reading.
const MALFORMED = new Error("malformed");
const KEY =
  /^(?:([A-Za-z0-9_][^:#"'\n]{0,100}?|[^\s:#"'&*!|>%@`,[\]{}-][^:#\n]{0,100}?)|'((?:[^']|'')*)'|"((?:[^"\\]|\\.)*)"):(?: +(.*)|)$/s;

class Reader {
  readonly #lines: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  done(): boolean {
    return this.#peek() === undefined;
  }

  /** The next line with something on it. */
  #peek(): { readonly indent: number; readonly rest: string } | undefined {
    while (this.#at < this.#lines.length && (this.#lines[this.#at] as string).trim() === "") this.#at += 1;
    const line = this.#lines[this.#at];
    if (line === undefined) return undefined;
    const rest = line.trimStart();
    return { indent: line.length - rest.length, rest };
  }

  /** The collection whose lines are indented by exactly this much. */
  node(indent: number): unknown {
    if (++this.#depth > 64) throw MALFORMED;
    const line = this.#peek();
    if (!line || line.indent !== indent) throw MALFORMED;
    const value = line.rest.startsWith("- ") || line.rest === "-" ? this.#list(indent) : this.#map(indent);
    this.#depth -= 1;
    return value;
  }

  #list(indent: number): unknown[] {
    const items: unknown[] = [];
    for (;;) {
      const line = this.#peek();
      if (!line || line.indent !== indent || !(line.rest.startsWith("- ") || line.rest === "-")) return items;
      if (line.rest === "-") {
        this.#at += 1;
        items.push(this.#nested(indent, false));
        continue;
      }
      const inner = line.rest.slice(2).trimStart();
      const offset = indent + line.rest.length - inner.length;
      if (KEY.test(inner) || inner.startsWith("- ")) {
        // The item is a collection that starts on the line of its dash: read on as if the dash were a space.
        (this.#lines as string[])[this.#at] = `${" ".repeat(offset)}${inner}`;
        items.push(this.node(offset));
      } else items.push(this.#scalar(inner, indent));
    }
  }

  #map(indent: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (;;) {
      const line = this.#peek();
      if (!line || line.indent < indent || line.rest.startsWith("- ")) break;
      if (line.indent > indent) throw MALFORMED;
      const match = KEY.exec(line.rest);
      if (!match) throw MALFORMED;
      const key = match[1] ?? match[2]?.replaceAll("''", "'") ?? match[3] ?? "";
      const rest = match[4] ?? "";
      if (rest === "") {
        this.#at += 1;
        entries.push([key, this.#nested(indent, true)]);
      } else entries.push([key, this.#scalar(rest, indent)]);
    }
    if (entries.length === 0) throw MALFORMED;
    return Object.fromEntries(entries);
  }

  /** What stands below a key or a dash with nothing behind it: a list may be as far left as its key, not as its dash. */
  #nested(indent: number, isKey: boolean): unknown {
    const line = this.#peek();
    if (!line) return null;
    if (line.indent > indent) {
      if (/^[-?]( |$)/.test(line.rest) || KEY.test(line.rest)) return this.node(line.indent);
      return this.#scalar(line.rest, indent);
    }
    return isKey && line.indent === indent && line.rest.startsWith("- ") ? this.#list(indent) : null;
  }

  #scalar(first: string, indent: number): unknown {
    this.#at += 1;
    const start = first[0] as string;
    if (start === "'" || start === '"') return this.#quoted(first, start);
    if (/^[|>][+-]?$/.test(first)) return this.#literal(indent);
    if (first === "[]") return [];
    if (first === "{}") return {};
    if (/^[&*!%@`[{]/.test(start)) throw MALFORMED;
    const parts = [first];
    // A plain scalar goes on while lines are indented more; an empty line is a line break.
    while (this.#at < this.#lines.length) {
      const next = this.#nextFull();
      const line = this.#lines[next];
      if (line === undefined) break;
      const rest = line.trimStart();
      if (line.length - rest.length <= indent) break;
      if (next > this.#at) parts.push("\n");
      parts.push(rest.trimEnd());
      this.#at = next + 1;
    }
    const text = parts.join(" ");
    if (parts.length === 1) {
      if (text === "null" || text === "~") return null;
      if (text === "true" || text === "false") return text === "true";
    }
    return text;
  }

  /** The number of the next line with something on it. */
  #nextFull(): number {
    let i = this.#at;
    while (i < this.#lines.length && (this.#lines[i] as string).trim() === "") i += 1;
    return i;
  }

  #quoted(first: string, quote: string): string {
    const parts: string[] = [];
    let line = first;
    for (;;) {
      const end = closing(line, quote, parts.length === 0 ? 1 : 0);
      if (end !== undefined) {
        if (line.slice(end + 1).trim() !== "") throw MALFORMED;
        parts.push(line.slice(0, end));
        return unquote(parts.join("\n").slice(1), quote);
      }
      parts.push(line);
      const next = this.#lines[this.#at];
      if (next === undefined) throw MALFORMED;
      this.#at += 1;
      line = next.trim();
    }
  }

  #literal(indent: number): string {
    const out: string[] = [];
    while (this.#at < this.#lines.length) {
      const line = this.#lines[this.#at] as string;
      if (line.trim() !== "" && line.length - line.trimStart().length <= indent) break;
      out.push(line.trim());
      this.#at += 1;
    }
    return out.join("\n");
  }
}

/** Where in a line a quoted scalar ends; undefined if it goes on. */
function closing(line: string, quote: string, from: number): number | undefined {
  for (let i = from; i < line.length; i++) {
    if (line[i] === "\\" && quote === '"') i += 1;
    else if (line[i] === quote) {
      if (quote === '"' || line[i + 1] !== quote) return i;
      i += 1;
    }
  }
  return undefined;
}

function unquote(text: string, quote: string): string {
  const folded = text.replace(/\\\n *(?:\\(?= ))?/g, "").replace(/\n(\n*)/g, (_, more: string) => more || " ");
  if (quote === "'") return folded.replaceAll("''", "'");
  return folded.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[\s\S])/g, (_, e: string) => {
    if (e.length > 1) return String.fromCodePoint(Math.min(Number.parseInt(e.slice(1), 16), 0x10ffff));
    return { n: "\n", t: "\t", r: "\r", e: "\u001b", N: "\u0085", _: "\u00a0" }[e] ?? e;
  });
}
