import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { JsonObject } from "@callgate/core";

export interface RunCall {
  readonly tool: string;
  readonly args: JsonObject;
  readonly result: unknown;
  /** Whose call it is, where the recording says so. */
  readonly for: "user" | "attack" | "attack-read";
}

/** A recorded run: of which kind, with which prompt, and its calls in order. */
export interface Run {
  readonly kind: "combination" | "benign" | "attacked";
  readonly file: string;
  readonly suite: string;
  readonly id: string;
  readonly prompt: string;
  readonly calls: readonly RunCall[];
  /** Of benign and attacked runs. */
  readonly solved: boolean;
  readonly attackSucceeded: boolean;
}

interface DojoTool {
  readonly name: string;
  readonly description: string;
  readonly args_schema: JsonObject;
}

export interface Suite {
  readonly name: string;
  readonly tools: readonly DojoTool[];
  readonly tasks: readonly { readonly id: string; readonly prompt: string; readonly calls: readonly RunCall[] }[];
  /** The initial state of the world. */
  readonly state: unknown;
}

type Row = Record<string, unknown>;

/** Every suite in the folder: `{suite}.json` with the state in `{suite}.env.json`. */
export function suitesIn(folder: string): Suite[] {
  const names = readdirSync(folder)
    .filter((file) => /^[^.]+\.json$/.test(file))
    .map((file) => basename(file, ".json"))
    .sort();
  return names.flatMap((name) => {
    const suite = readJson(join(folder, `${name}.json`));
    if (!Array.isArray(suite["tools"]) || !Array.isArray(suite["user_tasks"])) return [];
    const state = join(folder, `${name}.env.json`);
    return [
      {
        name,
        tools: suite["tools"] as DojoTool[],
        tasks: (suite["user_tasks"] as Row[]).map((task) => ({
          id: String(task["id"]),
          prompt: String(task["prompt"]),
          calls: callsOf(task["calls"]),
        })),
        state: existsSync(state) ? readJson(state) : {},
      },
    ];
  });
}

/** Every recorded run in the folder. */
export function readRuns(folder: string): Run[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl.gz"))
    .sort()
    .flatMap((file) => {
      const kind = file.startsWith("combos") ? "combination" : file.startsWith("benign") ? "benign" : "attacked";
      const lines = gunzipSync(readFileSync(join(folder, file)))
        .toString("utf8")
        .trim()
        .split("\n");
      return lines.map((line): Run => {
        const row = JSON.parse(line) as Row;
        return {
          kind,
          file,
          suite: String(row["suite"]),
          id: [row["user_task"], row["injection_task"]].filter(Boolean).join(" x "),
          prompt: String(row["prompt"]),
          calls: callsOf(row["calls"]),
          solved: row["utility"] === true,
          attackSucceeded: row["attack_succeeded"] === true,
        };
      });
    });
}

function callsOf(calls: unknown): RunCall[] {
  return (Array.isArray(calls) ? (calls as Row[]) : []).map((call) => {
    const whose = call["for"] ?? call["serves"];
    return {
      tool: String(call["tool"]),
      args: (call["args"] ?? {}) as JsonObject,
      result: call["result"] ?? "",
      for:
        whose === "injection" || whose === "attack_sink" ? "attack" : whose === "attack_read?" ? "attack-read" : "user",
    };
  });
}

function readJson(file: string): Row {
  return JSON.parse(readFileSync(file, "utf8")) as Row;
}
