import { isObject } from "@callgate/core";

const LISTS =
  /(?:^|_)(?:contacts?|contact_list|users?|members?|people|persons?|employees?|staff|colleagues?|friends?|family|team|channels?|groups?|rooms?|accounts?|bank_accounts?|profile|me|owner|payees?|beneficiar(?:y|ies)|scheduled_transactions|standing_orders|transactions|account_email|iban|email_address|address_book|directory|collaborators?|organi[sz]ations?|subscriptions?|saved_.*|trusted_.*|allowed_.*)$/i;
const NEVER =
  /(?:^|_)(?:password|pin|secret|token|key|inbox|messages?|mails?|emails|web|content|contents|body|subject|description|posts?|reviews?|comments?|files?|notes?|issues?|trash|drafts?|events?)$/i;

/**
 * What an operator would call directory data in a world's initial state: people, channels, own accounts and known payees,
 * in lists whose names say so. Short values alone; never what others wrote (messages, files, pages, subjects).
 */
export function directoryOf(state: unknown): readonly string[] {
  const found = new Set<string>();
  visit(state, false, found, 0);
  return [...found];
}

function visit(value: unknown, inDirectory: boolean, into: Set<string>, depth: number): void {
  if (depth > 20) return;
  if (Array.isArray(value)) {
    for (const item of value) visit(item, inDirectory, into, depth + 1);
  } else if (isObject(value)) {
    for (const [key, inner] of Object.entries(value)) {
      visit(inner, LISTS.test(key) || (inDirectory && !NEVER.test(key)), into, depth + 1);
    }
  } else if (
    inDirectory &&
    typeof value === "string" &&
    value.length <= 80 &&
    !/\n/.test(value) &&
    value.split(/\s+/).length <= 6
  ) {
    if (value.trim() !== "") into.add(value);
  }
}
