// Writes what is generated from the configuration's schemas: the JSON Schemas for editors and docs/configuration.md.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generatedFiles } from "../packages/gateway/src/config/reference.ts";

const root = join(import.meta.dirname, "..");
for (const [path, text] of Object.entries(generatedFiles())) {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  console.log(`wrote ${path}`);
}
