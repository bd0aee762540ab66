import { type Diagnostic, exactNumber, type Span } from "@callgate/core";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";
import type { PolicySource } from "./port.ts";
import { didYouMean } from "./suggest.ts";

/** A node of a YAML file, read as what it should be. Reports to one list of diagnostics, with positions. */
export class SourceFile {
  readonly file: string;
  readonly diagnostics: Diagnostic[] = [];
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(source: PolicySource) {
    this.file = source.file;
    this.#text = source.text;
    this.#document = parseDocument(source.text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      strict: true,
      uniqueKeys: true,
      intAsBigInt: true,
    });
    // Numbers are as in arguments that came as JSON, so that a rule means the same of both.
    visit(this.#document, {
      Scalar: (_, node) => {
        if (typeof node.value === "bigint") node.value = exactNumber(Number(node.value), String(node.value));
        else if (typeof node.value === "number") node.value = exactNumber(node.value, "");
      },
    });
    for (const error of this.#document.errors) {
      const message = error.message.split("\n")[0]?.replace(/\.$/, "") ?? "invalid YAML";
      this.diagnostics.push({ message: lowerFirst(message), span: this.at(error.pos[0]) });
    }
  }

  get root(): Node | null {
    return this.#document.contents as Node | null;
  }

  at(offset: number): Span {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  spanOf(node: Node | null | undefined): Span {
    return this.at(node?.range?.[0] ?? 0);
  }

  report(message: string, node: Node | null | undefined, help?: string): undefined {
    const span = this.spanOf(node);
    this.diagnostics.push(help === undefined ? { message, span } : { message, span, help });
    return undefined;
  }

  /** The entries of a mapping whose keys are all known; a key that is not is reported. */
  fields(
    node: Node | null | undefined,
    known: readonly string[],
    what: string,
  ): Map<string, { key: Node; value: Node | null }> | undefined {
    if (isAlias(node)) return this.report(`${what} is an alias`, node, "write it out: policy files take no aliases");
    if (!isMap(node)) return this.report(`${what} must be a mapping`, node);
    const fields = new Map<string, { key: Node; value: Node | null }>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : "?";
      if (!known.includes(name))
        this.report(`unknown field \`${name}\` in ${what}`, key as Node, didYouMean(name, known, "known fields"));
      fields.set(name, { key: key as Node, value: value as Node | null });
    }
    return fields;
  }

  items(node: Node | null | undefined, what: string): readonly Node[] | undefined {
    if (!isSeq(node)) return this.report(`${what} must be a list`, node);
    return node.items as Node[];
  }

  text(node: Node | null | undefined, what: string): string | undefined {
    if (isScalar(node) && typeof node.value === "string") return node.value;
    // `when: true` and `id: 7` are written without quotes and mean their text.
    if (isScalar(node) && ["boolean", "number", "bigint"].includes(typeof node.value))
      return String(node.source ?? node.value);
    return this.report(`${what} must be a text`, node);
  }

  scalar(node: Node | null | undefined): unknown {
    return isScalar(node) ? node.value : undefined;
  }

  plain(node: Node | null | undefined): unknown {
    return node === null || node === undefined ? undefined : node.toJS(this.#document);
  }

  texts(node: Node | null | undefined, what: string): string[] | undefined {
    const items = this.items(node, what);
    if (!items) return undefined;
    return items.flatMap((item) => this.text(item, `each of ${what}`) ?? []);
  }

  /** Finds where a character of a scalar's value stands in the file, through quotes, escapes, folding and indentation. */
  locate(node: Scalar, value: string): (offset: number) => Span {
    const [start, end] = node.range ?? [0, 0, 0];
    let at = start;
    if (node.type === "BLOCK_FOLDED" || node.type === "BLOCK_LITERAL") at = this.#text.indexOf("\n", start) + 1;
    else if (node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE") at += 1;
    const positions: number[] = [];
    for (const character of value.split("")) {
      if (character === " " || character === "\n") {
        const here = this.#text[at];
        positions.push(at);
        if (here === character || here === "\n" || here === "\r") at += 1;
        // A folded line break and the next line's indentation are one space of the value.
        if (here === "\n" || here === "\r") while (this.#text[at] === " " && at < end) at += 1;
        continue;
      }
      while (at < end && this.#text[at] !== character) at += 1;
      positions.push(at);
      at += 1;
    }
    return (offset) => this.at(positions[offset] ?? (positions.at(-1) ?? at) + 1);
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
