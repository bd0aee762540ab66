import { canonicalJson, type Digest, digestOf, newId, stringifyJson } from "@callgate/core";
import type { GuestAnswer, GuestCall, Plan } from "@callgate/sandbox";
import type { GuestRun, Spent } from "./guest-run.ts";

/** What a journal gives again, and what of it is left. */
export interface Replay {
  readonly answers: ReadonlyMap<string, readonly GuestAnswer[]>;
  readonly held: ReadonlyMap<string, readonly string[]>;
  answer(call: GuestCall): GuestAnswer | undefined;
  resume(call: GuestCall): string | undefined;
}

/** What a run takes that was answered nothing, in characters. */
const LEAST = 1_000;

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
  /** What has come into the runs so far, and what runs inside that ended have spent. */
  #seen: Pick<GuestRun, "labels" | "marks" | "spentInside"> = { labels: [], marks: [], spentInside: {} };
  /** About how many characters are held. */
  size = LEAST;
  /** Whether a run inside waits that cannot be taken up: then this one cannot be either, since the inner one would start anew. */
  broken = false;

  constructor(start: Pick<Journal, "call" | "script" | "seed" | "now">) {
    this.call = start.call;
    this.script = start.script;
    this.seed = start.seed;
    this.now = start.now;
  }

  get seen(): Pick<GuestRun, "labels" | "marks"> {
    return this.#seen;
  }

  get spent(): Spent {
    return this.#seen.spentInside;
  }

  /** Remembers an answer that the guest is given. */
  keep(call: GuestCall, answer: GuestAnswer): void {
    const key = keyOf(call);
    if (key !== undefined && !("end" in answer)) this.#keep(key, answer);
  }

  #keep(key: string, answer: GuestAnswer): void {
    add(this.#answers, key, answer);
    this.size += key.length + sizeOf(answer);
  }

  /** Remembers what takes up a run inside, or that nothing does. */
  keepHeld(call: GuestCall, resume: string | undefined): void {
    const key = keyOf(call);
    if (key === undefined || resume === undefined) this.broken = true;
    else add(this.#held, key, resume);
  }

  /** Remembers what the run had read by now, and the answers of an earlier run that this one has not come to again. */
  close({ labels, marks, spentInside }: GuestRun, earlier: Replay | undefined): void {
    this.#seen = { labels, marks, spentInside };
    if (!earlier) return;
    for (const [key, answers] of earlier.answers) for (const answer of answers) this.#keep(key, answer);
    for (const [key, runs] of earlier.held) for (const run of runs) add(this.#held, key, run);
  }

  /** The answers again, each once and in the order in which they were given, and what takes up the runs inside. */
  replay(): Replay {
    const [answers, held] = [copied(this.#answers), copied(this.#held)];
    return {
      answers,
      held,
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
  // An error may carry all that a server put beside it.
  return "resultText" in answer ? answer.resultText.length : (stringifyJson(answer)?.length ?? 0);
}

/** A run that waits. */
export interface Kept {
  readonly journal: Journal;
  readonly session: string;
  readonly expires: number;
  /** Whether another run started it: it is taken up with that one, and takes none of the session's places. */
  readonly inner: boolean;
}

/** Runs that one session may have waiting, without those inside them; the oldest gives way. */
const MOST = 8;
const LARGEST = 4 * 1_048_576;
/** Of one session, the runs inside runs included. */
const LARGEST_OF_SESSION = MOST * LARGEST;
/** Of all sessions together. */
const LARGEST_TOGETHER = 64 * 1_048_576;

/** The runs that wait for a person, in memory: after a restart their scripts start from the beginning. */
export class Held {
  readonly #kept = new Map<string, Kept>();
  #size = 0;

  /** Keeps a run's journal and gives the id to take it up by; undefined if there is no room for it. */
  keep(journal: Journal, session: string, ttl: number, inner: boolean): string | undefined {
    const now = Date.now();
    for (const [id, { expires }] of this.#kept) if (expires <= now) this.take(id);
    const own = [...this.#kept].filter(([, kept]) => kept.session === session);
    const outer = own.filter(([, kept]) => !kept.inner);
    if (!inner && outer[0] && outer.length >= MOST) this.take(outer[0][0]);
    const { size, broken } = journal;
    const ofSession = own.reduce((sum, [, kept]) => sum + kept.journal.size, size);
    if (broken || size > LARGEST || ofSession > LARGEST_OF_SESSION || this.#size + size > LARGEST_TOGETHER)
      return undefined;
    const id = newId("run");
    this.giveBack(id, { journal, session, expires: now + ttl, inner });
    return id;
  }

  /** The journal of a run that was held in this session; undefined once it is too old, or was taken up. */
  find(id: string, session: string): Journal | undefined {
    const kept = this.#kept.get(id);
    return kept && kept.session === session && kept.expires > Date.now() ? kept.journal : undefined;
  }

  /** Takes a run out: it is taken up once. Undefined if somebody else was first. */
  take(id: string): Kept | undefined {
    const kept = this.#kept.get(id);
    if (!kept) return undefined;
    this.#size -= kept.journal.size;
    this.#kept.delete(id);
    return kept;
  }

  /** Puts a run back that was taken out, where nothing came of it. */
  giveBack(id: string, kept: Kept): void {
    this.#kept.set(id, kept);
    this.#size += kept.journal.size;
  }
}
