import { canonicalJson, type Digest, digestOf, newId } from "@callgate/core";
import type { GuestAnswer, GuestCall, Plan } from "@callgate/sandbox";
import type { GuestRun } from "./guest-run.ts";

/** What the calls of one run were answered, so that a run that was held can be taken up without making them again. */
export class Journal {
  /** The call that first ran the script. */
  readonly call: string;
  /** Digest of code and input: a journal is of no use to another script. */
  readonly script: Digest;
  readonly seed: number;
  /** Where the clock stands, in Unix milliseconds. */
  readonly now: number;
  /** Who approved the script, where somebody had to. */
  approved: { readonly by: string; readonly policies: string; readonly plan: Plan } | undefined;
  readonly #answers = new Map<string, GuestAnswer[]>();
  /** The runs inside that wait for a person, by the call that started them. */
  readonly #held = new Map<string, string[]>();
  /** What has come into the runs so far. */
  #seen: Pick<GuestRun, "labels" | "marks"> = { labels: [], marks: [] };
  /** About how many characters are held. */
  size = 0;

  constructor(start: Pick<Journal, "call" | "script" | "seed" | "now">) {
    this.call = start.call;
    this.script = start.script;
    this.seed = start.seed;
    this.now = start.now;
  }

  get seen(): Pick<GuestRun, "labels" | "marks"> {
    return this.#seen;
  }

  /** Remembers an answer that the guest is given. */
  keep(call: GuestCall, answer: GuestAnswer): void {
    const key = keyOf(call);
    if (key === undefined || "end" in answer) return;
    add(this.#answers, key, answer);
    this.size += key.length + sizeOf(answer);
  }

  /** Remembers what takes up a run inside. */
  keepHeld(call: GuestCall, resume: string): void {
    const key = keyOf(call);
    if (key !== undefined) add(this.#held, key, resume);
  }

  /** Remembers what the run had read by now. */
  close({ labels, marks }: GuestRun): void {
    this.#seen = { labels, marks };
  }

  /** The answers again, each once and in the order in which they were given, and what takes up the runs inside. */
  replay(): { answer(call: GuestCall): GuestAnswer | undefined; resume(call: GuestCall): string | undefined } {
    const [answers, held] = [copied(this.#answers), copied(this.#held)];
    return {
      answer: (call) => answers.get(keyOf(call) ?? "")?.shift(),
      resume: (call) => held.get(keyOf(call) ?? "")?.shift(),
    };
  }
}

/** Undefined for a call whose arguments have no exact form: it is refused, and there is nothing to remember. */
function keyOf({ server, name, args }: GuestCall): string | undefined {
  try {
    return `${server}\0${name}\0${digestOf(canonicalJson(args))}`;
  } catch {
    return undefined;
  }
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}

function copied<T>(map: ReadonlyMap<string, readonly T[]>): Map<string, T[]> {
  return new Map([...map].map(([key, list]) => [key, [...list]]));
}

function sizeOf(answer: GuestAnswer): number {
  return "resultText" in answer ? answer.resultText.length : 500;
}

interface Kept {
  readonly journal: Journal;
  readonly session: string;
  readonly expires: number;
}

/** Runs that one session may have waiting; the oldest gives way. */
const MOST = 8;
const LARGEST = 4 * 1_048_576;
/** Of all sessions together. */
const LARGEST_TOGETHER = 64 * 1_048_576;

/** The runs that wait for a person, in memory: after a restart their scripts start from the beginning. */
export class Held {
  readonly #kept = new Map<string, Kept>();
  #size = 0;

  /** Keeps a run's journal and gives the id to take it up by; undefined if there is no room for it. */
  keep(journal: Journal, session: string, ttl: number): string | undefined {
    const now = Date.now();
    for (const [id, { expires }] of this.#kept) if (expires <= now) this.#drop(id);
    const own = [...this.#kept].filter(([, kept]) => kept.session === session);
    if (own[0] && own.length >= MOST) this.#drop(own[0][0]);
    if (journal.size > LARGEST || this.#size + journal.size > LARGEST_TOGETHER) return undefined;
    const id = newId("run");
    this.#kept.set(id, { journal, session, expires: now + ttl });
    this.#size += journal.size;
    return id;
  }

  /** The journal of a run that was held in this session; undefined once it is too old, or was taken up. */
  find(id: string, session: string): Journal | undefined {
    const kept = this.#kept.get(id);
    return kept && kept.session === session && kept.expires > Date.now() ? kept.journal : undefined;
  }

  /** Takes a journal out: a run is taken up once. False if somebody else was first. */
  take(id: string): boolean {
    return this.#drop(id);
  }

  #drop(id: string): boolean {
    this.#size -= this.#kept.get(id)?.journal.size ?? 0;
    return this.#kept.delete(id);
  }
}
