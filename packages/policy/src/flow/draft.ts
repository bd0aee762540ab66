import { type ArgumentRole, isObject, type JsonObject, type Label, type ToolEffect } from "@callgate/core";
import { nameWords } from "./instruct.ts";
import type { ResultFlow } from "./result-flow.ts";

/** What a tool looks like to an agent. */
export interface ToolDefinition {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: JsonObject;
}

/** A first guess at the part of a manifest that flow rules need. A person reviews it before it counts. */
export interface FlowDraft {
  readonly effects: readonly ToolEffect[];
  readonly labels: readonly Label[];
  readonly result: ResultFlow;
  readonly arguments: Readonly<Record<string, ArgumentRole>>;
}

const READS = new Set(
  "get read list search find check fetch show view query lookup look describe count download browse summarize calculate compute convert compare is has verify ls cat retrieve load scan inspect watch track estimate preview locate select visit open display ask translate detect analyze analyse navigate crawl scrape extract parse grep stat diff explain validate forecast geocode discover explore enumerate peek tail whoami recommend suggest".split(
    " ",
  ),
);
const DESTROYS = new Set(
  "delete remove erase clear drop wipe purge trash destroy cancel revoke kick ban uninstall terminate unsubscribe discard empty deactivate disable reset close kill evict expel truncate overwrite prune expunge shred shutdown forget unpublish deprovision rollback".split(
    " ",
  ),
);
const REACHES = new Set(
  "send email mail message forward reply respond post publish upload tweet share invite pay transfer wire refund donate withdraw buy purchase order checkout subscribe book reserve rent submit notify call dial grant push deploy release comment broadcast announce dm text sms ping contact remit reimburse deposit tip sell trade bid ship deliver dispatch export authorize expose repost retweet".split(
    " ",
  ),
);
/** First words that act, whatever else the name says: `mark_as_read`, `run_query`, `save_search`. */
const ACTS = new Set(
  "create add update set make edit modify change write append put insert upsert save store move rename copy replace enable toggle start stop restart trigger run execute exec eval invoke schedule assign approve reject merge mark pin follow join leave turn lock unlock import sync install register".split(
    " ",
  ),
);
/** What is read by more people than the user: writing one reaches out, whatever the verb. */
const SHOWN = new Set("issue issues gist pull pr discussion thread blog wiki".split(" "));
/** Reads whose answer is a text that somebody, or something, wrote. */
const TELLS = new Set(
  "summarize translate ask analyze analyse extract parse scrape crawl navigate browse visit open download cat grep diff explain tail peek inspect display recommend suggest".split(
    " ",
  ),
);
/** What one reads rather than looks up. In the plural they are records: a list of files, of messages. */
const DOCUMENTS = new Set(
  "file document doc page webpage website site url content contents body text html markdown readme article note message email mail letter transcript snippet attachment log logs post thread comment wiki paper chapter script source code diff patch answer summary".split(
    " ",
  ),
);
const WEB = /\b(web|internet|online|browser|page content|web ?sites?|webpages?)\b/i;
const MONEY =
  /\b(money|pay(?:ment|ee)?|bank|iban|transaction|wire|remit|refund|donat|transfer (?:of )?(?:money|funds|amount))/i;
const OPEN_CONTENT =
  /\b(web|website|webpage|web page|url|html|http|internet|online|browser|page content|file|readme|document|attachment)\b/i;
const PRIVATE =
  /\b(e-?mails?|inbox|mailbox|messages?|chats?|conversations?|dms?|sms|files?|drive|calendar|events?|contacts?|accounts?|balances?|transactions?|payments?|invoices?|payroll|wallets?|portfolio|customers?|clients?|employees?|patients?|prescriptions?|tickets?|reminders?|photos?|user info|user information|profile|personal|address book|documents?|notes?|medical|health|salary|passport|orders?|history|cart|private|repositor(?:y|ies)|channels?)\b/i;
const SECRET = /\b(password|passphrase|credentials?|api[ _-]?keys?|secrets?|access[ _-]?tokens?|private[ _-]?keys?)\b/i;

/**
 * Guesses effects, labels and the roles of arguments from a tool's names, formats and descriptions. `declared` effects, where a
 * person has said what the tool does, decide whether it reads. Pure.
 */
export function draftFlow(tool: ToolDefinition, declared?: readonly ToolEffect[]): FlowDraft {
  const words = nameWords(tool.name);
  const about = `${words.join(" ")} ${tool.description ?? ""}`;
  const verb = words.find((word) => READS.has(word) || DESTROYS.has(word) || REACHES.has(word)) ?? words[0] ?? "";
  const guessed = READS.has(verb) && !ACTS.has(words[0] ?? "") && !actsAfterAll(verb, words);
  const isRead = declared
    ? declared.includes("read") && !declared.includes("write") && !declared.includes("destructive")
    : guessed;
  const properties = isObject(tool.inputSchema?.["properties"]) ? tool.inputSchema["properties"] : {};
  const roles: Record<string, ArgumentRole> = {};
  for (const [name, schema] of Object.entries(properties)) {
    const role = roleOf(name, isObject(schema) ? schema : {}, isRead, about, words);
    if (role) Object.defineProperty(roles, name, { value: role, enumerable: true });
  }
  const given = new Set(Object.values(roles));
  const effects: ToolEffect[] = isRead ? ["read"] : ["write"];
  if (DESTROYS.has(verb)) effects.push("destructive");
  if (
    given.has("url") ||
    (!isRead &&
      (REACHES.has(verb) || words.some((w) => SHOWN.has(w)) || given.has("destination") || given.has("payee")))
  )
    effects.push("external");
  const labels: Label[] = ["untrusted"];
  if (PRIVATE.test(about)) labels.push("private");
  if (isRead && SECRET.test(about)) labels.push("secret");
  const isOpen = isRead && (given.has("url") || (given.has("path") && OPEN_CONTENT.test(about)));
  const isRecord = isRead && !isOpen && isLookup(verb, words, tool.description ?? "");
  const result: ResultFlow = { untrusted: isOpen ? "all" : "prose", ...(isRecord && { text: "record" }) };
  return { effects, labels, result, arguments: roles };
}

/** Whether a read gives records of its own (a list, a search, one entry) and not a text to read, or what the web says. */
function isLookup(verb: string, words: readonly string[], description: string): boolean {
  if (!READS.has(verb) || TELLS.has(verb) || WEB.test(`${words.join(" ")} ${description}`)) return false;
  const isMany = ["list", "search", "find", "count", "query"].includes(verb);
  return isMany || !words.some((word, i) => DOCUMENTS.has(word) && !["by", "of", "from"].includes(words[i - 1] ?? ""));
}

/** Whether a verb that mostly reads acts here: `open_account`, `check_in`. */
function actsAfterAll(verb: string, words: readonly string[]): boolean {
  const next = words[words.indexOf(verb) + 1] ?? "";
  if (verb === "check") return ["in", "out", "off"].includes(next);
  return verb === "open" && words.length > 1 && !OPENED.has(next);
}

const OPENED = new Set(
  "page url link website site tab browser file document doc email mail message attachment node nodes folder directory image".split(
    " ",
  ),
);

const NAMES: readonly (readonly [ArgumentRole, RegExp])[] = [
  [
    "credential",
    /^(?:.* )?(?:password|passwd|passphrase|pin|pin code|secret|token|api key|ssh key|public key|private key|credentials?)$/,
  ],
  ["url", /^(?:.* )?(?:urls?|uri|links?|href|website|webhook|endpoint|domain|hostname|host)$/],
  [
    "content",
    /^(?:.* )?(?:body|contents?|text|message|subject|title|description|comment|notes?|summary|caption|reason|bio|review|feedback|memo|details|question|answer|remarks?|readme|instructions?|prompt)$/,
  ],
  [
    "time",
    /^(?:.* )?(?:date|time|day|start|end|deadline|due|datetime|timestamp|month|year|hour|when|until|expiry|expires)(?: (?:date|time|day|at))?$/,
  ],
  ["amount", /^(?:.* )?(?:amount|price|quantity|qty|total|cost|sum|fee|tip|budget|count|units?|shares|limit)$/],
  [
    "destination",
    /^(?:.* )?(?:to|cc|bcc|recipients?|e ?mails?|email address|addressees?|participants?|attendees?|invitees?|guests?|channels?|users?|usernames?|user name|members?|collaborators?|assignees?|phone|phone number|contacts?|groups?|receivers?|followers?|friends?|person|people|address|handle|audience|chat|(?:chat|channel|user|recipient|member|contact|group|team|conversation) ids?|to number)$/,
  ],
  [
    "payee",
    /^(?:.* )?(?:payee|iban|account|account number|account (?:id|no)|beneficiary|bank account|wallet|wallet (?:address|id))$/,
  ],
  ["path", /^(?:.* )?(?:path|file path|filepath|directory|folder|dir|file ?name|file)$/],
  ["target", /^(?:.* )?(?:ids?|identifier|uuid|key|slug|number)$/],
];

/** Both ends of a move or a copy. */
const END = /^(?:source|src|destination|dest|target|from|to|output|input|old|new)(?: (?:name|location))?$/;
const FILE_WORDS = new Set(["file", "files", "directory", "dir", "folder", "path", "symlink"]);
/** Where a destination is a place that somebody goes to, and nothing is sent to it. */
const TRAVELS = new Set("book reserve rent flight flights trip route travel train hotel car ride taxi".split(" "));

function endOf(plain: string, words: readonly string[]): ArgumentRole | undefined {
  if (!END.test(plain)) return undefined;
  if (words.some((word) => FILE_WORDS.has(word)) && !words.some((word) => REACHES.has(word))) return "path";
  return plain.startsWith("dest") && !words.some((word) => TRAVELS.has(word)) ? "destination" : undefined;
}

function roleOf(
  name: string,
  schema: JsonObject,
  isRead: boolean,
  about: string,
  words: readonly string[],
): ArgumentRole | undefined {
  const plain = nameWords(name).join(" ");
  const hint = `${typeof schema["description"] === "string" ? schema["description"] : ""}`;
  const formats = formatsOf(schema);
  if (formats.includes("boolean") || isClosed(schema)) return undefined;
  let role = endOf(plain, words) ?? NAMES.find(([, pattern]) => pattern.test(plain))?.[0];
  if (formats.includes("uri") || formats.includes("url")) role = "url";
  if (formats.includes("email")) role = "destination";
  if (formats.includes("date") || formats.includes("date-time")) role = "time";
  if (role === undefined && /\be-?mail address/i.test(hint)) role = "destination";
  if (role === undefined && /\burl\b|web ?site/i.test(hint)) role = "url";
  if (role === undefined && /\bIBAN\b|account number/i.test(hint)) role = "payee";
  if (role === "destination" && (MONEY.test(about) || /\bIBAN\b/i.test(hint)) && !/mail/.test(plain)) role = "payee";
  if (role === "content" && formats.length > 0 && !formats.includes("string") && !formats.includes("array"))
    role = "amount";
  if (isRead) return role === "url" || role === "path" ? role : "query";
  if (role === undefined && (formats.includes("number") || formats.includes("integer"))) return "amount";
  return role ?? "target";
}

/** The types and formats an argument may have, unions included. */
function formatsOf(schema: JsonObject): string[] {
  const found: string[] = [];
  for (const key of ["type", "format"]) {
    const value = schema[key];
    if (typeof value === "string") found.push(value);
    else if (Array.isArray(value)) found.push(...value.filter((one) => typeof one === "string"));
  }
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    const members = schema[key];
    if (Array.isArray(members))
      for (const member of members) if (isObject(member)) found.push(...formatsOf(member as JsonObject));
  }
  if (isObject(schema["items"])) found.push(...formatsOf(schema["items"] as JsonObject).filter((f) => f !== "string"));
  return found;
}

/** Whether the schema leaves a choice among named values alone: such an argument needs no origin. */
function isClosed(schema: JsonObject): boolean {
  return Array.isArray(schema["enum"]) || "const" in schema || typeof schema["$ref"] === "string";
}
