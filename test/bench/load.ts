/**
 * The load generator, in a process of its own that the bench forks. Takes one order at a time over IPC: open clients to a
 * target, run a round of calls with all of them, close them. Checks every answer's content.
 */
import { Client, type Target } from "./client.ts";
import { type Latency, latencyOf } from "./stats.ts";
import { callBody, faultOf, messageIn } from "./wire.ts";

export type Order =
  | { readonly kind: "open"; readonly name: string; readonly target: Target; readonly clients: number }
  | { readonly kind: "round"; readonly name: string; readonly calls: number; readonly maxMs: number }
  | { readonly kind: "close"; readonly name: string };

export interface Round {
  /** Calls answered, each checked. */
  readonly calls: number;
  readonly ms: number;
  readonly latency: Latency;
  /** CPU of the load generator itself, microseconds a call. */
  readonly cpu: number;
}

export type Report = { readonly ok: true; readonly round?: Round } | { readonly ok: false; readonly error: string };

interface Opened {
  readonly target: Target;
  readonly clients: readonly Client[];
  /** Ids go on from round to round, so that no two calls of a client are alike. */
  nextId: number;
}

const opened = new Map<string, Opened>();

function find(name: string): Opened {
  const found = opened.get(name);
  if (!found) throw new Error(`no target \`${name}\` is open`);
  return found;
}

/** Keeps one call in flight a client until `calls` are issued or `maxMs` are over. Rejects on the first wrong answer. */
function run(group: Opened, calls: number, maxMs: number): Promise<Round> {
  const { era, tool } = group.target;
  const samples = new Float64Array(calls);
  let issued = 0;
  let answered = 0;
  let busy = group.clients.length;
  const cpu = process.cpuUsage();
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const finish = () => {
      const ms = performance.now() - begin;
      const spent = process.cpuUsage(cpu);
      const latency = latencyOf(samples.subarray(0, answered));
      resolve({ calls: answered, ms, latency, cpu: (spent.user + spent.system) / answered });
    };
    const next = (client: Client, index: number) => {
      const start = performance.now();
      if (issued >= calls || start - begin > maxMs) {
        if (--busy === 0) finish();
        return;
      }
      issued++;
      const id = group.nextId++;
      client.connection.send(client.callHead, callBody(era, tool, index, id), (answer) => {
        const took = performance.now() - start;
        if (answer instanceof Error) return reject(answer);
        const fault =
          answer.status === 200
            ? faultOf(era, index, id, messageIn(answer.body, id))
            : `status ${answer.status}: ${answer.body.slice(0, 300)}`;
        if (fault !== undefined) return reject(new Error(`call ${id} of client ${index}: ${fault}`));
        samples[answered++] = took * 1000;
        next(client, index);
      });
    };
    group.clients.forEach(next);
  });
}

async function obey(order: Order): Promise<Report> {
  switch (order.kind) {
    case "open": {
      const clients: Client[] = [];
      for (let i = 0; i < order.clients; i++) clients.push(await Client.open(order.target));
      opened.set(order.name, { target: order.target, clients, nextId: 1 });
      return { ok: true };
    }
    case "round":
      return { ok: true, round: await run(find(order.name), order.calls, order.maxMs) };
    case "close":
      for (const client of find(order.name).clients) await client.close();
      opened.delete(order.name);
      return { ok: true };
    default:
      order satisfies never;
      throw new Error("unknown order");
  }
}

process.on("message", (order: Order) => {
  void obey(order)
    .catch((error: Error): Report => ({ ok: false, error: error.message }))
    .then((report) => process.send?.(report));
});
process.on("disconnect", () => process.exit(0));
