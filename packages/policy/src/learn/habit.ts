import type { MadeCall } from "./made-calls.ts";
import { Seen } from "./seen.ts";

/** How many records are cited. */
const EXAMPLES = 5;

/** What one agent did with one tool. */
export class Habit {
  readonly agent: string;
  readonly tool: string;
  readonly args = new Seen();
  calls = 0;
  first = 0;
  last = 0;
  /** Made in sessions that had seen untrusted content. */
  untrusted = 0;
  /** Let through by a person. */
  approved = 0;
  /** Records of calls, spread over all: the first, and those at each doubling. */
  readonly #early: number[] = [];

  constructor(agent: string, tool: string) {
    this.agent = agent;
    this.tool = tool;
  }

  add({ seq, call, approved }: MadeCall): void {
    this.calls++;
    if (this.calls === 1) this.first = seq;
    this.last = seq;
    if (call.session.labels.includes("untrusted")) this.untrusted++;
    if (approved) this.approved++;
    this.args.add(call.args);
    if ((this.calls & (this.calls - 1)) === 0) this.#early.push(seq);
  }

  /** Up to five of the records, the newest among them. */
  get examples(): readonly number[] {
    const before = this.#early.filter((seq) => seq !== this.last);
    const step = Math.max(1, before.length / (EXAMPLES - 1));
    const chosen = before.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
    return [...chosen.slice(0, EXAMPLES - 1), this.last];
  }
}
