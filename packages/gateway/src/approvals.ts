import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { newId } from "@callgate/core";
import { openDataFile } from "@callgate/ledger";
import type Database from "better-sqlite3";

/** What an approval is bound to. A call that differs in any of these needs an approval of its own. */
export interface ExactCall {
  readonly agent: string;
  readonly user: string | undefined;
  /** The qualified name. */
  readonly tool: string;
  /** Digest of the canonical arguments; empty once they are not kept any more. */
  readonly args: string;
  /** Digest of the policy set that asked. */
  readonly policies: string;
}

export type ApprovalStatus = "pending" | "approved" | "denied" | "used" | "expired";

/** A held call and what a person said of it. Times are Unix milliseconds. */
export interface Approval extends ExactCall {
  readonly id: string;
  readonly status: ApprovalStatus;
  readonly session: string;
  readonly call: string;
  /** The arguments as canonical JSON, for the person who decides; empty once the approval was used or denied, or has expired. */
  readonly argsText: string;
  /** What a script can do, in lines; empty for other calls, and with the arguments. */
  readonly plan: string;
  /** The policies' reasons; MUST have nothing of the call's, for it stays. */
  readonly reason: string;
  readonly created: number;
  readonly expires: number;
  readonly answeredBy: string | undefined;
  readonly answeredAt: number | undefined;
}

/** How an answer was taken. */
export type AnswerResult =
  | { readonly ok: true; readonly approval: Approval }
  | { readonly ok: false; readonly reason: string };

interface Row {
  id: string;
  status: ApprovalStatus;
  agent: string;
  user: string | null;
  tool: string;
  args: string;
  policies: string;
  session: string;
  call: string;
  args_text: string;
  plan: string;
  reason: string;
  created: number;
  expires: number;
  answered_by: string | null;
  answered_at: number | null;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS approvals (
  id TEXT PRIMARY KEY, status TEXT NOT NULL CHECK (status IN ('pending','approved','denied','used','expired')),
  agent TEXT NOT NULL, user TEXT, tool TEXT NOT NULL, args TEXT NOT NULL, policies TEXT NOT NULL,
  session TEXT NOT NULL, call TEXT NOT NULL, args_text TEXT NOT NULL, reason TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, answered_by TEXT, answered_at INTEGER, plan TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS approvals_call ON approvals (agent, tool, args, status);
CREATE INDEX IF NOT EXISTS approvals_status ON approvals (status, created);
CREATE INDEX IF NOT EXISTS approvals_kept ON approvals (status) WHERE args_text <> '';`;

/** Takes a file that others may read from them: brokers made it so before. */
function tighten(path: string): void {
  if ((statSync(path).mode & 0o077) === 0) return;
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    // Another user's.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  }
}

const POLL_MS = 100;
const TIDY_MS = 10_000;
const BUSY_MS = 2000;

/**
 * Held calls, in `<folder>/approvals.db`, shared by the broker and the command line: single-use, expiring, bound to one exact call.
 * Arguments stand in the clear, and with a digest by which they could be guessed, for as long as somebody may need them, and no longer.
 * INVARIANT: an approval goes from pending to approved to used once, in one statement each, so two calls cannot use the same one.
 */
export class ApprovalStore {
  #db: Database.Database;
  #waiters = new Map<string, Set<(approval: Approval | undefined) => void>>();
  #poll: NodeJS.Timeout | undefined;
  /** Whether what was taken out may still stand in the write-ahead log. */
  #lingers = true;
  readonly #tidying: NodeJS.Timeout;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, "approvals.db");
    // It holds arguments; SQLite gives its side files the same mode.
    if (existsSync(path)) tighten(path);
    else closeSync(openSync(path, "a", 0o600));
    this.#db = openDataFile(path, { timeout: BUSY_MS });
    this.#db.pragma("journal_mode = WAL");
    this.#db.pragma("synchronous = FULL");
    // What is taken out MUST be gone from the file.
    this.#db.pragma("secure_delete = ON");
    this.#db.exec(SCHEMA);
    this.#addPlan();
    this.#expire();
    this.#tidying = setInterval(() => {
      // It may be another process that could not empty the log.
      this.#lingers = true;
      this.#tidy(() => this.#expire());
    }, TIDY_MS).unref();
  }

  /** Asks for an approval; the same exact call that already waits gets the same one. */
  request(
    call: ExactCall,
    more: { session: string; call: string; argsText: string; plan?: string; reason: string; ttl: number },
  ): Approval {
    this.#expire();
    const waiting = this.#find(call, "pending");
    if (waiting) return waiting;
    const now = Date.now();
    const id = newId("apr");
    this.#db
      .prepare(
        `INSERT INTO approvals (id,status,agent,user,tool,args,policies,session,call,args_text,plan,reason,created,expires)
         VALUES (?,'pending',?,?,?,?,?,?,?,?,?,?,?,?)`,
      )
      .run(
        id,
        call.agent,
        call.user ?? null,
        call.tool,
        call.args,
        call.policies,
        more.session,
        more.call,
        more.argsText,
        more.plan ?? "",
        more.reason,
        now,
        now + more.ttl,
      );
    return this.get(id) as Approval;
  }

  /** Takes an approved, unused, unexpired approval of this exact call and uses it up. */
  use(call: ExactCall): Approval | undefined {
    this.#expire();
    const found = this.#find(call, "approved");
    if (!found) return undefined;
    const used = this.#db
      .prepare(`UPDATE approvals SET status='used' WHERE id=? AND status='approved' AND expires>?`)
      .run(found.id, Date.now());
    if (used.changes !== 1) return undefined;
    this.#tidy(() => this.#blank());
    return found;
  }

  /** Records a person's answer. Refuses one for a call that does not wait any more. */
  answer(id: string, verdict: "approved" | "denied", by: string): AnswerResult {
    this.#expire();
    const done = this.#db
      .prepare(`UPDATE approvals SET status=?, answered_by=?, answered_at=? WHERE id=? AND status='pending'`)
      .run(verdict, by, Date.now(), id);
    const approval = this.get(id);
    if (done.changes === 1) this.#tidy(() => this.#blank());
    if (!approval) return { ok: false, reason: `there is no approval \`${id}\`` };
    if (done.changes === 0) return { ok: false, reason: `approval \`${id}\` is ${approval.status} already` };
    this.#tell(approval);
    return { ok: true, approval };
  }

  /** Resolves when the approval is no longer pending, or after `ms`. */
  wait(id: string, ms: number): { readonly answered: Promise<Approval | undefined>; readonly stop: () => void } {
    let stop = (): void => {};
    const answered = new Promise<Approval | undefined>((resolve) => {
      const listeners = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, listeners);
      const end = (approval: Approval | undefined): void => {
        clearTimeout(timer);
        listeners.delete(end);
        if (listeners.size === 0) this.#waiters.delete(id);
        this.#watch();
        resolve(approval);
      };
      const timer = setTimeout(() => end(undefined), ms);
      listeners.add(end);
      stop = () => end(undefined);
      this.#watch();
    });
    return { answered, stop };
  }

  get(id: string): Approval | undefined {
    const row = this.#db.prepare("SELECT * FROM approvals WHERE id=?").get(id) as Row | undefined;
    return row && fromRow(row);
  }

  /** Newest first. */
  list(status?: ApprovalStatus): Approval[] {
    this.#expire();
    const rows = status
      ? this.#db.prepare("SELECT * FROM approvals WHERE status=? ORDER BY created DESC LIMIT 500").all(status)
      : this.#db.prepare("SELECT * FROM approvals ORDER BY created DESC LIMIT 500").all();
    return (rows as Row[]).map(fromRow);
  }

  /**
   * Takes out the arguments of a session's calls for good, and ends the approvals that still wait for use. False if another program reads
   * the file, which then still has them: to be asked again.
   */
  forget(session: string): boolean {
    this.#db
      .prepare("UPDATE approvals SET status='expired' WHERE session=? AND status IN ('pending','approved')")
      .run(session);
    this.#blank(BUSY_MS);
    return !this.#lingers;
  }

  close(): void {
    clearInterval(this.#tidying);
    clearInterval(this.#poll);
    for (const listeners of [...this.#waiters.values()]) for (const end of [...listeners]) end(undefined);
    this.#db.close();
  }

  /** Files of older brokers have no plans. Another process may be adding the column, too. */
  #addPlan(): void {
    const columns = (): string[] =>
      (this.#db.pragma("table_info(approvals)") as { readonly name: string }[]).map(({ name }) => name);
    if (columns().includes("plan")) return;
    const add = this.#db.transaction(() => {
      if (!columns().includes("plan")) this.#db.exec("ALTER TABLE approvals ADD COLUMN plan TEXT NOT NULL DEFAULT ''");
    });
    add.immediate();
  }

  #find(call: ExactCall, status: ApprovalStatus): Approval | undefined {
    const row = this.#db
      .prepare(
        "SELECT * FROM approvals WHERE agent=? AND user IS ? AND tool=? AND args=? AND policies=? AND status=? AND expires>? ORDER BY created LIMIT 1",
      )
      .get(call.agent, call.user ?? null, call.tool, call.args, call.policies, status, Date.now()) as Row | undefined;
    return row && fromRow(row);
  }

  #expire(): void {
    this.#db
      .prepare("UPDATE approvals SET status='expired' WHERE status IN ('pending','approved') AND expires<=?")
      .run(Date.now());
    this.#blank();
  }

  /** What the file does not take now is done later: an answer that was taken MUST NOT fail for it. */
  #tidy(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith("SQLITE_")) throw error;
      this.#lingers = true;
    }
  }

  /** Takes out the arguments of what is over, and empties the write-ahead log, for which it waits `ms` at most. */
  #blank(ms = 0): void {
    const { changes } = this.#db
      .prepare(
        "UPDATE approvals SET args_text='', plan='', args='' WHERE status IN ('used','denied','expired') AND args_text <> ''",
      )
      .run();
    if (changes > 0) this.#lingers = true;
    if (!this.#lingers) return;
    // A reader keeps the log as it is. A broker does not wait for it: the next look tries again.
    this.#db.pragma(`busy_timeout = ${ms}`);
    try {
      const [found] = this.#db.pragma("wal_checkpoint(TRUNCATE)") as [{ readonly busy: number }];
      this.#lingers = found.busy !== 0;
    } finally {
      this.#db.pragma(`busy_timeout = ${BUSY_MS}`);
    }
  }

  #tell(approval: Approval): void {
    for (const end of [...(this.#waiters.get(approval.id) ?? [])]) end(approval);
  }

  /** Answers given by another process show up by looking; only while somebody waits. */
  #watch(): void {
    if (this.#waiters.size === 0) {
      clearInterval(this.#poll);
      this.#poll = undefined;
      return;
    }
    this.#poll ??= setInterval(() => {
      for (const id of [...this.#waiters.keys()]) {
        const approval = this.get(id);
        if (approval && approval.status !== "pending") this.#tell(approval);
      }
    }, POLL_MS);
  }
}

function fromRow(row: Row): Approval {
  return {
    id: row.id,
    status: row.status,
    agent: row.agent,
    user: row.user ?? undefined,
    tool: row.tool,
    args: row.args,
    policies: row.policies,
    session: row.session,
    call: row.call,
    argsText: row.args_text,
    plan: row.plan,
    reason: row.reason,
    created: row.created,
    expires: row.expires,
    answeredBy: row.answered_by ?? undefined,
    answeredAt: row.answered_at ?? undefined,
  };
}
