/** After these words a slash begins a regular expression. */
const BEFORE_REGEX = new Set(
  "await case delete do else in instanceof new of return throw typeof void yield".split(" "),
);
const WORD = /[\p{ID_Continue}$\u200c\u200d]+/uy;
const STRING = { "'": /'(?:[^'\\\n]|\\[^])*'?/y, '"': /"(?:[^"\\\n]|\\[^])*"?/y } as const;
/** As far as it closes in its own line, and is no longer than this. */
const LONGEST_REGEX = 500;
const REGEX = /^\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//;
const COMMENT = /\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)/y;
const TEMPLATE = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{|$)/y;
const CLOSES: Readonly<Record<string, readonly string[]>> = { ")": ["("], "]": ["["], "}": ["{", "${"] };

/**
 * Whether brackets of a script (JavaScript or TypeScript, correct or not) stand deeper in one another than `most`. Those in texts,
 * templates, comments and regular expressions do not count. Takes time that grows with the length of the script alone.
 */
export function isDeeper(script: string, most: number): boolean {
  const open: string[] = [];
  let before = "";
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(script)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  /** The text of a template, until it ends or an expression begins. */
  const template = (): void => {
    if (take(TEMPLATE)?.endsWith("${")) open.push("${");
    else before = "`";
  };
  while (at < script.length) {
    const c = script[at] as string;
    if (c === "/") {
      if (take(COMMENT) !== undefined) continue;
      const regex = beginsRegex(before) ? REGEX.exec(script.slice(at, at + LONGEST_REGEX))?.[0] : undefined;
      at += regex?.length ?? 1;
      before = regex === undefined ? c : "/re/";
    } else if (c === "'" || c === '"') {
      take(STRING[c]);
      before = c;
    } else if (c === "`") {
      at++;
      template();
    } else if (c === "(" || c === "[" || c === "{") {
      open.push(c);
      at++;
      before = c;
    } else if (c in CLOSES) {
      at++;
      before = c;
      const from = open.findLastIndex((one) => CLOSES[c]?.includes(one));
      // What closes nothing is left to the parser, which says where.
      if (from >= 0 && open.splice(from)[0] === "${") template();
    } else {
      const word = take(WORD);
      if (word === undefined) at++;
      if (word !== undefined || c.trim() !== "") before = word ?? c;
    }
    if (open.length > most) return true;
  }
  return false;
}

/** Whether a slash after this begins a regular expression; where the text alone does not say it, the more common of the two. */
function beginsRegex(before: string): boolean {
  if (/^[\p{ID_Continue}$]/u.test(before)) return BEFORE_REGEX.has(before);
  return !["/re/", "'", '"', "`", ")", "]"].includes(before);
}
