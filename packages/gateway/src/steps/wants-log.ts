import type { Life } from "./life.ts";

const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/** A stateless client gets log messages only where its request asks for them, and none below the level it asks for. */
export function wantsLog(life: Life, level: unknown): boolean {
  const wanted = life.exchange.logLevel ?? life.session.logLevel;
  if (wanted === undefined) return life.exchange.era === "legacy";
  return LEVELS.indexOf(String(level)) >= LEVELS.indexOf(wanted);
}
