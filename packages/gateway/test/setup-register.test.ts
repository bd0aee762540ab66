import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { definitionDigest } from "../src/config/index.ts";
import { pinnedDefinition } from "../src/pins.ts";
import { draftRegistration, type RegisterMode, scopesOf, writeRegistration } from "../src/setup/register.ts";
import { loaded } from "./config-folder.ts";
import { DROP, isAlive, offer, READ, rejectionOf, textOf, thingFolder } from "./setup-folder.ts";

async function register(dir: string, mode: RegisterMode, timeout = 15_000) {
  const config = await loaded(dir, { manifests: "skip" });
  const registration = await draftRegistration(config, config.servers["thing"]!, { mode, timeout });
  return { config, registration };
}

test("a registered server's manifest loads, pins what it offers, and keeps the definitions", async () => {
  const dir = await thingFolder([READ, DROP]);
  const { config, registration } = await register(dir, "new");
  expect(existsSync(join(dir, "manifests", "thing.yaml"))).toBe(false);
  await writeRegistration(config, registration);
  const { tools, callbacks } = (await loaded(dir)).servers["thing"]!.manifest;
  expect(tools["read"]).toMatchObject({ scopes: ["thing:read"], effects: ["read"], digest: definitionDigest(READ) });
  expect(tools["drop"]).toMatchObject({ scopes: ["thing:write"], effects: ["write", "destructive", "external"] });
  expect(callbacks).toEqual([]);
  expect(await textOf(dir, "manifests", "thing.yaml")).toContain("# callbacks: [elicitation, sampling, roots]\n");
  expect(scopesOf(registration.draft)).toEqual(["thing:read", "thing:write"]);
  expect(pinnedDefinition(config.data, "thing", "read", definitionDigest(READ))).toEqual(READ);
});

test("a manifest that is there is not written over, and `add` leaves it as it is but for what is new", async () => {
  const dir = await thingFolder([READ]);
  const first = await register(dir, "new");
  await writeRegistration(first.config, first.registration);
  const edited = (await textOf(dir, "manifests", "thing.yaml")).replace("thing:read", "mine");
  await writeFile(join(dir, "manifests", "thing.yaml"), edited);

  expect(await rejectionOf(register(dir, "new"))).toMatchObject({ code: "MANIFEST_EXISTS" });
  await offer(dir, [{ ...READ, description: "changed" }, DROP]);
  const { config, registration } = await register(dir, "add");
  expect(Object.keys(registration.draft.tools)).toEqual(["drop"]);
  await writeRegistration(config, registration);
  const after = await textOf(dir, "manifests", "thing.yaml");
  expect(after.slice(0, edited.length)).toBe(edited);
  expect(after.slice(edited.length)).toMatch(/^ {2}drop:\n/);
  // What was not drafted now was not accepted now.
  expect(pinnedDefinition(config.data, "thing", "read", definitionDigest(READ))).toEqual(READ);

  const again = await register(dir, "replace");
  expect(again.registration.text).not.toContain("mine");
});

test("a tool that agents could not be offered is left out, and the rest loads", async () => {
  const odd = ["has.dot", "x".repeat(60), "__proto__", "read", "lone"];
  const tools = odd.map((name) => ({
    name,
    inputSchema: { type: "object" },
    ...(name === "lone" && { description: "\ud800" }),
  }));
  const dir = await thingFolder([READ, ...tools]);
  const { config, registration } = await register(dir, "new");
  expect(registration.leftOut.map((l) => l.tool)).toEqual(odd);
  await writeRegistration(config, registration);
  expect(Object.keys((await loaded(dir)).servers["thing"]!.manifest.tools)).toEqual(["read"]);
});

test("a server that offers nothing is not registered", async () => {
  expect(await rejectionOf(register(await thingFolder([]), "new"))).toMatchObject({ code: "NOTHING_OFFERED" });
});

test("a server that cannot start is reported with its own words, without secrets or control characters", async () => {
  const { code, message } = await rejectionOf(register(await thingFolder([], "crash"), "new"));
  expect(code).toBe("SERVER_UNREACHABLE");
  expect(message).toContain("exited with status 3");
  expect(message).toContain("cannot start: \\u{1b}[31m[secret] is not a good key");
});

test("a server that hangs is given up, and its process is gone", async () => {
  const dir = await thingFolder([], "hang");
  const { code, message } = await rejectionOf(register(dir, "new", 1_000));
  expect({ code, message }).toEqual({
    code: "SERVER_UNREACHABLE",
    message: "cannot list the tools of `thing`: it did not answer within 1 s",
  });
  expect(isAlive(Number(await textOf(dir, "tools.json.pid")))).toBe(false);
});
