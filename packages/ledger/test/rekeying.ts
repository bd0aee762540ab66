// Gives a folder's files another key, for tests that end it: at the nth call of the file system, or from outside once it says so.
// rekeying.ts <folder> <key it has|-> <key it gets|-> <nth call|0>
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [folder = "", from = "-", to = "-", nth = "0"] = process.argv.slice(2);
let calls = 0;
const counted = ["openSync", "writeSync", "fsyncSync", "linkSync", "renameSync", "rmSync", "closeSync"] as const;
const { holdFileKey, rekeyFolder } = await import("../src/index.ts");
for (const name of counted) {
  const own = fs[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name](...args: unknown[]) {
      if (++calls === Number(nth)) process.kill(process.pid, "SIGKILL");
      return own(...args);
    },
  });
}
syncBuiltinESMExports();
holdFileKey(folder, from === "-" ? undefined : from);
process.stdout.write("begins\n");
calls = 0;
rekeyFolder(folder, to === "-" ? undefined : to);
process.stdout.write(`calls ${calls}\n`);
