export { type Budgets, budgetsOf, DEFAULT_BUDGETS } from "./budgets.ts";
export { type Bundle, bundleModule, LARGEST_BUNDLE } from "./bundle.ts";
export { type DescribedTool, declarationsFor, searchTools } from "./declarations.ts";
export type { Layer, LayerReport } from "./layers.ts";
export { type Plan, type PlannedCall, planOf, stripTypes } from "./plan.ts";
export type { GuestAnswer, GuestCall, RunRequest } from "./request.ts";
export { RUN_ERRORS, type RunError, type RunErrorCode, type RunResult, type Usage } from "./result.ts";
export {
  describeLayers,
  openSandbox,
  type Sandbox,
  type SandboxOptions,
} from "./sandbox.ts";
export { openStudy, type StudiedScript, type Study } from "./study.ts";
