import type { Anchor } from "./anchor.ts";
import { type Checkpoint, cosignedAt, type NoteKey, openNote } from "./note.ts";

/** How long a witness may take to answer. */
const PATIENCE_MS = 10_000;

/** Notes of the checkpoints that a ledger holds. */
export interface OwnNotes {
  readonly newest: { readonly size: number; readonly note: string } | undefined;
  at(size: number): string | undefined;
}

/** An address as it may be shown. */
export function withoutCredentials(url: string): string {
  return url.replace(/^(https?:\/\/)[^/?#]*@/, "$1");
}

/**
 * Asks a C2SP tlog-witness how many records it has seen, and whether they are ours. It is asked with checkpoints that cannot
 * move it: the newest one, which it answers with its own size unless it has seen just that, and then the one of its own size.
 * That it agrees MUST be signed by one of `keys`; without any, the anchor is one that proves nothing.
 */
export async function askWitness(
  url: string,
  origin: string,
  own: OwnNotes,
  keys: readonly NoteKey[],
): Promise<Anchor> {
  const name = withoutCredentials(url);
  const nothing: Anchor = { name, entries: [], others: 0, skipped: 0 };
  const problem = (text: string): Anchor => ({ ...nothing, problem: text });
  const seen = (checkpoint: Checkpoint): Anchor => ({
    ...nothing,
    entries: [{ checkpoint, where: name, isSigned: () => true }],
  });
  if (own.newest === undefined) return problem("it can be asked only with a checkpoint, and the ledger has none");
  try {
    let { size, note } = own.newest;
    for (let round = 0; round < 2; round++) {
      const answer = await ask(url, size, note);
      if (answer.status === 200) {
        const opened = openNote(note, undefined);
        if ("problem" in opened) return problem(opened.problem);
        if (keys.length === 0) return { ...seen(opened.checkpoint), unproven: true };
        if (keys.some((key) => typeof cosignedAt(note, answer.text, key) === "number")) return seen(opened.checkpoint);
        return problem("its signature is not that of a witness's key that was given");
      }
      if (answer.status === 404) return nothing;
      if (answer.status !== 409) return problem(`it answers ${answer.status}`);
      const theirs = /^\d{1,15}$/.test(answer.text) ? Number(answer.text) : undefined;
      if (theirs === undefined) return problem("it does not say how many records it has seen");
      if (theirs === 0) return nothing;
      // The same size and no agreement, or one that we have not: a root that can be no root of ours says so.
      const there = theirs === size ? undefined : own.at(theirs);
      if (there === undefined || round === 1) {
        return seen({ origin, size: theirs, root: Buffer.alloc(0) });
      }
      size = theirs;
      note = there;
    }
  } catch (error) {
    const { cause } = error as { cause?: Error };
    return problem(`it does not answer: ${(cause ?? (error as Error)).message}`);
  }
  return problem("it answers in a way that no witness does");
}

async function ask(prefix: string, old: number, note: string): Promise<{ status: number; text: string }> {
  const url = new URL(`${prefix.replace(/\/$/, "")}/add-checkpoint`);
  const who = [url.username, url.password].map(decodeURIComponent).join(":");
  // `fetch` takes none in an address, and says them when it complains.
  [url.username, url.password] = ["", ""];
  const response = await fetch(url, {
    method: "POST",
    ...(who !== ":" && { headers: { authorization: `Basic ${Buffer.from(who).toString("base64")}` } }),
    body: `old ${old}\n\n${note}`,
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return { status: response.status, text: (await response.text()).trim() };
}
