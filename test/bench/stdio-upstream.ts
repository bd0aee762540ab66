/** The same upstream over stdio: one JSON-RPC message a line. `node stdio-upstream.ts`. */
import { answerOf } from "./tool.ts";

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk: string) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (line.trim() === "") continue;
    const answer = answerOf(JSON.parse(line));
    if (answer) process.stdout.write(`${JSON.stringify(answer.body)}\n`);
  }
});
process.stdin.on("end", () => process.exit(0));
