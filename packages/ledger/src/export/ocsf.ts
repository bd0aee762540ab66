import type { LedgerRecord } from "@callgate/core";
import type { Payloads } from "./jsonl.ts";
import { operationOf, recordKey, sentenceOf } from "./operation.ts";

/** The published schema that the events follow. From 1.7.0 on `metadata.uid` has another meaning. */
export const OCSF_VERSION = "1.6.0";

const API_ACTIVITY = 6003;
const OTHER = 99;

type Enumerated = readonly [id: number, caption: string];

/** An event of the class API Activity (6003) in OCSF 1.6.0, as JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

/**
 * A record as an OCSF event, with the profile `security_control` and, for a call, `trace`. What the class has no attribute for is not lost: the
 * whole leaf is `unmapped.leaf`. `version` is the product's.
 */
export function ocsfEvent(record: LedgerRecord, version: string, payloads?: Payloads): OcsfEvent {
  const { agent, user, session, call, decision, error, ms } = record;
  const operation = operationOf(record);
  const [activity, activityName] = activityOf(operation?.method);
  const [action, actionName] = actionOf(record);
  const [disposition, dispositionName] = dispositionOf(record);
  const [severity, severityName] = severityOf(record);
  const [status, statusName] = statusOf(record);
  return {
    class_uid: API_ACTIVITY,
    class_name: "API Activity",
    category_uid: 6,
    category_name: "Application Activity",
    activity_id: activity,
    activity_name: activityName,
    type_uid: API_ACTIVITY * 100 + activity,
    type_name: `API Activity: ${activity === OTHER ? "Other" : activityName}`,
    time: Date.parse(record.ts),
    severity_id: severity,
    severity: severityName,
    status_id: status,
    status: statusName,
    ...(error !== undefined && { status_code: error.code, status_detail: error.message }),
    action_id: action,
    action: actionName,
    disposition_id: disposition,
    disposition: dispositionName,
    is_alert: record.kind === "denial",
    message: sentenceOf(record),
    ...(ms !== undefined && { duration: ms }),
    actor: {
      app_name: agent ?? "callgate",
      ...(user !== undefined && { user: { name: user } }),
      ...(session !== undefined && { session: { uid: session } }),
    },
    api: {
      operation: operation?.name ?? `callgate/${record.kind}`,
      service: {
        name: operation?.server ?? "callgate",
      },
      ...(call !== undefined && { request: { uid: call } }),
      ...(error !== undefined && { response: { error: error.code, error_message: error.message } }),
    },
    // The class demands one; the ledger knows agents by their grants, not by addresses.
    src_endpoint: { name: agent ?? "callgate" },
    ...(decision !== undefined && {
      policy: { name: decision.rules[0] ?? "default", uid: decision.policies, desc: decision.rules.join(", ") },
    }),
    ...(record.trace !== undefined && { trace: { uid: record.trace } }),
    metadata: {
      version: OCSF_VERSION,
      product: { name: "Callgate", vendor_name: "Callgate", version },
      profiles: record.trace === undefined ? ["security_control"] : ["security_control", "trace"],
      uid: recordKey(record),
      log_name: record.log,
      sequence: record.seq,
      event_code: record.kind,
      original_time: record.ts,
      ...(call !== undefined && { correlation_uid: call }),
    },
    unmapped: {
      leaf: record,
      ...(payloads !== undefined && Object.keys(payloads).length > 0 && { payloads }),
    },
  };
}

// What a tool does to the world is not in the leaf; only the methods of MCP that are for reading say so.
function activityOf(method: string | undefined): Enumerated {
  if (method === "resources/read" || method === "prompts/get") return [2, "Read"];
  return [OTHER, method ?? "record"];
}

function actionOf({ kind, decision, detail }: LedgerRecord): Enumerated {
  if (kind === "denial") return [2, "Denied"];
  if (kind === "intent" || kind === "outcome") return [1, "Allowed"];
  if (kind === "approval" && decision !== undefined) {
    if (detail?.["state"] === "approved") return [1, "Allowed"];
    if (detail?.["state"] === "denied") return [2, "Denied"];
  }
  return [3, "Observed"];
}

function dispositionOf({ kind, detail }: LedgerRecord): Enumerated {
  if (kind === "denial") return [2, "Blocked"];
  if (kind === "intent" || kind === "outcome") return [1, "Allowed"];
  if (kind !== "approval") return [17, "Logged"];
  switch (detail?.["state"]) {
    case "asked":
      return [14, "Delayed"];
    case "approved":
      return [8, "Approved"];
    case "denied":
    case "unanswered":
      return [25, "Rejected"];
    default:
      return [17, "Logged"];
  }
}

function severityOf({ kind, status }: LedgerRecord): Enumerated {
  if (kind === "denial") return [3, "Medium"];
  if (kind === "clock" || kind === "recovery" || status === "unknown") return [3, "Medium"];
  if (status === "error" || status === "timeout" || status === "cancelled") return [2, "Low"];
  return [1, "Informational"];
}

function statusOf({ kind, status }: LedgerRecord): Enumerated {
  if (kind === "denial") return [2, "Failure"];
  switch (status) {
    case "ok":
      return [1, "Success"];
    case "error":
    case "timeout":
    case "cancelled":
      return [2, "Failure"];
    case "input_required":
      return [OTHER, "input_required"];
    case "unknown":
      return [0, "Unknown"];
    case undefined:
      // An intent has not ended yet; what is no call was done when it was recorded.
      return kind === "intent" ? [0, "Unknown"] : [1, "Success"];
    default:
      return status satisfies never;
  }
}
