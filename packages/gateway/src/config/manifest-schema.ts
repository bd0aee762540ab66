import * as z from "zod";
import { runBudgets } from "./run-budgets.ts";
import {
  argumentRole,
  bytes,
  callback,
  choice,
  count,
  digest,
  duration,
  effect,
  hostPattern,
  label,
  line,
  scope,
  serverName,
  version,
} from "./scalars.ts";

const about = (description: string, example?: unknown) => ({ description, ...(example !== undefined && { example }) });

const access = {
  scopes: z.array(scope).meta(about("Scopes that the caller must hold, all of them. `[]` needs none.", ["files:read"])),
  effects: z.array(effect).meta(about("What a call does to the world.", ["read"])),
  labels: z
    .array(label)
    .prefault([])
    .meta(about("What the result carries.", ["private"])),
};

const toolLimits = z.strictObject({
  cost: z.int().min(0).max(1_000_000).default(1).meta(about("What a call costs, in units.", 1)),
  callsPerMinute: count.optional().meta(about("Calls in any minute, in one session.", 30)),
  concurrent: count.optional().meta(about("Calls at the same time, in one session.", 2)),
  wall: duration.optional().meta(about("Longest that one call may take.", "30s")),
  argumentBytes: bytes.optional().meta(about("Largest arguments.", "64KiB")),
  resultBytes: bytes.optional().meta(about("Largest result.", "1MiB")),
});

const result = z.strictObject({
  untrusted: choice("kind of untrusted result", ["all", "prose"])
    .prefault("all")
    .meta(
      about(
        "Where its labels have `untrusted`: `prose` if short fields that hold one value (an address, an identifier) are the server's own.",
        "prose",
      ),
    ),
  text: choice("kind of text", ["prose", "record"])
    .prefault("prose")
    .meta(
      about(
        "What its texts are where `untrusted` is `prose`: `record` if they are the server's own records (JSON, YAML, one short value), and not what somebody wrote.",
        "record",
      ),
    ),
  fields: z
    .record(z.string(), z.array(label))
    .prefault({})
    .meta(about("Labels of single fields, by dotted path with lists as `[]`.", { "[].password": ["secret"] })),
});

const tool = z.strictObject({
  ...access,
  result: result.prefault({}).meta(about("Which parts of a result carry its labels.")),
  arguments: z
    .record(z.string(), argumentRole)
    .optional()
    .meta(
      about("What its arguments are for. Without it they are guessed from the definition; `{}` gives them none.", {
        to: "destination",
        body: "content",
      }),
    ),
  limits: toolLimits.prefault({}).meta(about("Ceilings on this tool.")),
  digest: digest.meta(
    about("Digest of the definition that a person accepted. A tool whose definition drifts from it cannot be called."),
  ),
  description: line.optional().meta(about("Shown to agents in place of the server's own.", "Reads a text file.")),
});

const accessObject = z.strictObject(access);

const reach = {
  hosts: z
    .array(hostPattern)
    .prefault([])
    .meta(about("Hosts that it may `fetch` from, over https. Without them it cannot.", ["api.example.com"])),
  calls: z
    .array(line)
    .prefault([])
    .meta(about("Tools that it may call, with the scopes of its caller.", ["files__read_file"])),
  fetch: z
    .strictObject({
      scopes: access.scopes.prefault([]),
      effects: access.effects.prefault(["external"]),
      labels: z
        .array(label)
        .prefault(["untrusted"])
        .meta(about("What the answers carry.", ["untrusted"])),
    })
    .prefault({})
    .meta(about("What its fetches need and bring: policies know them as `<server>/sandbox/fetch`.")),
  budgets: runBudgets.prefault({}).meta(about("Ceilings on one call.")),
};

/** What the author of a module says that it needs, beside its tests. */
export const moduleWishes = z.strictObject(reach);

const module = z.strictObject({
  digest: digest.meta(about("Digest of the bundle. `callgate tool register` writes it.")),
  ...reach,
});

/** A manifest, as it is written. */
export const manifestSchema = z
  .strictObject({
    version: version.meta(about("Version of this format.", 1)),
    server: serverName.meta(about("Name of the server in `callgate.yaml`.", "files")),
    tools: z
      .record(z.string(), tool)
      .prefault({})
      .meta(about("Tools, by the server's names. One that is not here cannot be called.")),
    resources: accessObject
      .optional()
      .meta(about("Reading resources. Without it none is reachable.", { scopes: [], effects: ["read"] })),
    prompts: accessObject
      .optional()
      .meta(about("Getting prompts. Without it none is reachable.", { scopes: [], effects: ["read"] })),
    callbacks: z
      .array(callback)
      .prefault([])
      .meta(about("What the server may ask of the client that called it.", ["elicitation"])),
    module: module
      .optional()
      .meta(about("For a server with `module`: what its code is and may do.", { digest: `sha256:${"0".repeat(64)}` })),
    logging: z.boolean().default(false).meta(about("Pass the server's log messages to the client.", false)),
  })
  .meta({
    title: "Callgate manifest",
    description: "What one server's tools need and do, as a person declared and pinned it.",
  });

export type ManifestInput = z.output<typeof manifestSchema>;
