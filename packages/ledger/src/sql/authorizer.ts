import { constants } from "node:sqlite";
import { VIEWS } from "./views.ts";

/** Decides what a statement may do, while it is compiled, and says why not. */
export interface Authorizer {
  /** What SQLite asks, for `DatabaseSync.setAuthorizer`. */
  decide(action: number, one: string | null, two: string | null, database: string | null, view: string | null): number;
  /** The first thing that was refused, as a clause; undefined if nothing was. */
  refused(): string | undefined;
}

/** Tables that may be read: the views, the ledger's own table behind them, and SQLite's reading of JSON. */
const READABLE = new Set([...Object.keys(VIEWS), "record", "json_each", "json_tree"]);
/** What SQLite itself has, whether or not it lists it. */
const INTERNAL = /^(?:sqlite_|pragma_|bytecode$|tables_used$)/;
/** Functions that may not be called: they load code, or make values of any size out of nothing. */
const FUNCTIONS = new Set(["load_extension", "zeroblob", "randomblob", "fts3_tokenizer", "fts5", "fts5_source_id"]);

const {
  SQLITE_DENY,
  SQLITE_FUNCTION,
  SQLITE_OK,
  SQLITE_READ,
  SQLITE_RECURSIVE,
  SQLITE_SELECT,
  SQLITE_ATTACH,
  SQLITE_DETACH,
  SQLITE_PRAGMA,
  SQLITE_TRANSACTION,
  SQLITE_SAVEPOINT,
} = constants;

/**
 * Lets a statement read the ledger's records and nothing else: MUST refuse every action that it does not know. Writes
 * are refused by SQLite too, which has the file open for reading alone. `tables` are the names of everything that can
 * be read from in the file and in SQLite itself.
 */
export function newAuthorizer(tables: readonly string[]): Authorizer {
  const known = new Set(tables.map((name) => name.toLowerCase()));
  let first: string | undefined;
  const deny = (why: string): number => {
    first ??= why;
    return SQLITE_DENY;
  };
  return {
    refused: () => first,
    decide(action, one, two) {
      switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
          return SQLITE_OK;
        case SQLITE_READ: {
          const name = (one ?? "").toLowerCase();
          if (READABLE.has(name)) return SQLITE_OK;
          // A name that the statement itself gave to a SELECT (`WITH`): SQLite asks for no column of it.
          if (two === "" && !known.has(name) && !INTERNAL.test(name)) return SQLITE_OK;
          return deny(`the table \`${one ?? ""}\` cannot be read here`);
        }
        case SQLITE_FUNCTION:
          return FUNCTIONS.has((two ?? "").toLowerCase())
            ? deny(`the function \`${two ?? ""}\` is not available`)
            : SQLITE_OK;
        case SQLITE_ATTACH:
          return deny("no other file can be attached");
        case SQLITE_DETACH:
          return deny("nothing can be detached");
        case SQLITE_PRAGMA:
          return deny(`the pragma \`${one ?? ""}\` is not available`);
        case SQLITE_TRANSACTION:
        case SQLITE_SAVEPOINT:
          return deny("there are no transactions here");
        default:
          return deny("nothing can be changed here");
      }
    },
  };
}
