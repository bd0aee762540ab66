/** Where in a text file something stands. Lines and columns count from 1. */
export interface Span {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One finding about an input file: what is wrong, where, and what to type instead. */
export interface Diagnostic {
  readonly message: string;
  readonly span?: Span;
  readonly help?: string;
}

/** `file:line:column: message`, then the help on a line of its own. */
export function formatDiagnostic(d: Diagnostic): string {
  const where = d.span ? `${d.span.file}:${d.span.line}:${d.span.column}: ` : "";
  return `${where}${d.message}${d.help ? `\n  help: ${d.help}` : ""}`;
}

/**
 * An error a person can act on. `code` is stable and machine-readable; `message` is lower case without a final full stop;
 * `help` says what to type next. MUST NOT carry secrets or policy source.
 */
export class CallgateError extends Error {
  readonly code: string;
  readonly help: string | undefined;
  readonly diagnostics: readonly Diagnostic[];

  constructor(
    code: string,
    message: string,
    more: { help?: string; cause?: unknown; diagnostics?: readonly Diagnostic[] } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "CallgateError";
    this.code = code;
    this.help = more.help;
    this.diagnostics = more.diagnostics ?? [];
  }
}

/** The text of any thrown value, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
