// Runs one of the stories in examples/: `npm run example inbox`. Each ends with 1 if it went another way than it says.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const examples = join(import.meta.dirname, "../examples");
const stories = readdirSync(examples).filter((name) => existsSync(join(examples, name, "run.ts")));
const [name = ""] = process.argv.slice(2);

if (stories.includes(name)) await import(pathToFileURL(join(examples, name, "run.ts")).href);
else {
  console.error(
    `callgate: there is no example \`${name}\`\nhelp: npm run example <name>, one of: ${stories.join(", ")}`,
  );
  process.exitCode = 2;
}
