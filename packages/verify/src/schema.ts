import { hash } from "node:crypto";
import { canonicalText } from "./canonical.ts";
import type { Findings } from "./finding.ts";
import type { SchemaRow } from "./snapshot.ts";

/** The format that this verifier knows. */
export const FORMAT = "callgate-ledger/2";

// INVARIANT: a copy of its own, read neither from what writes ledgers nor from the file that is checked:
// whoever drops a trigger can rewrite what the file says of its own schema, but not this.
const OBJECTS: Readonly<Record<string, string>> = {
  "index record_agent": "sha256:375f604b8d2ddd1f004cc4316eb914852436f8da698ecfbe68549c7bdd9699bd",
  "index record_call": "sha256:e2c15de6d739013866963582076f98deb99c3cf8972885e52eb68ea87be9ddb6",
  "index record_rare_kind": "sha256:30040be43197efd2c82740cfe9479ae44b95866fbfe825a8d462f89e3739a55f",
  "index record_rare_status": "sha256:5668b4db6d3799756172d03521aaff9bca149e5e9e6ba775234462618fce9c24",
  "index record_rare_tool": "sha256:e1bf450b44fae21e73f4b5518407e2df52bcc2988830d9e152b5a492d731b606",
  "index record_rare_verdict": "sha256:6c18311c2f4863df492154a2c6e4ff1831473ab5609ab301a989fa430e72c5ec",
  "index record_session": "sha256:5e71368d334486a5cad3449e720d7ca683bc37901eab550485cf57f5b0aa9b71",
  "index record_tool": "sha256:b7ce85a5e6686c52c26e745aed26f702341fa22737d117efe38e917a3e83d49b",
  "table checkpoint": "sha256:6832376c2d9392ce1e6da15e9dafd75f8ec6b628ee8ba2c0ac3048bba3e7cd93",
  "table meta": "sha256:a0145aaf6b87b57e39c751a0dde6465a228a4207e7c7796392a4030cb8fcb361",
  "table payload": "sha256:62671871a67e842682a0f793fb9574650df251b253194aee2c2f37815ef16e55",
  "table record": "sha256:dd7ef833bdfad84263f29e8eda732fd7f4a2eb53f8367ddfbcb2ec6a9e122016",
  "table tile": "sha256:fce464456056e92d7136833813141a3d2036246cddda951ec8eb4ef6d2825030",
  "trigger checkpoint_append": "sha256:14b3f161b135f011d5bc941761b60c06205a790d7a4604ddb4209fc4feb96d3a",
  "trigger checkpoint_delete": "sha256:cec8ba84608fa91f6b80d2bcee5f1fee920dcb254536f714c41c32b192ff2873",
  "trigger checkpoint_update": "sha256:ee6e6e0813350ad6a27e449644841b369e490d21fa65c1d33d57eb0ab683c5ed",
  "trigger meta_append": "sha256:3e69034fb4487905b952b8b34ef35d947cffbe96d8aa7a6275c59ba8916328f1",
  "trigger meta_delete": "sha256:7e70b3bf596bc3e71e1be502f8cc219c7a2905afda3f1c4eb6916d7c0e233d0a",
  "trigger meta_update": "sha256:d092e33f59609a51dcd10863e88195be0080f89a4a474706e6195787858feceb",
  "trigger payload_append": "sha256:f066284cddbec4d33f45730c1779e33676cfed62a7b9a5fcd1750d371371691a",
  "trigger payload_delete": "sha256:6a42d614f9def2c954afcfbc6a031b1f1bded6d01479e21cab2e74aa8765b8b6",
  "trigger payload_update": "sha256:5daef33273e40631443669a236ec48c4e7bbe056e80055fd302579cd29e438a3",
  "trigger record_append": "sha256:74a6267112095cbbc2035adace724902684a9ceae802e147ee0fdcad5d066fa2",
  "trigger record_delete": "sha256:7d632193fb025ca5dfb3a2a69094b51f06b6f61671828ff8645ed89ef3c23f66",
  "trigger record_update": "sha256:c91d90259bb0a44f511ea1fa92ae56d500e98442a3800476d0b12b3df9498463",
  "trigger tile_append": "sha256:95a377b30d3e06eb0389d2b126cc563784d50cdd85143f28e1c068f9fa069528",
  "trigger tile_delete": "sha256:38a4650464cb44b4203e8d628a93804020e143c54b3636143dbf29c0c8e99df6",
  "trigger tile_update": "sha256:953acda78810588413d8e64090cda7ed9183e5350b3d9c42188f53e39e9e2501",
};

/** Compares tables, indexes and triggers with what the format asks for, and with what the file says of itself. */
export function checkSchema(rows: readonly SchemaRow[], claimed: string | undefined, findings: Findings): void {
  const report = (problem: string): void => findings.add("integrity", "schema", problem);
  const found = new Set<string>();
  for (const [type, name, sql] of rows) {
    const digest = OBJECTS[`${type} ${name}`];
    found.add(`${type} ${name}`);
    if (digest === undefined) report(`the ${type} \`${name}\` is not part of a ledger`);
    else if (digest !== digestOf(sql ?? "")) report(`the ${type} \`${name}\` is not as it was made`);
  }
  for (const object of Object.keys(OBJECTS)) {
    const [type, name] = object.split(" ");
    if (!found.has(object)) report(`the ${type} \`${name}\` is missing`);
  }
  if (claimed !== digestOf(canonicalText(rows) ?? ""))
    report("the digest of the schema is not what the file says it is");
}

function digestOf(text: string): string {
  return `sha256:${hash("sha256", text, "hex")}`;
}
