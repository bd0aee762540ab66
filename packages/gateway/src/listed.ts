import type { Grant } from "@callgate/core";
import type { Gate } from "./gate.ts";
import type { Registered } from "./registry.ts";

/** Whether a grant has the scopes that something needs. */
export function holdsScopes(grant: Grant, entry: Registered): boolean {
  return entry.scopes.every((scope) => grant.scopes.includes(scope));
}

/** The tools that a grant sees in lists: it has their scopes, and no policy about lists hides them. */
export function listedTools(gate: Gate, grant: Grant): Registered[] {
  const principal = { ...grant.principal, scopes: grant.scopes };
  return [...gate.registry.all()].filter(
    (entry) => entry.listed && holdsScopes(grant, entry) && gate.policies.mayList(principal, entry),
  );
}
