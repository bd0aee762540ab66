import { type Digest, digestOfJson, newId, stringifyJson } from "@callgate/core";
import type { GuestAnswer, GuestCall, Plan } from "@callgate/sandbox";
import type { GuestRun } from "./guest-run.ts";

/** What the calls of one run were answered, so that a run that was held can be taken up without making them again. */
export class Journal {
  /** The call that first ran the script. */
  readonly call: string;
  /** Digest of code and input: a journal is of no use to another script. */
  readonly script: Digest;
  readonly seed: number;
  /** Who approved the script, where somebody had to. */
  approved: { readonly by: string; readonly policies: string; readonly plan: Plan } | undefined;
  readonly #answers = new Map<string, GuestAnswer[]>();
  /** What has come into the runs so far. */
  #seen: Pick<GuestRun, "labels" | "marks"> = { labels: [], marks: [] };
  size = 0;

  constructor(call: string, script: Digest, seed: number) {
    this.call = call;
    this.script = script;
    this.seed = seed;
  }

  get seen(): Pick<GuestRun, "labels" | "marks"> {
    return this.#seen;
  }

  /** Remembers an answer that the guest is given. */
  keep(call: GuestCall, answer: GuestAnswer): void {
    if ("end" in answer) return;
    const key = keyOf(call);
    const known = this.#answers.get(key);
    if (known) known.push(answer);
    else this.#answers.set(key, [answer]);
    this.size += stringifyJson(answer).length;
  }

  /** Remembers what the run had read by now. */
  close({ labels, marks }: GuestRun): void {
    this.#seen = { labels, marks };
  }

  /** The answers again, each once and in the order in which they were given. */
  replay(): (call: GuestCall) => GuestAnswer | undefined {
    const left = new Map([...this.#answers].map(([key, answers]) => [key, [...answers]]));
    return (call) => left.get(keyOf(call))?.shift();
  }
}

function keyOf({ server, name, args }: GuestCall): string {
  return `${server}\0${name}\0${digestOfJson(args)}`;
}

interface Kept {
  readonly journal: Journal;
  readonly session: string;
  readonly expires: number;
}

const MOST = 64;
const LARGEST = 8 * 1_048_576;

/** The runs that wait for a person, in memory: after a restart their scripts start from the beginning. */
export class Held {
  readonly #kept = new Map<string, Kept>();

  /** Keeps a run's journal and gives the id to take it up by; undefined if it is too large to be kept. */
  keep(journal: Journal, session: string, ttl: number): string | undefined {
    if (journal.size > LARGEST) return undefined;
    const now = Date.now();
    for (const [id, { expires }] of this.#kept) if (expires <= now) this.#kept.delete(id);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size >= MOST && oldest !== undefined) this.#kept.delete(oldest);
    const id = newId("run");
    this.#kept.set(id, { journal, session, expires: now + ttl });
    return id;
  }

  /** The journal of a run that was held in this session; undefined once it is too old. */
  find(id: string, session: string): Journal | undefined {
    const kept = this.#kept.get(id);
    return kept && kept.session === session && kept.expires > Date.now() ? kept.journal : undefined;
  }

  drop(id: string): void {
    this.#kept.delete(id);
  }
}
