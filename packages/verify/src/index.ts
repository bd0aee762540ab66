export { type BundleOptions, type BundleReport, renderBundleReport, verifyBundle } from "./bundle.ts";
export type { Aspect, Finding } from "./finding.ts";
export type { AnchorReport } from "./judge.ts";
export type { Progress, VerifyOptions } from "./options.ts";
export { type ProgressStream, showProgress } from "./progress.ts";
export { renderReport } from "./render.ts";
export type { Counts, Report, Verdict } from "./report.ts";
export { type ProofOptions, type ProofReport, renderProofReport, verifyProof } from "./tlog-proof.ts";
export { verifyLedger } from "./verify.ts";
