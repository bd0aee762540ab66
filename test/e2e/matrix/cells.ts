import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Agent, type Answers, connect, type Kind } from "../../support/agent.ts";
import { type Broker, startBroker, stdioBroker } from "../../support/broker.ts";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { callsAfter, type Governed, newestIn } from "../../support/ledger.ts";
import { EVERYONE, manifestOf, PERMIT_ALL } from "../../support/manifest.ts";
import { EVERYTHING, FILESYSTEM, MEMORY, startEverythingHttp, toolsOf } from "../../support/official.ts";
import { freePort, type Running } from "../../support/process.ts";

/** The servers behind the broker: `remote` is the everything server over streamable HTTP, the others speak stdio. */
export const SERVERS = ["everything", "remote", "files", "memory"] as const;
export type Server = (typeof SERVERS)[number];

export const FACES = ["stdio", "http"] as const;
export type FaceName = (typeof FACES)[number];

/** `remote` offers the very resources of `everything`, so it stands behind a broker of its own. */
export const SETUPS = { local: ["everything", "files", "memory"], remote: ["remote"] } as const satisfies Record<
  string,
  readonly Server[]
>;
export type Setup = keyof typeof SETUPS;

/** One client at one face of one broker. */
export interface Cell {
  readonly agent: Agent;
  readonly kind: Kind;
  readonly face: FaceName;
  /** Real path of the folder that the filesystem server was given. */
  readonly workspace: string;
  /** Runs `act` and gives what the ledger has of the calls it made, once they all have an outcome. */
  governed<T>(act: () => Promise<T>): Promise<{ value: T; calls: readonly Governed[] }>;
  close(): Promise<void>;
}

/** What the person behind every client of the matrix answers. */
export const ANSWERS = {
  "elicitation/create": () => ({ action: "accept", content: { name: "Ada", check: true, integer: 7 } }),
  "sampling/createMessage": () => ({
    role: "assistant",
    model: "test-model",
    content: { type: "text", text: "sampled by the test" },
  }),
} satisfies Answers;

/** Tools that need a client which runs tasks; the broker does not relay tasks, so it does not offer them. */
const TASK_TOOLS = /async$|^simulate-research-query$/;

/** The brokers of the matrix, started when they are first needed: one over HTTP for each setup, one over stdio for each client. */
export class Brokers {
  readonly folder: Folder = makeFolder();
  readonly workspace: string;
  /** What each server offers to a client that asks it directly. */
  readonly direct = new Map<Server, { name: string; description?: string | undefined }[]>();
  readonly #http = new Map<Setup, Promise<Broker>>();
  #remote: { url: string; process: Running } | undefined;
  #cells = 0;

  constructor() {
    this.workspace = join(this.folder.path, "workspace");
    mkdirSync(this.workspace);
    writeFileSync(join(this.workspace, "hello.txt"), "Hello from the real filesystem.\n");
  }

  async prepare(): Promise<void> {
    this.#remote = await startEverythingHttp(await freePort());
    const [everything, files, memory] = await Promise.all([
      toolsOf(EVERYTHING),
      toolsOf([...FILESYSTEM, this.workspace]),
      toolsOf(MEMORY),
    ]);
    const untasked = everything.filter((tool) => !TASK_TOOLS.test(tool.name));
    const rich = {
      resources: EVERYONE,
      prompts: EVERYONE,
      callbacks: ["elicitation", "sampling", "roots"],
      logging: true,
    };
    for (const server of ["everything", "remote"] as const) {
      this.direct.set(server, untasked);
      this.folder.write(`manifests/${server}.yaml`, manifestOf(server, untasked, rich));
    }
    this.direct.set("files", files);
    this.direct.set("memory", memory);
    this.folder.write("manifests/files.yaml", manifestOf("files", files, { callbacks: ["roots"] }));
    this.folder.write("manifests/memory.yaml", manifestOf("memory", memory, { resources: EVERYONE }));
    this.folder.write("policies/all.yaml", PERMIT_ALL);
  }

  /** A client connected to a broker. Without `answers` it can answer everything. */
  async cell(kind: Kind, face: FaceName, setup: Setup, answers: Answers = this.#answers()): Promise<Cell> {
    let data: string;
    let agent: Agent;
    if (face === "http") {
      const broker = await this.#httpBroker(setup);
      data = broker.data;
      agent = await connect(
        kind,
        { url: broker.url, token: await broker.token("agent", { user: `user-${++this.#cells}` }) },
        answers,
      );
    } else {
      const name = `${setup}-${++this.#cells}`;
      data = join(this.folder.path, `data-${name}`);
      agent = await connect(kind, { args: stdioBroker(this.#config(name, setup)) }, answers);
    }
    return {
      agent,
      kind,
      face,
      workspace: this.workspace,
      async governed(act) {
        const before = newestIn(data);
        const value = await act();
        return { value, calls: await callsAfter(data, before) };
      },
      close: () => agent.close(),
    };
  }

  #answers(): Answers {
    return {
      ...ANSWERS,
      "roots/list": () => ({ roots: [{ uri: pathToFileURL(this.workspace).href, name: "work" }] }),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#http.values()].map(async (broker) => (await broker).stop()));
    await this.#remote?.process.stop();
    this.folder.remove();
  }

  #httpBroker(setup: Setup): Promise<Broker> {
    let broker = this.#http.get(setup);
    if (!broker) {
      broker = startBroker(this.#config(`${setup}-http`, setup));
      this.#http.set(setup, broker);
    }
    return broker;
  }

  #config(name: string, setup: Setup): string {
    const node = (args: readonly string[]) => ({ command: process.execPath, args: [...args] });
    const all = {
      everything: node(EVERYTHING),
      remote: { url: this.#remote?.url },
      files: node([...FILESYSTEM, this.workspace]),
      memory: { ...node(MEMORY), env: { MEMORY_FILE_PATH: join(this.folder.path, `memory-${name}.jsonl`) } },
    };
    return this.folder.write(`callgate-${name}.yaml`, {
      version: 1,
      data: `data-${name}`,
      http: { port: 0 },
      servers: Object.fromEntries(SETUPS[setup].map((server) => [server, all[server]])),
      agents: { agent: {} },
      stdio: { agent: "agent" },
      policies: ["policies/all.yaml"],
      log: { level: "warn" },
    });
  }
}
