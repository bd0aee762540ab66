import { readFile } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import type { Diagnostic, Span } from "@callgate/core";
import type { Document, Pair, YAMLError } from "yaml";
import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";

/** A path inside a document: keys and indexes. */
export type Path = readonly PropertyKey[];

/** A YAML file as read: its plain value, and where each part of it stands. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  has(path: Path): boolean;
  /** Where the value at `path` begins; if it is not there, where the nearest mapping around it is named. */
  at(path: Path): Span;
  /** Where the key that ends `path` stands. */
  keyAt(path: Path): Span;
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly diagnostics: Diagnostic[] };

const MAX_BYTES = 2 ** 20;
const MAX_DEPTH = 32;
const MAX_ALIASES = 100;

/** A file's name as a person wants to read it: relative to where they stand, if it is below. */
export function shownName(file: string): string {
  const short = relative(process.cwd(), file);
  return short && !short.startsWith("..") && !isAbsolute(short) ? short : file;
}

/** Reads a text file; `subject` names it in messages, `help` says what to do if it is not there. */
export async function readText(file: string, subject: string, help: string, span?: Span): Promise<Read<string>> {
  const problem = (message: string, hint: string): Read<string> => {
    return {
      ok: false,
      diagnostics: [{ message, span: span ?? { file: shownName(file), line: 1, column: 1 }, help: hint }],
    };
  };
  let content: Buffer;
  try {
    content = await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return problem(`${subject} does not exist`, help);
    if (code === "EISDIR") return problem(`${subject} is a folder`, "give the path of a file");
    if (code === "EACCES" || code === "EPERM")
      return problem(`${subject} may not be read`, "check the file's permissions");
    return problem(`${subject} cannot be read: ${code ?? "unknown error"}`, "check the path and the file system");
  }
  if (content.length > MAX_BYTES)
    return problem(`${subject} is over 1 MiB`, "split it, or check that this is the right file");
  try {
    return { ok: true, value: new TextDecoder("utf-8", { fatal: true }).decode(content) };
  } catch {
    return problem(`${subject} is not UTF-8 text`, "save the file as UTF-8");
  }
}

/** Parses one YAML document with a mapping at its top. Never throws; finds every syntax error that the parser can. */
export function parseSource(file: string, text: string): Read<Source> {
  const lines = new LineCounter();
  const spanOf = (offset: number): Span => {
    const { line, col } = lines.linePos(offset);
    return { file: shownName(file), line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const doc = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
    logLevel: "error",
  });
  const found = syntaxErrors(doc).map((e) => syntaxProblem(e, doc, text, spanOf));
  if (found.length === 0) found.push(...structureProblems(doc, spanOf));
  if (found.length > 0) return { ok: false, diagnostics: found };
  if (doc.contents === null || (isScalar(doc.contents) && doc.contents.value === null)) {
    return bad("the file is empty", "start with `version: 1`", spanOf(0));
  }
  if (!isMap(doc.contents)) {
    return bad(
      "the file is not a mapping of keys to values",
      "start with `version: 1`",
      spanOf(doc.contents.range?.[0] ?? 0),
    );
  }
  let value: unknown;
  try {
    value = doc.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    return bad("aliases repeat too much of the file", "write the repeated parts out", spanOf(0));
  }
  return {
    ok: true,
    value: {
      file,
      value,
      has: (path) => path.length === 0 || doc.hasIn(path),
      at: (path) => locate(doc, path, false, spanOf),
      keyAt: (path) => locate(doc, path, true, spanOf),
    },
  };
}

function bad(message: string, help: string, span: Span): { ok: false; diagnostics: Diagnostic[] } {
  return { ok: false, diagnostics: [{ message, span, help }] };
}

/** Of errors that upset what follows them only the first: the rest are its echo. */
function syntaxErrors(doc: Document.Parsed): YAMLError[] {
  const alone = new Set(["DUPLICATE_KEY", "TAB_AS_INDENT", "TAG_RESOLVE_FAILED", "NON_STRING_KEY"]);
  const all = [...doc.errors, ...doc.warnings];
  const first = all.find((e) => !alone.has(e.code));
  return all.filter((e) => e === first || alone.has(e.code));
}

/** Where the quote or the bracket opens that is missing its other half at `offset`. */
function openerOf(doc: Document.Parsed, offset: number, quote: boolean): number {
  let opener = offset;
  visit(doc, {
    Node(_, node) {
      const [start = 0, , end = 0] = node.range ?? [];
      const fits = quote ? isScalar(node) : isCollection(node) && node.flow === true;
      if (fits && start < offset && end >= offset) opener = start;
    },
  });
  return opener;
}

function syntaxProblem(error: YAMLError, doc: Document.Parsed, text: string, spanOf: (o: number) => Span): Diagnostic {
  const { code, message } = error;
  const offset = error.pos[0];
  const span = spanOf(offset);
  const unclosed = /(?:end with a|closing) (.)/.exec(message)?.[1];
  if (unclosed !== undefined) {
    const quote = code === "MISSING_CHAR" && !"]}".includes(unclosed);
    const what = quote ? "quote" : "bracket";
    return {
      message: `this ${what} is not closed`,
      span: spanOf(openerOf(doc, offset, quote)),
      help: `add the closing \`${unclosed}\`${quote ? "" : ", and indent what is inside"}`,
    };
  }
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:,{}[\]]+)/.exec(text.slice(offset))?.[0] ?? "";
  switch (code) {
    case "DUPLICATE_KEY":
      return { message: `key \`${key}\` is written twice`, span, help: "keep one of them" };
    case "TAB_AS_INDENT":
      return { message: "a tab is used to indent", span, help: "indent with spaces" };
    case "MULTIPLE_DOCS":
      return {
        message: "the file holds more than one document",
        span,
        help: "remove the `---` line and what follows it",
      };
    case "TAG_RESOLVE_FAILED":
      return {
        message: `tag \`${key}\` is not known`,
        span,
        help: "remove the tag; quote a text that starts with `!`",
      };
    case "RESOURCE_EXHAUSTION":
      return { message: "the file is nested too deeply", span, help: `nest at most ${MAX_DEPTH} levels` };
    case "NON_STRING_KEY":
      return { message: "a key is not a text", span, help: "write keys as plain words" };
    case "BAD_SCALAR_START":
      return { message: "a text that starts with ` or @ needs quotes", span, help: "put the text in double quotes" };
    default: {
      const said = `${message.charAt(0).toLowerCase()}${message.slice(1)}`.replace(/\.$/, "");
      return {
        message: `not valid YAML: ${said}`,
        span,
        help: "check the indentation, the quotes and the brackets just before this place",
      };
    }
  }
}

/** What is valid YAML but no business of a configuration. */
function structureProblems(doc: Document.Parsed, spanOf: (o: number) => Span): Diagnostic[] {
  const found: Diagnostic[] = [];
  const startOf = (node: { range?: readonly number[] | null | undefined }) => spanOf(node.range?.[0] ?? 0);
  visit(doc, {
    Alias(_, node) {
      if (node.resolve(doc) === undefined) {
        found.push({
          message: `alias \`*${node.source}\` has no anchor before it`,
          span: startOf(node),
          help: `write \`&${node.source}\` at the value that it repeats, or quote the text`,
        });
      }
    },
    Collection(_, node, path) {
      if (path.filter(isCollection).length < MAX_DEPTH) return undefined;
      found.push({
        message: "the file is nested too deeply",
        span: startOf(node),
        help: `nest at most ${MAX_DEPTH} levels`,
      });
      return visit.BREAK;
    },
    Pair(_, pair) {
      // INVARIANT: no name in a configuration can reach an object's prototype.
      if (isScalar(pair.key) && pair.key.value === "__proto__") {
        found.push({
          message: "`__proto__` is not a usable name",
          span: startOf(pair.key),
          help: "choose another name",
        });
      }
    },
  });
  return found;
}

function locate(doc: Document.Parsed, path: Path, wantKey: boolean, spanOf: (o: number) => Span): Span {
  let node: unknown = doc.contents;
  let start = (node as Node | null)?.range?.[0] ?? 0;
  for (const [i, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(doc);
    const last = i === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(
        (p): p is Pair<Node, Node | null> => isPair(p) && isScalar(p.key) && String(p.key.value) === step,
      );
      if (!pair) break;
      node = pair.value;
      const value = pair.value?.range?.[0];
      const key = pair.key.range?.[0] ?? start;
      // A mapping or a list is named by its key: its own start is its first entry, which is not what is wrong.
      start = last && !wantKey && value !== undefined && isScalar(node) && node.value !== null ? value : key;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      start = (node as Node | undefined)?.range?.[0] ?? start;
    } else break;
  }
  return spanOf(start);
}
