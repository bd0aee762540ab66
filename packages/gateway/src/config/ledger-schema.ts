import * as z from "zod";
import { about } from "./about.ts";
import { choice, count, duration, line } from "./scalars.ts";

const anchor = z.union([
  line,
  z.strictObject({
    to: line.meta(about("Where: as an anchor that is a text.", "https://witness.example.com")),
    required: z.boolean().default(false).meta(about("Refuse to start while it cannot be asked.", false)),
    lag: z
      .strictObject({
        records: z
          .int()
          .min(1000)
          .optional()
          .meta(about("So many records that it has not seen; denials do not count.", 10_000)),
        time: duration.optional().meta(about("So long that it has not seen a record; from `5s` on.", "60s")),
      })
      .optional()
      .meta(
        about("With `required`: no call runs while it is behind by more than that. They run again once it is back.", {
          time: "60s",
        }),
      ),
    vkey: line
      .optional()
      .meta(about("The witness's key, to check its signatures with.", "witness.example.com+1b2c3d4e+BAA")),
  }),
]);

const redactRule = z.strictObject({
  path: line.optional().meta(about("JSONPath in the arguments and the result. Without it: everywhere.", "$..password")),
  pattern: line
    .optional()
    .meta(about("RE2 pattern of the part of a text. Without it: the whole value.", "sk-[A-Za-z0-9]+")),
  tools: z
    .array(line)
    .optional()
    .meta(about("Tools it holds for, with `*` and `?`. Without it: all.", ["crm__*"])),
});

/** `ledger` in `callgate.yaml`. */
export const ledger = z.strictObject({
  sync: choice("sync", ["full", "normal", "off"])
    .prefault("full")
    .meta(about("`full`: a record is on disk before its call runs. The others lose records in a power cut.", "full")),
  payloads: z.boolean().default(true).meta(about("Keep arguments and results beside their digests.", true)),
  search: z
    .boolean()
    .default(true)
    .meta(about("Keep an index of their words, in the clear, for `text:` in `callgate ledger query`.", true)),
  anchors: z
    .array(anchor)
    .prefault([])
    .meta(
      about(
        "Places outside the data folder that keep the ledger's checkpoints. At the start the ledger must agree with each: `file:/path`, the URL of a witness, or `command:program argument`.",
        ["file:/mnt/other/callgate.anchor"],
      ),
    ),
  signatures: z
    .array(choice("signature", ["ed25519", "ml-dsa-44"]))
    .prefault(["ed25519"])
    .meta(
      about(
        "What checkpoints are signed with. `ed25519` is always among them; `ml-dsa-44` adds a signature that a quantum computer cannot forge, and some 0.5 ms and 3 KiB to every commit.",
        ["ed25519", "ml-dsa-44"],
      ),
    ),
  encryption: z
    .strictObject({
      key: line.meta(
        about(
          "64 hex digits, as `openssl rand -hex 32` makes them, read with `${env:NAME}` or `${file:path}`. Keep it apart from the data folder: without it nothing can be read.",
          "${env:CALLGATE_LEDGER_KEY}",
        ),
      ),
    })
    .optional()
    .meta(
      about(
        "Encrypt the ledger's files. Those that are there already: `callgate ledger encrypt`. Without it they are plain.",
        {
          key: "${env:CALLGATE_LEDGER_KEY}",
        },
      ),
    ),
  retention: z
    .strictObject({
      segment: z
        .int()
        .min(1000)
        .optional()
        .meta(about("Seal the records whenever there are so many since the last seal.", 1_000_000)),
      keep: z
        .strictObject({
          days: z
            .int()
            .min(1)
            .max(36_500)
            .optional()
            .meta(about("A segment goes once its newest record is older than so many days.", 90)),
          records: count
            .optional()
            .meta(about("A segment goes once so many records came after it. With `days` both must hold.", 5_000_000)),
          then: choice("way", ["archive", "delete"])
            .prefault("archive")
            .meta(about("What becomes of it. What remains proves as before in either case.", "archive")),
          to: line.optional().meta(about("The folder for archived segments, each a file of its own.", "/mnt/archive")),
        })
        .optional()
        .meta(
          about(
            "For how long segments stay in the ledger. Without it: for ever, unless `callgate ledger archive` moves them.",
            {
              days: 90,
              to: "/mnt/archive",
            },
          ),
        ),
    })
    .prefault({})
    .meta(about("Closing segments, and taking old ones out of the ledger. By default all records stay.")),
  redact: z
    .array(redactRule)
    .prefault([])
    .meta(
      about("What is kept out of recorded arguments and results.", [
        { path: "$..password" },
        { pattern: "\\d{3}-\\d{2}-\\d{4}", tools: ["crm__*"] },
      ]),
    ),
});
