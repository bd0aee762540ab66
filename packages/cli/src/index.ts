/** The package is a command, `callgate`; it has no API yet. */
export { IDENTITY } from "@callgate/gateway";
