import { revealAll } from "./secret.ts";
import type { StdioServer } from "./types.ts";

export const POSIX_ENV: readonly string[] = [
  "HOME",
  "LANG",
  "LC_ALL",
  "LOGNAME",
  "PATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER",
];

export const WINDOWS_ENV: readonly string[] = [
  "APPDATA",
  "HOMEDRIVE",
  "HOMEPATH",
  "LOCALAPPDATA",
  "PATH",
  "PATHEXT",
  "PROCESSOR_ARCHITECTURE",
  "PROGRAMFILES",
  "SYSTEMDRIVE",
  "SYSTEMROOT",
  "TEMP",
  "USERNAME",
  "USERPROFILE",
];

/** Variables that a child gets without being asked: what programs need to start, and nothing that carries a secret. */
export const SAFE_ENV: readonly string[] = process.platform === "win32" ? WINDOWS_ENV : POSIX_ENV;

/** The whole environment of a server's process: `SAFE_ENV` of ours, then what its configuration names. */
export function childEnv(
  server: StdioServer,
  own: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of SAFE_ENV) {
    const value = own[name];
    // A value that starts with `()` is a shell function, which some shells run on start.
    if (value !== undefined && !value.startsWith("()")) env[name] = value;
  }
  return { ...env, ...revealAll(server.env) };
}
