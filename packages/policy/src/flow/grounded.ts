/**
 * Whether origins ground a value: the task, a trusted source or a person gave it; or a clean field of a record did, and no
 * command in untrusted text names it.
 */
export function isGrounded(origins: readonly string[]): boolean {
  if (origins.includes("task") || origins.includes("trusted") || origins.includes("approved")) return true;
  return origins.includes("record") && !origins.includes("instructed");
}
