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

/** Variables that a program gets without being asked: what programs need to start, and nothing that carries a secret. */
export function safeEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of platform === "win32" ? WINDOWS_ENV : POSIX_ENV) {
    const value = own[name];
    // A value that starts with `()` is a shell function, which some shells run on start.
    if (value !== undefined && !value.startsWith("()")) env[name] = value;
  }
  return env;
}
