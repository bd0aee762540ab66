import type { FlowFacts, Label } from "@callgate/core";
import { isGrounded } from "./grounded.ts";
import { actOf, isCommanding } from "./instruct.ts";
import { type Leaf, leavesOf } from "./leaves.ts";
import { SecretValues } from "./secret-values.ts";
import { normalise, wordsOf } from "./text.ts";
import { type Mark, type Sightings, ValueIndex } from "./value-index.ts";
import { hostOf, valuesInside } from "./values.ts";

/** Which parts of a result carry its labels, where it is structured. */
export interface ResultFlow {
  /**
   * `all`: every part carries every label. `prose`: short fields that hold one value (identifiers, addresses, dates) do not
   * carry `untrusted`; free text does, and so does what is embedded in it.
   */
  readonly untrusted: "all" | "prose";
  /** Labels of single fields, by dotted path with lists as `[]` (`[].password`), on top of the rest. */
  readonly fields?: Readonly<Record<string, readonly Label[]>>;
}

/** What came back: from which tool, under which labels. `args` are the call's own: what they said is not first seen in the result. */
export interface Observed {
  readonly tool: string;
  readonly labels: readonly Label[];
  readonly flow?: ResultFlow;
  readonly args?: unknown;
  /** The id of the call. */
  readonly call?: string;
}

const FREE_TEXT =
  /^(?:.*_)?(?:body|content|contents|text|description|subject|title|message|messages|note|notes|comment|comments|review|reviews|summary|details|reason|bio|about|caption|snippet|feedback|memo|remarks?|instructions?)$/i;
const MAX_COMMANDS = 65_536;
const WINDOW = 5;
const MAX_WINDOWS = 200;

/**
 * Watches the values of one session and tells where a call's arguments came from. Holds no clock and does no I/O. The labels
 * are monotone. MUST be told the task and trusted data by the operator's side alone, never by the model.
 */
export class SessionFlow {
  readonly #index: ValueIndex;
  readonly #marks = new Map<string, Mark>();
  readonly #labels = new Set<Label>();
  readonly #secrets = new SecretValues();
  #task = "";
  #commands: string[] = [];
  #commandSize = 0;

  /** `maxBytes` bounds the index of what records said; the task and trusted values may take as much again. */
  constructor(maxBytes?: number) {
    this.#index = new ValueIndex(maxBytes);
  }

  /** About how many bytes the index holds. */
  get bytes(): number {
    return this.#index.bytes;
  }

  get labels(): readonly Label[] {
    return [...this.#labels];
  }

  /** What the session is for, in the user's own words. May be called again: tasks add up. */
  task(text: string): void {
    this.#task += `${text}\n`;
    const mark = this.#mark(["task"], true);
    this.#index.add(text, mark, true);
    // People forget the space after a sentence, and then its last word (an address, say) is not where it seems to end.
    const spaced = text.replace(/([\p{Ll}\d])([.!?])(?=\p{Lu}\p{L}* )/gu, "$1$2 ");
    if (spaced !== text) this.#index.add(spaced, mark, true);
  }

  /** Values of a trusted directory or of the configuration: contacts, own accounts, allowed hosts. */
  trust(name: string, value: unknown): void {
    const mark = this.#mark(["trusted", `trusted:${name}`], true);
    for (const { text, path } of leavesOf(value).leaves) if (!path.endsWith("{}")) this.#index.add(text, mark, true);
  }

  /** A person approved a call with these arguments: its values are known from now on. */
  approve(args: unknown): void {
    // Whole values alone: a person who approves a letter has not approved every address in it.
    const mark = this.#mark(["approved"], true, this.#mark([], false));
    for (const text of scalarsOf(args)) if (text.length <= 200) this.#index.add(text, mark, true);
  }

  /** A result passed to the agent. */
  observe(observed: Observed, result: unknown): void {
    const { tool, labels, flow } = observed;
    for (const label of labels) this.#labels.add(label);
    const isUntrusted = labels.includes("untrusted");
    const clean = labels.filter((label) => label !== "untrusted");
    const own = new Set(observed.args === undefined ? [] : scalarsOf(observed.args).map(normalise));
    const { leaves, structured } = leavesOf(result);
    const part = isUntrusted ? this.#mark([`tool:${tool}`, ...labels], false) : undefined;
    const field = this.#mark([`tool:${tool}`, ...clean, "record"], true, part);
    for (const leaf of leaves) {
      const extra = labelsOf(leaf, flow);
      for (const label of extra) this.#labels.add(label);
      if ((labels.includes("secret") || extra.includes("secret")) && !leaf.path.endsWith("{}"))
        this.#secrets.add(leaf.text, [`tool:${tool}`, ...labels, ...extra]);
      const isFree =
        isUntrusted && (extra.includes("untrusted") || flow?.untrusted !== "prose" || isProse(leaf, structured));
      if (isFree) {
        const commanding = isCommanding(leaf.text);
        if (commanding) this.#remember(leaf.text);
        const origins = [`tool:${tool}`, ...labels, ...extra, ...(commanding ? ["instructed"] : [])];
        this.#index.add(leaf.text, this.#mark(origins, false), false, observed.call);
        continue;
      }
      // An echo of the call's own arguments is not where the value was first seen: it MUST NOT launder it.
      if (own.has(normalise(leaf.text))) continue;
      let mark = field;
      if (extra.length > 0) {
        const inner = isUntrusted ? this.#mark([`tool:${tool}`, ...labels, ...extra], false) : undefined;
        mark = this.#mark([`tool:${tool}`, ...clean, ...extra, "record"], true, inner);
      }
      this.#index.add(leaf.text, mark, false, observed.call);
    }
  }

  /** Where the arguments of a call came from. `tool` is its own name, not the qualified one. */
  facts(tool: string, args: unknown): FlowFacts {
    const origins: Record<string, readonly string[]> = {};
    const inside: Record<string, readonly string[]> = {};
    const sources: Record<string, string> = {};
    const look = (text: string, isNumber = false): readonly string[] => {
      const found = isNumber ? this.#index.find(text, true) : this.#sightings(text);
      if (found.first) define(sources, text, found.first);
      return this.#named(text, found);
    };
    for (const text of numbersOf(args)) define(origins, text, look(text, true));
    for (const text of stringsOf(args)) {
      if (Object.hasOwn(origins, text)) {
        // The same text as a number and as a string: both are told.
        define(origins, text, [...new Set([...(origins[text] ?? []), ...look(text)])].sort());
        continue;
      }
      const values = text.length < 6 ? [] : valuesInside(text);
      for (const value of values)
        if (value !== text && !Object.hasOwn(origins, value)) define(origins, value, look(value));
      if (values.length > 0) define(inside, text, values);
      define(origins, text, this.#composite(text, look(text), values, origins));
    }
    return { origins, inside, ...(Object.keys(sources).length > 0 && { sources }), action: this.#action(tool) };
  }

  /** Where a value was seen: all its origins, sorted; `["model"]` if nowhere. */
  originsOf(value: string): readonly string[] {
    return this.#named(value, this.#sightings(value));
  }

  #sightings(value: string): Sightings {
    const found = this.#index.find(value);
    // A URL built on a known host belongs to that host.
    return found.size === 0 && hostOf(normalise(value)) !== undefined ? this.#index.findHost(value) : found;
  }

  #named(value: string, found: Sightings): readonly string[] {
    const names = namesOf(found);
    if (found.isHost) return names.includes("model") ? names : [...names, "model"].sort();
    return found.size > 0 ? names : (this.#joint(value) ?? names);
  }

  /** The origins of several values in one text (`a@x.org, b@x.org`): together they are as good as the worst. */
  #joint(value: string): readonly string[] | undefined {
    // A letter is no list of values.
    if (value.length > 400 || /\n\s*\n/.test(value)) return undefined;
    const parts = value
      .split(/[,;<>\n]+/)
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (parts.length < 2 || parts.length > 32 || parts.some((part) => part.split(/\s+/).length > 6)) return undefined;
    const union = new Set<string>();
    let worst: readonly string[] | undefined;
    for (const part of parts) {
      const origins = namesOf(this.#index.find(part));
      for (const origin of origins) union.add(origin);
      if (!isGrounded(origins)) worst = origins;
    }
    // INVARIANT: one part that is not grounded MUST leave the whole not grounded.
    const names = worst ? [...union].filter((name) => !isGrounded([name]) && !name.startsWith("trusted:")) : [...union];
    return names.sort();
  }

  #composite(
    text: string,
    own: readonly string[],
    values: readonly string[],
    known: Readonly<Record<string, readonly string[]>>,
  ): readonly string[] {
    const union = new Set([...own, ...this.#secrets.in(text)]);
    for (const value of values) {
      const origins = known[value] ?? [];
      // A letter that mentions a known address carries out no command, whoever else named the address.
      for (const origin of origins)
        if (origin !== "instructed" || !isGrounded(origins.filter((o) => o !== "instructed"))) union.add(origin);
    }
    if (own.length === 1 && own[0] === "model") for (const origin of this.#passages(text)) union.add(origin);
    return [...union].sort();
  }

  /** The origins of passages of a longer text that untrusted text said word for word, and the task did not. */
  #passages(text: string): Set<string> {
    const found = new Set<string>();
    const normal = normalise(text);
    const words = wordsOf(normal);
    if (words.length < WINDOW) return found;
    const step = Math.max(1, Math.ceil((words.length - WINDOW + 1) / MAX_WINDOWS));
    for (let i = 0; i + WINDOW <= words.length; i += step) {
      const window = normal.slice(words[i]?.start, words[i + WINDOW - 1]?.end);
      const marks = [...this.#index.find(window)];
      if (marks.length === 0 || marks.some((mark) => mark.grounds && !mark.embedded)) continue;
      for (const mark of marks) for (const origin of mark.origins) found.add(origin);
    }
    // That a letter quotes a text which also commands does not make the letter a command carried out.
    for (const origin of ["record", "instructed"]) found.delete(origin);
    return found;
  }

  #action(tool: string): FlowFacts["action"] {
    const speaksOf = actOf(tool);
    if (!speaksOf) return "model";
    if (speaksOf(this.#task)) return "task";
    return this.#commandSize > MAX_COMMANDS || this.#commands.some(speaksOf) ? "untrusted" : "model";
  }

  #remember(text: string): void {
    this.#commandSize += text.length;
    if (this.#commandSize <= MAX_COMMANDS) this.#commands.push(text);
    else this.#commands = [];
  }

  /** Equal marks are one object: the index counts on it. */
  #mark(origins: readonly string[], grounds: boolean, embedded?: Mark): Mark {
    const key = `${grounds} ${embedded?.origins.join() ?? ""} ${origins.join()}`;
    let mark = this.#marks.get(key);
    if (!mark) {
      mark = { origins, grounds, ...(embedded && { embedded }) };
      this.#marks.set(key, mark);
    }
    return mark;
  }
}

const SECRET_FIELD =
  /pass(?:word|wd|phrase|code)|passport|secret|credential|(?:credit|debit)[ _-]?card|card[ _-]?number|\bcvv|\bcvc|\bssn\b|social[ _-]?security|api[ _-]?key|private[ _-]?key|access[ _-]?token|\bpin\b|(?:national|tax|id)[ _-]?number/i;

/** The labels of one field: what the manifest says of it, and `secret` where its name leaves no doubt. */
function labelsOf({ path, field }: Leaf, flow: ResultFlow | undefined): readonly Label[] {
  const said = flow?.fields && Object.hasOwn(flow.fields, path) ? (flow.fields[path] as readonly Label[]) : [];
  if (field === undefined || said.includes("secret") || !SECRET_FIELD.test(field) || path.endsWith("{}")) return said;
  return [...said, "secret"];
}

/** Whether a field is free text: by its name, its length, or because the result has no fields. */
function isProse(leaf: Leaf, structured: boolean): boolean {
  const { text, field } = leaf;
  if (leaf.path.endsWith("{}")) return text.length > 60 || /\n/.test(text);
  if (field !== undefined && FREE_TEXT.test(field)) return true;
  if (text.length > 100 || /\n/.test(text.trim())) return true;
  return text.split(/\s+/, 9).length > (structured ? 8 : 3);
}

function namesOf(marks: ReadonlySet<Mark>): readonly string[] {
  const names = new Set<string>();
  for (const mark of marks) for (const origin of mark.origins) names.add(origin);
  return names.size === 0 ? ["model"] : [...names].sort();
}

/** An own property whatever its name: `__proto__` is a value like any other. */
function define<T>(into: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The strings and numbers in a value, at most 10,000. */
function scalarsIn(value: unknown): (string | number | bigint)[] {
  const found: (string | number | bigint)[] = [];
  const open: unknown[] = [value];
  while (open.length > 0 && found.length < 10_000) {
    const next = open.pop();
    if (typeof next === "string" || typeof next === "number" || typeof next === "bigint") found.push(next);
    else if (typeof next === "object" && next !== null) for (const inner of Object.values(next)) open.push(inner);
  }
  return found;
}

function stringsOf(value: unknown): string[] {
  return [...new Set(scalarsIn(value).filter((scalar) => typeof scalar === "string"))];
}

function numbersOf(value: unknown): string[] {
  return [
    ...new Set(
      scalarsIn(value)
        .filter((scalar) => typeof scalar !== "string")
        .map(String),
    ),
  ];
}

function scalarsOf(value: unknown): string[] {
  return scalarsIn(value).map(String);
}
