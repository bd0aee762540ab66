import { CallgateError, type FlowFacts, type Label, messageOf } from "@callgate/core";
import { isGrounded } from "./grounded.ts";
import { actOf, isCommanding } from "./instruct.ts";
import { leavesOf } from "./leaves.ts";
import { formsOf, MadeValues, piecesOf } from "./made-values.ts";
import { Rest } from "./rest.ts";
import { isProse, labelsOf, type ResultFlow } from "./result-flow.ts";
import { MAX_SCALARS, scalarsIn } from "./scalars.ts";
import { SecretValues } from "./secret-values.ts";
import { normalise, wordsOf } from "./text.ts";
import { type Mark, type Sightings, ValueIndex } from "./value-index.ts";
import { hostOf, valuesInside } from "./values.ts";

/** What came back: from which tool, under which labels. `args` are the call's own: what they said is not first seen in the result. */
export interface Observed {
  readonly tool: string;
  readonly labels: readonly Label[];
  readonly flow?: ResultFlow;
  readonly args?: unknown;
  /** The id of the call. */
  readonly call?: string;
  /** Whether it was put together by code that a model wrote: then nothing in it grounds an argument. */
  readonly derived?: boolean;
}

const MAX_COMMANDS = 65_536;
const MAX_TASK = 65_536;
/** Parts of one result that are told from one another; the rest is one text. */
const MAX_LEAVES = 50_000;
/** Scalars of a call that is made, none of which may come back as a record. */
const MAX_LEARNED = 1_000_000;
const MADE: readonly string[] = ["model"];
const LABELS: readonly Label[] = ["untrusted", "private", "secret"];
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
  readonly #made = new MadeValues();
  /** The arguments of the call that was last observed, and the forms of what is in them. */
  #learned: unknown;
  #own: ReadonlySet<string> = new Set();
  #failed: string | undefined;
  #task = "";
  #commands: string[] = [];
  #commandSize = 0;

  /** `maxBytes` bounds the index of what records said; the task and trusted values may take as much again. */
  constructor(maxBytes?: number) {
    this.#index = new ValueIndex(maxBytes);
  }

  /** About how many bytes are held. */
  get bytes(): number {
    return this.#index.bytes + this.#task.length * 2;
  }

  /** The labels of all that was seen. All there are, if something could not be read. */
  get labels(): readonly Label[] {
    return this.#failed === undefined ? [...this.#labels] : LABELS;
  }

  /** What the session is for, in the user's own words. May be called again: tasks add up, and the newest 64 Ki characters count for `action`. */
  task(text: string): void {
    this.#attempt(() => {
      this.#task = `${this.#task}${text}\n`.slice(-MAX_TASK);
      const mark = this.#mark(["task"], true);
      this.#index.add(text, mark, true);
      // People forget the space after a sentence, and then its last word (an address, say) is not where it seems to end.
      const spaced = text.replace(/([\p{Ll}\d])([.!?])(?=\p{Lu}\p{L}* )/gu, "$1$2 ");
      if (spaced !== text) this.#index.add(spaced, mark, true);
    });
  }

  /** Values of a trusted directory or of the configuration: contacts, own accounts, allowed hosts. */
  trust(name: string, value: unknown): void {
    this.#attempt(() => {
      const mark = this.#mark(["trusted", `trusted:${name}`], true);
      for (const { text, isName } of leavesOf(value).leaves) if (!isName) this.#index.add(text, mark, true);
    });
  }

  /** A person approved a call with these arguments: its values are known from now on. */
  approve(args: unknown): void {
    // Whole values alone: a person who approves a letter has not approved every address in it.
    this.#attempt(() => {
      const mark = this.#mark(["approved"], true, this.#mark([], false));
      for (const text of scalarsIn(args).found.map(String)) if (text.length <= 200) this.#index.add(text, mark, true);
    });
  }

  /** A result passed to the agent. MUST NOT throw: what cannot be read makes `facts` fail from then on. */
  observe(observed: Observed, result: unknown): void {
    this.#attempt(() => {
      for (const label of observed.labels) this.#labels.add(label);
      this.#learn(observed.args);
      this.#read(observed, result);
    });
  }

  #read(observed: Observed, result: unknown): void {
    const { tool, labels, flow, call } = observed;
    const isUntrusted = labels.includes("untrusted");
    const clean = labels.filter((label) => label !== "untrusted");
    const { leaves, structured } = leavesOf(result);
    const isText = typeof result === "string" && flow?.text !== "record";
    const part = isUntrusted ? this.#mark([`tool:${tool}`, ...labels], false) : undefined;
    const field = this.#mark([`tool:${tool}`, ...clean, "record"], true, part);
    const known = this.#mark([`tool:${tool}`, ...labels, "model"], false);
    const rest = new Rest((text, extra) => {
      const origins = new Set([`tool:${tool}`, ...labels, ...extra, ...(isCommanding(text) ? ["instructed"] : [])]);
      if (origins.has("instructed")) this.#remember(text);
      this.#index.add(text, this.#mark([...origins], false), false, call);
    });
    let count = 0;
    let commands = false;
    for (const leaf of leaves) {
      const extra = labelsOf(leaf, flow);
      for (const label of extra) this.#labels.add(label);
      if ((labels.includes("secret") || extra.includes("secret")) && !leaf.isName)
        this.#secrets.add(leaf.text, [`tool:${tool}`, ...labels, ...extra]);
      if (++count > MAX_LEAVES) {
        rest.add(leaf.text, extra);
        continue;
      }
      const isFree =
        isUntrusted &&
        (isText || extra.includes("untrusted") || flow?.untrusted !== "prose" || isProse(leaf, structured));
      if (observed.derived && !isFree) {
        // A script can make any text, also one that looks like a record.
        this.#index.add(leaf.text, known, false, call);
        continue;
      }
      if (isFree) {
        const commanding = isCommanding(leaf.text);
        if (commanding) this.#remember(leaf.text);
        commands ||= commanding;
        const origins = [`tool:${tool}`, ...labels, ...extra, ...(commanding ? ["instructed"] : [])];
        this.#index.add(leaf.text, this.#mark(origins, false), false, call);
        continue;
      }
      // An echo of the call's own arguments is not where the value was first seen: it MUST NOT launder it.
      if (this.#echoes(leaf.text)) continue;
      let mark = field;
      if (this.#made.has(leaf.text)) mark = known;
      else if (extra.length > 0) {
        const inner = isUntrusted ? this.#mark([`tool:${tool}`, ...labels, ...extra], false) : undefined;
        mark = this.#mark([`tool:${tool}`, ...clean, ...extra, "record"], true, inner);
      }
      this.#index.add(leaf.text, mark, false, call);
    }
    rest.end();
    // A text that passes for structure may say more than a reader of structure keeps: a name given twice, say.
    if (isText && structured && isUntrusted) {
      const instructs = !commands && isCommanding(result);
      if (instructs) this.#remember(result);
      const origins = [`tool:${tool}`, ...labels, ...(instructs ? ["instructed"] : [])];
      this.#index.add(result, this.#mark(origins, false), false, call);
    }
  }

  /** A call was made with these arguments: what in them has no ground gets none by being said again. */
  #learn(args: unknown): void {
    if (args === undefined || args === this.#learned) return;
    this.#learned = args;
    const { found, more } = scalarsIn(args, MAX_LEARNED);
    if (more) throw new Error("a call with too many arguments");
    const own = new Set<string>();
    let looked = 0;
    for (const scalar of found) {
      const text = String(scalar);
      const isNumber = typeof scalar !== "string";
      for (const piece of isNumber ? [text] : piecesOf(text)) {
        for (const form of formsOf(piece)) own.add(form);
        // Beyond the bound nothing is looked up, and all of it counts as made up.
        const origins = ++looked > MAX_SCALARS ? MADE : this.#origins(piece, isNumber);
        if (!isGrounded(origins)) this.#made.add(piece);
      }
    }
    this.#own = own;
  }

  #echoes(text: string): boolean {
    if (this.#own.size === 0) return false;
    for (const form of formsOf(text)) if (this.#own.has(form)) return true;
    return false;
  }

  /**
   * Where the arguments of a call came from. `tool` is its own name, not the qualified one. Throws a `CallgateError` where that cannot be
   * told: something seen could not be read, or there are more than 10,000 values to look up. The call MUST then be denied.
   */
  facts(tool: string, args: unknown): FlowFacts {
    if (this.#failed !== undefined)
      throw new CallgateError("flow/unread", `something in this session could not be read: ${this.#failed}`, {
        help: "open a new session",
      });
    const { found, more } = scalarsIn(args);
    if (more) throw tooMany();
    const origins: Record<string, readonly string[]> = {};
    const inside: Record<string, readonly string[]> = {};
    const sources: Record<string, string> = {};
    let looked = 0;
    const look = (text: string, isNumber = false): readonly string[] => {
      if (++looked > MAX_SCALARS) throw tooMany();
      const seen = isNumber ? this.#index.find(text, true) : this.#sightings(text);
      if (seen.first) define(sources, text, seen.first);
      return this.#named(text, seen);
    };
    const numbers = new Set(found.filter((scalar) => typeof scalar !== "string").map(String));
    for (const text of numbers) define(origins, text, look(text, true));
    for (const text of new Set(found.filter((scalar) => typeof scalar === "string"))) {
      if (numbers.has(text)) {
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
    return this.#origins(value, false);
  }

  #origins(value: string, isNumber: boolean): readonly string[] {
    return this.#named(value, isNumber ? this.#index.find(value, true) : this.#sightings(value));
  }

  /** After one failure nothing is told any more: what was not read is not known to be clean. */
  #attempt(step: () => void): void {
    if (this.#failed !== undefined) return;
    try {
      step();
    } catch (error) {
      this.#failed = messageOf(error);
    }
  }

  #sightings(value: string): Sightings {
    const found = this.#index.find(value);
    // A URL built on a known host belongs to that host.
    return found.size === 0 && hostOf(value) !== undefined ? this.#index.findHost(value) : found;
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
    // INVARIANT: what a known value grounds is that value, and not what else stands beside it.
    const isLent = !isGrounded(own) && lends(text, values, known);
    for (const value of values) {
      const origins = known[value] ?? [];
      for (const origin of origins) {
        // A letter that mentions a known address carries out no command, whoever else named the address.
        if (origin === "instructed" && isGrounded(origins.filter((o) => o !== "instructed"))) continue;
        if (isLent || isGrounded(own) || !(isGrounded([origin]) || origin.startsWith("trusted:"))) union.add(origin);
      }
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

function namesOf(marks: ReadonlySet<Mark>): readonly string[] {
  const names = new Set<string>();
  for (const mark of marks) for (const origin of mark.origins) names.add(origin);
  return names.size === 0 ? ["model"] : [...names].sort();
}

/** An own property whatever its name: `__proto__` is a value like any other. */
function define<T>(into: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Whether a text is known values with a name beside them at most: `Ann Lee <ann@corp.example>`. */
function lends(text: string, values: readonly string[], known: Readonly<Record<string, readonly string[]>>): boolean {
  if (text.length > 400 || values.length === 0 || !values.every((value) => isGrounded(known[value] ?? [])))
    return false;
  let rest = normalise(text);
  for (const value of values) rest = rest.replace(value, " ");
  return rest.length <= 100 && /^[\p{L}\p{M} .'"<>()-]*$/u.test(rest);
}

function tooMany(): CallgateError {
  return new CallgateError("flow/too-many", `the call has more than ${MAX_SCALARS} values to look up`, {
    help: "send fewer values at once",
  });
}
