import type { TestReport } from "./run-cases.ts";

/** The report as JUnit's XML, one suite a file, as build servers read it. */
export function junitOf({ results, failed }: TestReport): string {
  const suites = Map.groupBy(results, (r) => r.test.span.file);
  const body = [...suites].map(([file, all]) => {
    const failures = all.filter((r) => r.problems.length > 0).length;
    const cases = all.map(({ test, problems }) => {
      const head = `    <testcase name="${escaped(test.name)}" classname="${escaped(file)}" file="${escaped(file)}" line="${test.span.line}"`;
      if (problems.length === 0) return `${head}/>`;
      return `${head}>\n      <failure message="${escaped(problems[0] ?? "")}">${escaped(problems.join("\n"))}</failure>\n    </testcase>`;
    });
    return `  <testsuite name="${escaped(file)}" tests="${all.length}" failures="${failures}">\n${cases.join("\n")}\n  </testsuite>`;
  });
  const head = `<testsuites name="callgate policy test" tests="${results.length}" failures="${failed}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${[head, ...body, "</testsuites>"].join("\n")}\n`;
}

function escaped(text: string): string {
  const known: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\n": "&#10;",
  };
  // XML 1.0 has no other control characters, not even escaped.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll(/[&<>"\n]/g, (c) => known[c] ?? c);
}
