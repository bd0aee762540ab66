import pino, { type DestinationStream, type Logger } from "pino";
import type { LogLevel, Secret } from "./config/index.ts";

/** How to log. */
export interface LogOptions {
  readonly level: LogLevel;
  /** Colours and short lines for a person; JSON otherwise. */
  readonly pretty: boolean;
  /** Texts that MUST NOT appear in any line. */
  readonly secrets: readonly Secret[];
}

const HIDDEN = "[secret]";
const BEARER = /\b(bearer\s+)[\w~+/.=-]{8,}/gi;
const JWT = /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g;

/** A pino logger on stderr: stdout belongs to the protocol on the stdio face. Every line is cleaned of secrets before it is written. */
export async function openLog(options: LogOptions): Promise<Logger> {
  const write: (text: string) => void = options.pretty
    ? await prettyWriter()
    : (text) => void process.stderr.write(text);
  const texts = options.secrets.map((s) => s.reveal()).filter((t) => t.length >= 4);
  const destination: DestinationStream = {
    write(line) {
      write(cleaned(line, texts));
    },
  };
  return pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

function cleaned(line: string, texts: readonly string[]): string {
  let clean = line;
  for (const text of texts) {
    if (clean.includes(text)) clean = clean.replaceAll(text, HIDDEN);
    const quoted = JSON.stringify(text).slice(1, -1);
    if (quoted !== text && clean.includes(quoted)) clean = clean.replaceAll(quoted, HIDDEN);
  }
  return clean.replace(BEARER, `$1${HIDDEN}`).replace(JWT, HIDDEN);
}

async function prettyWriter(): Promise<(text: string) => void> {
  const { prettyFactory } = await import("pino-pretty");
  const pretty = prettyFactory({ colorize: true, translateTime: "SYS:HH:MM:ss", ignore: "pid,hostname" });
  return (text) => void process.stderr.write(pretty(text));
}
