import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { rawAnswer } from "./answer.ts";

// A server over stdio, of the older era: `node server.ts`. Leaves the text of each call's arguments as a line in the file `CALLED`.
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line.includes('"server/discover"')) return process.exit(1);
  const answer = rawAnswer(line, (args) => appendFileSync(process.env["CALLED"] ?? "", `${args}\n`));
  if (answer !== undefined) process.stdout.write(`${answer}\n`);
});
