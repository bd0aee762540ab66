import type { Query } from "./parse.ts";
import { isNumeric, type Match, type Range, type Term } from "./term.ts";

/** A query as text. `parseQuery` of it gives the query again. */
export function formatQuery({ terms, since, until }: Query): string {
  return [
    ...terms.map(termText),
    ...(since === undefined ? [] : [`since:${since}`]),
    ...(until === undefined ? [] : [`until:${until}`]),
  ].join(" ");
}

function termText(term: Term): string {
  const values = isNumeric(term) ? term.any.map(rangeText) : term.any.map(matchText);
  return `${term.not ? "-" : ""}${term.field}:${values.join(",")}`;
}

function rangeText({ from, to }: Range): string {
  if (from?.open) return `>${from.value}`;
  if (to?.open) return `<${to.value}`;
  if (from !== undefined && from.value === to?.value) return String(from.value);
  return `${from?.value ?? ""}..${to?.value ?? ""}`;
}

function matchText(match: Match): string {
  if ("is" in match) return quoted(match.is);
  // Runs of what stands for itself, and what does not.
  const parts = match.like.match(/(?:\[[[*?]\]|[^[*?])+|[*?]+/gs) ?? [];
  return parts.map((part) => (/^[*?]+$/.test(part) ? part : quoted(part.replaceAll(/\[(.)\]/g, "$1")))).join("");
}

function quoted(text: string): string {
  return /^[\p{L}\p{N}_./@+-]+$/u.test(text) && !text.startsWith("-") ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
