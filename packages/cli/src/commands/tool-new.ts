import { scaffoldModule } from "@callgate/gateway";
import { Command } from "commander";

/** `callgate tool new`: the source of a module that works, to be changed. */
export function toolNewCommand(): Command {
  return new Command("new")
    .description("write the source of a tool that works, with its tests and its types, into a new folder")
    .argument("<folder>", "a folder that is empty or not there")
    .option("--zod", "with a zod schema in place of JSON Schema")
    .option("--json", "print JSON")
    .action(async (folder: string, options: { zod?: boolean; json?: boolean }) => {
      const zod = options.zod === true;
      const files = await scaffoldModule(folder, { zod });
      if (options.json) return console.log(JSON.stringify({ folder, files }));
      console.log(
        [
          `wrote ${files.join(", ")} in ${folder}`,
          ...(zod ? [`Install what it imports:  npm install --prefix ${folder}`] : []),
          `Test it:                  callgate tool test ${folder}`,
          `Then let a broker have it: callgate tool register ${folder} --server <name>`,
        ].join("\n"),
      );
    });
}
