import type { Diagnostic, Span } from "@callgate/core";

/** What loading found so far. Loading goes on after an error, so that a person sees all of them at once. */
export class Findings {
  readonly errors: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];

  error(message: string, span: Span, help: string): void {
    this.errors.push({ message, span, help });
  }

  warn(message: string, span: Span, help: string): void {
    this.warnings.push({ message, span, help });
  }
}

/** Sorts by place: files in the order they were met, then lines and columns. Drops repeats. */
export function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const files = [...new Set(diagnostics.map((d) => d.span?.file))];
  const seen = new Set<string>();
  const unique = diagnostics.filter((d) => {
    const key = JSON.stringify([d.message, d.span]);
    return !seen.has(key) && seen.add(key);
  });
  const rank = (d: Diagnostic) => [files.indexOf(d.span?.file), d.span?.line ?? 0, d.span?.column ?? 0] as const;
  return unique.sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
  });
}
