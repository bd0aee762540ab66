// Adds up vitest's JSON report and the checks' closing line: node .ci/summary.mjs REPORT TESTS_EXIT CHECKS_LOG CHECKS_EXIT
// A run that ended badly without naming a failure counts as one, so that the last line can never say `0 failed` for it.
import { readFileSync } from "node:fs";

const [report, testsExit, log, checksExit] = process.argv.slice(2);

function tests() {
  let json;
  try {
    json = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { passed: 0, failed: 1, note: "vitest wrote no report" };
  }
  // A file that fails before its first test (an import that does not resolve) has no failed test of its own.
  const broken = json.testResults.filter((file) => file.status === "failed" && !file.assertionResults.some(failed));
  for (const file of broken) console.log(`failed to run: ${file.name}`);
  const skipped = json.numPendingTests + json.numTodoTests;
  return { passed: json.numPassedTests, failed: json.numFailedTests + broken.length, note: `${skipped} skipped` };
}

function failed(assertion) {
  return assertion.status === "failed";
}

function checks() {
  const line = /^lint: (\d+) passed, (\d+) failed/m.exec(readFileSync(log, "utf8"));
  return line
    ? { passed: Number(line[1]), failed: Number(line[2]), note: "" }
    : { passed: 0, failed: 1, note: "did not finish" };
}

/** Prints one line and gives its counts. */
function tell(name, exit, counts) {
  if (exit !== "0" && counts.failed === 0) counts.failed = 1;
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed${counts.note && ` (${counts.note})`}`);
  return counts;
}

const parts = [tell("tests", testsExit, tests()), tell("checks", checksExit, checks())];
const passed = parts.reduce((sum, part) => sum + part.passed, 0);
const failures = parts.reduce((sum, part) => sum + part.failed, 0);
console.log(`${passed} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
