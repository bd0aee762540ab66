/**
 * Verbs of acting through tools, in families of what amounts to the same act. A text that uses one as a command tells its
 * reader to act; a tool whose name has one does that act. English only, and a heuristic: rules MUST NOT rest on it alone
 * where a missed command would do harm (see docs/flow.md).
 */
const FAMILIES: readonly (readonly string[])[] = [
  [
    "send",
    "email",
    "mail",
    "message",
    "forward",
    "reply",
    "respond",
    "write",
    "notify",
    "tell",
    "text",
    "dm",
    "inform",
    "say",
    "remind",
    "contact",
    "ask",
  ],
  ["post", "publish", "upload", "tweet", "share", "comment", "announce", "reply", "write", "answer"],
  ["share", "grant", "give", "allow", "authorize", "expose"],
  [
    "create",
    "add",
    "make",
    "schedule",
    "set",
    "new",
    "open",
    "book",
    "insert",
    "append",
    "put",
    "write",
    "save",
    "generate",
    "draft",
    "register",
    "start",
    "prepare",
    "include",
    "record",
    "log",
  ],
  ["invite", "add", "join", "include", "enroll", "bring"],
  ["reserve", "book", "reservation", "order", "rent", "hire"],
  ["buy", "purchase", "order", "checkout", "subscribe", "pay"],
  [
    "pay",
    "transfer",
    "wire",
    "refund",
    "send",
    "remit",
    "donate",
    "withdraw",
    "deposit",
    "settle",
    "reimburse",
    "return",
  ],
  ["schedule", "plan", "set", "transfer", "pay", "arrange"],
  [
    "delete",
    "remove",
    "erase",
    "clear",
    "drop",
    "wipe",
    "purge",
    "trash",
    "destroy",
    "cancel",
    "revoke",
    "kick",
    "ban",
    "uninstall",
    "terminate",
    "close",
    "unsubscribe",
    "discard",
    "empty",
  ],
  [
    "update",
    "change",
    "modify",
    "edit",
    "set",
    "adjust",
    "replace",
    "alter",
    "rename",
    "reset",
    "move",
    "reschedule",
    "switch",
    "correct",
    "fix",
    "increase",
    "decrease",
    "raise",
    "lower",
    "upgrade",
    "extend",
    "postpone",
    "shift",
  ],
  ["run", "execute", "install", "deploy", "launch", "invoke", "call", "trigger"],
  [
    "visit",
    "browse",
    "navigate",
    "open",
    "click",
    "fetch",
    "load",
    "download",
    "access",
    "go",
    "follow",
    "check",
    "read",
    "get",
  ],
  ["enable", "disable", "turn", "activate", "deactivate", "unlock", "lock", "switch", "stop", "start"],
  ["merge", "push", "commit", "approve", "accept", "confirm", "sign", "submit", "apply", "fork", "star", "assign"],
];

const STRONG = [...new Set(FAMILIES.flat())].filter(
  (v) =>
    ![
      "new",
      "text",
      "mail",
      "dm",
      "reservation",
      "reply",
      "answer",
      "respond",
      "contact",
      "check",
      "read",
      "get",
      "go",
      "start",
      "stop",
      "bring",
      "join",
      "say",
      "ask",
      "return",
      "put",
      "log",
      "record",
      "follow",
      "open",
      "add",
      "make",
      "prepare",
      "include",
      "set",
      "plan",
      "turn",
      "drop",
      "allow",
      "apply",
      "save",
      "load",
      "clear",
      "lower",
      "raise",
      "run",
      "call",
      "order",
      "give",
      "star",
      "comment",
      "shift",
      "book",
      "close",
      "move",
      "draft",
      "email",
      "message",
      "write",
      "accept",
      "share",
      "access",
      "remove",
      "place",
      "fix",
      "sign",
      "push",
      "commit",
      "lock",
      "click",
      "tell",
      "inform",
      "remind",
      "notify",
      "empty",
      "settle",
      "switch",
    ].includes(v),
);
// Patterns below MUST NOT have two open repetitions in a row: text from outside would make them take quadratic time.
// Words that are commands only with an object: `add tomatoes` in a recipe is none for an agent, `add the user` is.
const WEAK =
  "add|make|set|put|open|get|read|check|go to|run|call|order|give|book|close|move|draft|email|mail|message|write|share|access|remove|reply|say|click|tell|inform|notify|ask|join|include|place|sign|push|follow|save|text";
const OBJECT =
  "(?:me|us|him|her|them|all|every|each|the|a|an|my|your|our|his|their|this|that|these|those|any|to|with|from|user|it|on|up|out|in|for|at|as many|as much|\\W{0,3}[\\w.+-]{1,64}@|https?:|www\\.|\\d|new)\\b";
const LEAD =
  "(?:please[,:]?|kindly|then|also|finally|first|next|now|afterwards?|and then|after(?: that| this)?|you must|you should|you need to|you have to|you are to|make sure to|be sure to|remember to|do not forget to|don't forget to|and|to-?do|task|action|instructions?|assistant|ai|agent|important|urgent|step \\d{1,3}|\\d{1,3}[.)]|[-*•]) {0,2}[,:]?(?: {1,2}(?:please|also|then))? {0,2}";
const START = `(?:^|[.!?:;>)\\]}\\n"'] {0,4}|\\n\\s{0,8})`;

const STRONG_COMMAND = new RegExp(`${START}(?:${LEAD}){0,3}(?:${STRONG.join("|")})(?= +\\S)`, "i");
const WEAK_COMMAND = new RegExp(`${START}(?:${LEAD}){0,3}(?:${WEAK}) +${OBJECT}`, "i");
const POLITE = new RegExp(
  `\\b(?:please|kindly|must|you should|you need to|make sure to|be sure to|want you to|would like you to) +(?:also +|then +|now +)?(?:${STRONG.join("|")}|${WEAK})\\b`,
  "i",
);

/** Whether a text from outside tells its reader to act: a command at the start of a sentence, or after `please` and its like. */
export function isCommanding(text: string): boolean {
  if (text.length < 12) return false;
  return STRONG_COMMAND.test(text) || POLITE.test(text) || WEAK_COMMAND.test(text);
}

/** The words of a tool's name: `sendDirect_message` gives `send`, `direct`, `message`. */
export function nameWords(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, (_, a?: string, b?: string, c?: string) =>
      c === undefined ? `${a} ${b}` : `${c} `,
    )
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
}

const ACTS = new Map<string, readonly string[]>();
for (const family of FAMILIES)
  for (const verb of family) ACTS.set(verb, [...new Set([...(ACTS.get(verb) ?? []), ...family])]);

/** A test for texts that speak of the act a tool does, by the first verb in its name; undefined if its name tells no act. */
export function actOf(name: string): ((text: string) => boolean) | undefined {
  const verb = nameWords(name).find((word) => ACTS.has(word));
  if (verb === undefined) return undefined;
  const words = (ACTS.get(verb) as readonly string[]).map((v) => `${v}(?:s|es|d|ed|ing|ting|ning)?`).join("|");
  const pattern = new RegExp(`\\b(?:${words}|${verb.replace(/e$/, "")}(?:ing|ation|al|ment))\\b`, "i");
  return (text) => pattern.test(text);
}
