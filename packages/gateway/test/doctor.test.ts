import { CallgateError } from "@callgate/core";
import { expect, test } from "vitest";
import { lookAtSandbox } from "../src/doctor/machine.ts";
import { loaded } from "./config-folder.ts";
import { thingFolder } from "./setup-folder.ts";

const layers = (os: boolean) => async () => [
  { layer: "isolate", inForce: true, detail: "one isolate a run" } as const,
  { layer: "os", inForce: os, detail: os ? "namespaces" : "needs `unshare`" } as const,
];

test("a layer that is required and not in force fails where there is code to run, and is a warning elsewhere", async () => {
  const config = await loaded(await thingFolder([]), { manifests: "skip" });
  const needing = { ...config, sandbox: { ...config.sandbox, require: ["isolate", "os"] as const } };
  const code = { scopes: [], tools: ["*"], budgets: {} as never, list: "all" } as const;
  const healthOf = async (given: typeof needing, os: boolean) =>
    (await lookAtSandbox(given, layers(os))).map(({ check, health }) => `${check}: ${health}`);
  expect(await healthOf({ ...needing, code }, true)).toEqual([
    "sandbox isolate: ok",
    "sandbox os: ok",
    "sandbox required: ok",
  ]);
  expect(await healthOf({ ...needing, code }, false)).toEqual([
    "sandbox isolate: ok",
    "sandbox os: fail",
    "sandbox required: fail",
  ]);
  expect(await healthOf(needing, false)).toEqual(["sandbox isolate: ok", "sandbox os: warn", "sandbox required: warn"]);
  const weaker = async () => [
    { layer: "os", inForce: true, detail: "seccomp; without a file tree of its own" } as const,
  ];
  expect(await lookAtSandbox(config, weaker)).toMatchObject([
    { health: "warn", help: expect.stringContaining("bubblewrap") },
    {},
  ]);
  const [, os] = await lookAtSandbox({ ...needing, code }, layers(false));
  expect(os).toMatchObject({
    detail: expect.stringContaining("needs `unshare`"),
    help: expect.stringContaining("util-linux"),
  });
});

test("a sandbox that does not start says why and what to do", async () => {
  const config = await loaded(await thingFolder([]), { manifests: "skip" });
  const broken = async () => {
    throw new CallgateError("SANDBOX_START", "no sandbox worker starts: no addon", {
      help: "run `npm rebuild isolated-vm`",
    });
  };
  expect(await lookAtSandbox(config, broken)).toMatchObject([
    { health: "warn", detail: expect.stringContaining("no addon"), help: expect.stringContaining("npm rebuild") },
  ]);
  expect(
    await lookAtSandbox(
      { ...config, code: { scopes: [], tools: [], budgets: {} as never, list: "all" as const } },
      broken,
    ),
  ).toMatchObject([{ health: "fail" }]);
});
