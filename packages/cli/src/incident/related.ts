import type { LedgerReader } from "@callgate/ledger";
import { candidates, type Searched } from "./candidates.ts";
import type { Indicator, IndicatorKind } from "./indicators.ts";
import { MAX_SEARCHED, mentions, textsOf } from "./texts.ts";

/** Another session in which indicators of this one occur. */
export interface RelatedSession {
  readonly session: string;
  readonly agent: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly indicators: readonly SharedIndicator[];
}

interface SharedIndicator {
  readonly kind: IndicatorKind;
  readonly value: string;
  /** True if it stands in the arguments of a call that ran. */
  readonly acted: boolean;
  readonly seqs: readonly number[];
}

export interface Related {
  /** What they share most with this one first. */
  readonly sessions: readonly RelatedSession[];
  /** Indicators that occur in so many sessions that they relate none. */
  readonly common: readonly string[];
  readonly searched: Searched;
}

/** An indicator in more sessions than this is everyday life. */
const COMMON = 20;
const MAX_SEQS = 5;

interface Found {
  agent: string | undefined;
  from: string;
  to: string;
  readonly shared: Map<string, { acted: boolean; seqs: number[] }>;
}

/**
 * Other sessions with the same indicators: through the index of words where there is one, else among the newest `scan` records.
 * Payloads that were shredded or not kept say nothing. Calls `onProgress` now and then.
 */
export function relatedSessions(
  reader: LedgerReader,
  session: string,
  indicators: readonly Indicator[],
  scan: number,
  onProgress?: (done: number, total: number) => void,
): Related {
  const wanted = indicators.map(({ value }) => ({ value, plain: value.toLowerCase() }));
  const found = new Map<string, Found>();
  const look = candidates(
    reader,
    session,
    wanted.map(({ value }) => value),
    scan,
    onProgress,
  );
  for (const { seq, session: other, agent, ts, kind } of look.records) {
    if (other === undefined || other === session) continue;
    const payloads = reader.show(seq)?.payloads ?? {};
    const texts = [payloads["args"], payloads["result"]].flatMap((payload) => lowered(payload, wanted));
    if (texts.length === 0) continue;
    for (const { value, plain } of wanted) {
      if (!texts.some((text) => mentions(text, plain))) continue;
      const of: Found = found.get(other) ?? { agent, from: ts, to: ts, shared: new Map() };
      found.set(other, of);
      if (ts < of.from) of.from = ts;
      if (ts > of.to) of.to = ts;
      const shared = of.shared.get(value) ?? { acted: false, seqs: [] };
      of.shared.set(value, shared);
      if (kind === "intent") shared.acted = true;
      if (shared.seqs.length < MAX_SEQS) shared.seqs.push(seq);
    }
  }
  return { ...ranked(found, indicators), searched: look.searched() };
}

/** The texts of a payload in lower case; none where a look at the whole shows that no indicator can be in it. */
function lowered(payload: string | undefined, wanted: readonly { readonly plain: string }[]): string[] {
  if (payload === undefined) return [];
  const whole = payload.slice(0, 4 * MAX_SEARCHED).toLowerCase();
  // A slash or a quote may be escaped in JSON: what stands before the first one has to do.
  if (!wanted.some(({ plain }) => whole.includes(plain.split(/["\\/]/, 1)[0] ?? ""))) return [];
  return textsOf(payload).map((text) => text.toLowerCase());
}

function ranked(found: ReadonlyMap<string, Found>, indicators: readonly Indicator[]): Omit<Related, "searched"> {
  const spread = new Map<string, number>();
  for (const { shared } of found.values())
    for (const value of shared.keys()) spread.set(value, (spread.get(value) ?? 0) + 1);
  const common = [...spread].filter(([, many]) => many > COMMON).map(([value]) => value);
  const scored = [...found].flatMap(([session, { agent, from, to, shared }]) => {
    const own = indicators.flatMap(({ kind, value }): SharedIndicator[] => {
      const of = shared.get(value);
      return of && !common.includes(value) ? [{ kind, value, acted: of.acted, seqs: of.seqs }] : [];
    });
    const score = own.reduce((sum, one) => sum + (one.acted ? 2 : 1) / (spread.get(one.value) ?? 1), 0);
    return own.length === 0 ? [] : [{ score, related: { session, agent, from, to, indicators: own } }];
  });
  scored.sort((a, b) => b.score - a.score || b.related.to.localeCompare(a.related.to));
  return { sessions: scored.map((one) => one.related), common };
}
