import { createHash } from "node:crypto";
import type { Run, Suite } from "./data.ts";
import { directoryOf } from "./directory.ts";

const ADDRESS = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?:\/\/|www\.)[\w-]+(?:\.[\w-]+)+/g;
const ACCOUNT = /\b(?:[A-Z]{2}\d{2}[A-Z0-9]{10,30}|\d{9,19}|\d{4}(?:-\d{4}){3})\b/g;
const KEPT = new Set("www http https com org net edu gov io co uk de fr ch us info the and for you your".split(" "));

/**
 * The same data with every name, address, account number and domain replaced by another, everywhere alike. Words that tool
 * definitions or field names use stay, since they are the form of the data and not its content.
 */
export function renamed(suites: readonly Suite[], runs: readonly Run[]): { suites: Suite[]; runs: Run[] } {
  const kept = new Set(KEPT);
  const names = new Set<string>();
  for (const suite of suites) {
    for (const word of wordsIn(JSON.stringify(suite.tools))) kept.add(word.toLowerCase());
    for (const entry of directoryOf(suite.state)) {
      for (const word of wordsIn(entry)) if (/^[A-Z]/.test(word)) names.add(word.toLowerCase());
    }
  }
  const everything = JSON.stringify([suites, runs]);
  for (const [, field = ""] of everything.matchAll(/(?:\\n|"|^)\s*(?:- )?(\w+):[ \\]/g)) kept.add(field.toLowerCase());
  for (const [address] of everything.matchAll(ADDRESS))
    for (const word of wordsIn(address)) names.add(word.toLowerCase());
  for (const word of [...names]) if (word.length < 3 || kept.has(word)) names.delete(word);

  const text = (value: string): string =>
    value
      .replace(ACCOUNT, digits)
      .replace(/[A-Za-z]+/g, (word) =>
        names.has(word.toLowerCase()) ? cased(word, pseudonym(word.toLowerCase())) : word,
      );
  const deep = (value: unknown, keys: boolean): unknown => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map((item) => deep(item, keys));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [keys ? text(key) : key, deep(inner, keys)]));
  };
  const calls = (of: Run["calls"]): Run["calls"] =>
    of.map((call) => ({ ...call, args: deep(call.args, false) as typeof call.args, result: deep(call.result, true) }));
  return {
    suites: suites.map((suite) => ({
      ...suite,
      state: deep(suite.state, true),
      tasks: suite.tasks.map((task) => ({ ...task, prompt: text(task.prompt), calls: calls(task.calls) })),
    })),
    runs: runs.map((run) => ({ ...run, prompt: text(run.prompt), calls: calls(run.calls) })),
  };
}

function wordsIn(text: string): string[] {
  return text.match(/[A-Za-z]+/g) ?? [];
}

/** A word nobody uses, always the same for the same word. */
function pseudonym(word: string): string {
  const hash = createHash("sha256").update(word).digest();
  let out = "";
  for (let i = 0; out.length < Math.max(5, word.length); i++) {
    out += "bdfgklmnprstvz"[(hash[i] as number) % 14];
    out += "aeiou"[(hash[i + 16] as number) % 5];
  }
  return out;
}

function cased(like: string, word: string): string {
  if (/^[A-Z]+$/.test(like)) return word.toUpperCase();
  return /^[A-Z]/.test(like) ? word[0]?.toUpperCase() + word.slice(1) : word;
}

function digits(account: string): string {
  return account.replace(/\d/g, (digit) => String((Number(digit) * 7 + 3) % 10));
}
