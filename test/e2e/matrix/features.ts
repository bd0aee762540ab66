import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import type { Kind } from "../../support/agent.ts";
import { ruleOf, textOf } from "../../support/agent.ts";
import { until } from "../../support/until.ts";
import type { Brokers, Cell, FaceName, Server } from "./cells.ts";

/** Something that servers offer and agents use, and how to see that it works. */
export interface Feature {
  readonly name: string;
  readonly servers: readonly Server[];
  run(cell: Cell, server: Server, brokers: Brokers): Promise<void>;
}

/** Where a feature cannot work, and why. */
export interface Exception {
  readonly feature: string;
  readonly server?: Server;
  readonly kind?: Kind;
  readonly face?: FaceName;
  readonly reason: string;
}

const EVERYTHINGS: readonly Server[] = ["everything", "remote"];
const ALL: readonly Server[] = [...EVERYTHINGS, "files", "memory"];

/** A call whose intent and outcome are in the ledger, and only those of this call. */
async function call(cell: Cell, name: string, args: Record<string, unknown>, status: "ok" | "error" = "ok") {
  const { value, calls } = await cell.governed(() => cell.agent.call(name, args));
  recorded(calls, name, status);
  return value;
}

function recorded(calls: Awaited<ReturnType<Cell["governed"]>>["calls"], qualified: string, status: string): void {
  const [server, name] = qualified.includes("__")
    ? qualified.split("__")
    : [qualified.split("/")[0], qualified.slice(qualified.indexOf("/") + 1)];
  const mine = calls.filter((c) => c.intent.tool?.server === server && c.intent.tool?.name === name);
  // A call that a stateless client goes on with, answer in hand, is decided and recorded again.
  expect(mine.length, `calls of ${qualified} in the ledger`).toBeGreaterThanOrEqual(1);
  for (const c of mine.slice(0, -1)) expect(c.outcome.status).toBe("input_required");
  expect(mine.at(-1)).toMatchObject({
    intent: { agent: "agent", decision: { verdict: "allow" } },
    outcome: { status },
  });
}

export const FEATURES: readonly Feature[] = [
  {
    name: "lists the server's own tools, and no others of it",
    servers: ALL,
    async run({ agent }, server, brokers) {
      const { tools } = (await agent.request("tools/list", {})) as { tools: { name: string; description?: string }[] };
      const mine = tools
        .filter((t) => t.name.startsWith(`${server}__`))
        .map((t) => ({ name: t.name.slice(server.length + 2), description: t.description }));
      const direct = brokers.direct.get(server) ?? [];
      expect(mine).toEqual(expect.arrayContaining(direct.map(({ name, description }) => ({ name, description }))));
      expect(mine).toHaveLength(direct.length);
    },
  },
  {
    name: "calls a tool",
    servers: ALL,
    async run(cell, server) {
      if (server === "files") {
        const read = await call(cell, "files__read_text_file", { path: join(cell.workspace, "hello.txt") });
        expect(textOf(read)).toBe("Hello from the real filesystem.\n");
        const target = join(cell.workspace, `${crypto.randomUUID()}.txt`);
        await call(cell, "files__write_file", { path: target, content: "wörld ✓" });
        expect(readFileSync(target, "utf8")).toBe("wörld ✓");
      } else if (server === "memory") {
        const name = `entity ${crypto.randomUUID()}`;
        await call(cell, "memory__create_entities", {
          entities: [{ name, entityType: "test", observations: ["seen"] }],
        });
        const found = await call(cell, "memory__search_nodes", { query: name });
        expect(found.structuredContent).toMatchObject({
          entities: [{ name, entityType: "test", observations: ["seen"] }],
        });
      } else {
        expect(textOf(await call(cell, `${server}__get-sum`, { a: 20, b: 22 }))).toBe("The sum of 20 and 22 is 42.");
        const weather = await call(cell, `${server}__get-structured-content`, { location: "Chicago" });
        expect(weather.structuredContent).toEqual({
          temperature: 36,
          conditions: "Light rain / drizzle",
          humidity: 82,
        });
        expect((await call(cell, `${server}__get-tiny-image`, {})).content.map((c) => c.type)).toContain("image");
      }
    },
  },
  {
    name: "hands on a tool's own error",
    servers: ["files"],
    async run(cell) {
      const result = await call(cell, "files__read_text_file", { path: join(cell.workspace, "missing.txt") }, "error");
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(/ENOENT.*missing\.txt/);
      expect(ruleOf(result)).toBeUndefined();
    },
  },
  {
    name: "refuses arguments that do not fit the schema, before the server sees them",
    servers: ALL,
    async run(cell, server) {
      const [tool, args] = {
        files: ["read_text_file", {}],
        memory: ["search_nodes", { query: 7 }],
        everything: ["get-sum", { a: "1", b: 2 }],
        remote: ["get-sum", { a: "1", b: 2 }],
      }[server] as [string, Record<string, unknown>];
      const { value, calls } = await cell.governed(() => cell.agent.call(`${server}__${tool}`, args));
      expect(ruleOf(value)).toBe("callgate/invalid-arguments");
      expect(calls).toEqual([]);
    },
  },
  // First of what needs the session's own connection: the server asks for roots on its own soon after it opens.
  {
    name: "relays roots",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const result = await call(cell, `${server}__get-roots-list`, {});
      expect(textOf(result)).toContain(pathToFileURL(cell.workspace).href);
      expect(cell.agent.asked.map((a) => a.method)).toContain("roots/list");
    },
  },
  {
    name: "relays progress",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const seen: unknown[] = [];
      const name = `${server}__trigger-long-running-operation`;
      const { value, calls } = await cell.governed(() =>
        cell.agent.call(
          name,
          { duration: 0.3, steps: 3 },
          { onprogress: ({ progress, total }) => void seen.push([progress, total]) },
        ),
      );
      expect(textOf(value)).toBe("Long running operation completed. Duration: 0.3 seconds, Steps: 3.");
      // The last one may come after the answer, which the protocol lets a client ignore.
      expect(seen.slice(0, 2)).toEqual([
        [1, 3],
        [2, 3],
      ]);
      recorded(calls, name, "ok");
    },
  },
  {
    name: "cancels a call on its way",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const name = `${server}__trigger-long-running-operation`;
      const stop = new AbortController();
      const { calls } = await cell.governed(async () => {
        const call = cell.agent.call(
          name,
          { duration: 60, steps: 600 },
          { signal: stop.signal, onprogress: () => stop.abort("enough") },
        );
        await expect(call).rejects.toThrow();
      });
      recorded(calls, name, "cancelled");
    },
  },
  {
    name: "relays elicitation",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const asked = cell.agent.asked.length;
      const result = await call(cell, `${server}__trigger-elicitation-request`, {});
      const question = cell.agent.asked.slice(asked).find((a) => a.method === "elicitation/create");
      expect(question?.params["message"]).toBe("Please provide inputs for the following fields:");
      expect(textOf(result)).toContain("User provided the requested information!");
      expect(textOf(result)).toContain("- Name: Ada");
    },
  },
  {
    name: "relays sampling",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const asked = cell.agent.asked.length;
      const result = await call(cell, `${server}__trigger-sampling-request`, { prompt: "say something", maxTokens: 9 });
      const question = cell.agent.asked.slice(asked).find((a) => a.method === "sampling/createMessage");
      expect(question?.params).toMatchObject({ maxTokens: 9, systemPrompt: "You are a helpful test server." });
      expect(JSON.stringify(question?.params["messages"])).toContain("context: say something");
      expect(textOf(result)).toContain("sampled by the test");
    },
  },
  {
    name: "answers the server's question about roots outside a call",
    servers: ["files"],
    async run(cell) {
      await cell.agent.call("files__list_allowed_directories", {});
      await until("the question for the roots", () => cell.agent.asked.some((a) => a.method === "roots/list"));
    },
  },
  {
    name: "lists and gets prompts",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const { prompts } = (await cell.agent.request("prompts/list", {})) as { prompts: { name: string }[] };
      expect(prompts.map((p) => p.name)).toEqual(
        expect.arrayContaining([`${server}__simple-prompt`, `${server}__args-prompt`]),
      );
      const { value, calls } = await cell.governed(() =>
        cell.agent.request("prompts/get", {
          name: `${server}__args-prompt`,
          arguments: { city: "Turin", state: "Piedmont" },
        }),
      );
      expect(value["messages"]).toEqual([
        { role: "user", content: { type: "text", text: "What's weather in Turin, Piedmont?" } },
      ]);
      recorded(calls, `${server}/prompts/get`, "ok");
    },
  },
  {
    name: "completes arguments of prompts and of resource templates",
    servers: EVERYTHINGS,
    async run(cell, server) {
      const { value, calls } = await cell.governed(() =>
        cell.agent.request("completion/complete", {
          ref: { type: "ref/prompt", name: `${server}__completable-prompt` },
          argument: { name: "name", value: "" },
          context: { arguments: { department: "Sales" } },
        }),
      );
      expect(value["completion"]).toMatchObject({ values: ["David", "Eve", "Frank"] });
      recorded(calls, `${server}/completion/complete`, "ok");
      const id = await cell.agent.request("completion/complete", {
        ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
        argument: { name: "resourceId", value: "12" },
      });
      expect(id["completion"]).toMatchObject({ values: ["12"] });
    },
  },
  {
    name: "lists and reads resources and templates",
    servers: [...EVERYTHINGS, "memory"],
    async run(cell, server) {
      const read = async (uri: string): Promise<Record<string, unknown> | undefined> => {
        const { value, calls } = await cell.governed(() => cell.agent.request("resources/read", { uri }));
        recorded(calls, `${server}/resources/read`, "ok");
        return (value as { contents: Record<string, unknown>[] }).contents[0];
      };
      const { resources } = (await cell.agent.request("resources/list", {})) as { resources: { uri: string }[] };
      if (server === "memory") {
        expect(resources.map((r) => r.uri)).toContain("memory://knowledge-graph");
        expect(JSON.parse(String((await read("memory://knowledge-graph"))?.["text"]))).toHaveProperty("entities");
        return;
      }
      expect(resources.map((r) => r.uri)).toContain("demo://resource/static/document/features.md");
      expect((await read("demo://resource/static/document/features.md"))?.["text"]).toContain("# Everything Server");
      const { resourceTemplates } = (await cell.agent.request("resources/templates/list", {})) as {
        resourceTemplates: { uriTemplate: string }[];
      };
      expect(resourceTemplates.map((t) => t.uriTemplate)).toContain("demo://resource/dynamic/blob/{resourceId}");
      expect((await read("demo://resource/dynamic/text/7"))?.["text"]).toMatch(
        /^Resource 7: This is a plaintext resource/,
      );
      const blob = String((await read("demo://resource/dynamic/blob/8"))?.["blob"]);
      expect(Buffer.from(blob, "base64").toString()).toMatch(/^Resource 8: This is a base64 blob/);
    },
  },
  {
    name: "subscribes to a resource and hears of its updates",
    servers: [...EVERYTHINGS, "memory"],
    async run(cell, server) {
      const uri = server === "memory" ? "memory://knowledge-graph" : "demo://resource/dynamic/text/3";
      await cell.agent.watch([uri]);
      if (server === "memory")
        await cell.agent.call("memory__create_entities", {
          entities: [{ name: crypto.randomUUID(), entityType: "test", observations: [] }],
        });
      else await cell.agent.call(`${server}__toggle-subscriber-updates`, {});
      const heard = await until("the update", () =>
        cell.agent.heard.find((n) => n.method === "notifications/resources/updated" && n.params["uri"] === uri),
      );
      expect(heard.params["uri"]).toBe(uri);
      if (server !== "memory") await cell.agent.call(`${server}__toggle-subscriber-updates`, {});
    },
  },
  {
    name: "relays log messages",
    servers: EVERYTHINGS,
    async run(cell, server) {
      await cell.agent.logs("debug");
      await cell.agent.call(`${server}__toggle-simulated-logging`, {});
      const log = await until("a log message", () =>
        cell.agent.heard.find((n) => n.method === "notifications/message"),
      );
      expect(log.params["data"]).toMatch(/[- ]level[- ]message|Roots updated|Received Subscribe/);
      await cell.agent.call(`${server}__toggle-simulated-logging`, {});
    },
  },
  {
    name: "says that a list changed",
    servers: EVERYTHINGS,
    async run(cell, server) {
      if (cell.agent.modern) await cell.agent.watch([]);
      const name = `${crypto.randomUUID()}.gz`;
      await call(cell, `${server}__gzip-file-as-resource`, { name, data: "data:text/plain,callgate" });
      await until("the notice", () =>
        cell.agent.heard.some((n) => n.method === "notifications/resources/list_changed"),
      );
      const { resources } = (await cell.agent.request("resources/list", {})) as { resources: { uri: string }[] };
      expect(resources.map((r) => r.uri)).toContain(`demo://resource/session/${name}`);
    },
  },
];
