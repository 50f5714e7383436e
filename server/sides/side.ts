import type { TableRef } from '../connect/table-name.ts'
import type { Traffic } from '../connect/postgres.ts'

/**
 * How two columns are compared: by the meaning their types share. What has no class of its own is compared as the
 * text the engine prints under pinned session settings.
 */
export type ColumnClass =
  | 'boolean'
  | 'integer'
  | 'numeric'
  | 'float'
  | 'text'
  | 'bytes'
  | 'bits'
  | 'uuid'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'interval'
  | 'json'
  | 'other'

export interface Column {
  readonly name: string
  /** As the engine declares it, for people. */
  readonly type: string
  readonly class: ColumnClass
  readonly nullable: boolean
  /** Computed by the engine: compared, never written. */
  readonly generated: boolean
  /** A row that is inserted without a value gets the next one of a sequence. */
  readonly identity: boolean
  /** The type without length or scale, as a cast is written: a value too long must fail, not be cut. */
  readonly cast: string
  /** Integers beyond 32 bits, numerics that may be infinite: both sides must hash them the long way. */
  readonly wide: boolean
  /** Digits that the type fixes: after the point of a numeric, after the second of a time, of a bit string. */
  readonly digits?: number | undefined
  /** The encoding that its text is stored in, where it is not UTF-8. */
  readonly encoding?: string | undefined
}

/** A table as its engine describes it. */
export interface Table {
  /** Tables of one engine print their values alike. */
  readonly engine: 'postgres' | 'mysql'
  readonly ref: TableRef
  readonly columns: readonly Column[]
  /** Column lists that are unique and not null, the primary key first. */
  readonly uniqueKeys: readonly (readonly string[])[]
  /** Columns an index can walk in order: a range of them costs what it holds, not the table. */
  readonly ordered: readonly string[]
  /** Columns of a large table whose order is not that of its rows: walking all of it by an index would read it many times. */
  readonly scattered: readonly string[]
  /** From the engine's statistics; 0 when it has none. Never relied on for anything but sizes. */
  readonly rowsEstimate: number
  readonly triggers: readonly string[]
  /** Foreign keys of other tables that change or delete rows when this one's are deleted or its key is changed. */
  readonly cascades: readonly string[]
  /** What our login may do: absent privileges are found at plan time, not half way. */
  readonly mayWrite: { readonly insert: boolean; readonly update: boolean; readonly delete: boolean }
  /** What whoever compares this table should know, a sentence each. */
  readonly notes?: readonly string[]
}

/** One compared column: its name and type on this side, and what both sides agreed on. */
export interface ComparedColumn {
  readonly name: string
  readonly cast: string
  readonly class: ColumnClass
  /** On either side: both must hash alike. */
  readonly nullable: boolean
  readonly wide: boolean
  /** This side's own. */
  readonly digits?: number | undefined
  readonly encoding?: string | undefined
  /** Both sides store text in the same encoding: its bytes are as good as the text. */
  readonly alike?: boolean | undefined
  /** Both sides fix the same digits, and print them all. */
  readonly even?: boolean | undefined
  /** The other side is another engine: its values are not printed as ours are. */
  readonly shared?: boolean | undefined
  /** Digits after the point that count: numbers are rounded, half away from zero; times are cut. */
  readonly precision?: number | undefined
  readonly fold?: Fold | undefined
}

/** What of a text does not count. `case` folds A to Z in the database; other letters are left to whoever compares values. */
interface Fold {
  readonly case?: boolean | undefined
  readonly trim?: boolean | undefined
  readonly emptyAsNull?: boolean | undefined
}

/** What a side needs to know to read its table: this side's names, in the order both sides share. */
export interface SidePlan {
  readonly ref: TableRef
  readonly key: readonly ComparedColumn[]
  /** Compared columns beside the key. */
  readonly columns: readonly ComparedColumn[]
  /** A condition in this side's SQL, from the config or the command line. */
  readonly where?: string | undefined
  /** A few ranges of the single key column are best read by an index. */
  readonly ordered: boolean
  /** So are all of them; otherwise a digest scans the whole table, once a slice. */
  readonly walked: boolean
  /** The key names at most one row. */
  readonly unique: boolean
  /** There is no key: rows are told apart by their own hash, which takes its place as decimal text. */
  readonly multiset?: boolean | undefined
  readonly method: 'native' | 'canonical'
}

/**
 * A part of the key space. Integers are cut into ranges, both ends included; every other key by a hash of it, free of any
 * collation. `parts` is a power of two.
 */
export type Slice =
  | { readonly kind: 'range'; readonly from: bigint; readonly to: bigint }
  | { readonly kind: 'hash'; readonly part: number; readonly parts: number }

/** How a slice is cut: `width` key values a bucket for ranges, `buckets` (a power of two) for hashes. */
export type Cut =
  | {
      readonly kind: 'range'
      readonly width: bigint
      /** The buckets a digest is asked for, in order; all of them where absent. Only where an index reads them by themselves. */
      readonly only?: readonly BucketRun[]
    }
  | { readonly kind: 'hash'; readonly buckets: number }

/** Neighbouring buckets, both ends included. */
export interface BucketRun {
  readonly first: bigint
  readonly last: bigint
}

/** The sum adds one 64-bit hash a row, exactly, as decimal text: it does not depend on row order, and copies add up. */
export interface Digest {
  /** The number of the bucket within its slice, from 0; or the hash bucket. */
  readonly bucket: number
  readonly rows: number
  readonly sum: string
}

/** Canonical text of each key column: equal exactly when the keys are. */
export type Key = readonly string[]

export interface KeyHash {
  readonly key: Key
  readonly hash: string
}

/** A row as the engine prints it, column by column, and the hash of each compared column. NULL is null. */
export interface FetchedRow {
  readonly key: Key
  readonly hash: string
  /** By this side's column names; keys included. */
  readonly values: Readonly<Record<string, string | null>>
  /** Hash of each compared column, in plan order; a field differs exactly when this differs. */
  readonly hashes: readonly (string | null)[]
}

/** One row to write, stated as it was judged. */
export type Change =
  | { readonly action: 'insert'; readonly key: Key; readonly values: Readonly<Record<string, string | null>> }
  | {
      readonly action: 'update'
      readonly key: Key
      readonly judged: Readonly<Record<string, string | null>>
      readonly values: Readonly<Record<string, string | null>>
    }
  | {
      readonly action: 'delete'
      readonly key: Key
      readonly judged: Readonly<Record<string, string | null>>
      /** One of several identical rows: exactly one of them goes. */
      readonly copy?: boolean
    }

/**
 * `stale`: the row is no longer as it was judged, and was left alone. `early`: another row may have to be written first
 * (a foreign or unique key refused this one). `unsure`: the connection was lost on the way, so that the row has to be read to
 * know whether it was written.
 */
export type ApplyOutcome =
  | { readonly state: 'applied' }
  | { readonly state: 'stale' }
  | { readonly state: 'failed'; readonly message: string; readonly early?: boolean; readonly unsure?: boolean }

export type Applied = ApplyOutcome | 'unsent'

/** What the engine would do to read one slice, by its own account. */
export interface Explained {
  readonly statement: string
  /** In the engine's own unit; null where it tells none. */
  readonly cost: number | null
  /** Rows of the table it expects to read; null where it tells none. */
  readonly rows: number | null
  /** The whole table would be read, whatever part of it was asked for. */
  readonly scans: boolean
}

/** Reads of one side that belong to one slice. */
export interface SliceReader {
  /** Every bucket asked for that has rows, in no order. Cost: one statement and one pass over these buckets, or a few. */
  digest(plan: SidePlan, slice: Slice, cut: Cut, signal?: AbortSignal): Promise<readonly Digest[]>
  /** Key and row hash of every row in these buckets of the slice, in batches, in no particular order. */
  list(
    plan: SidePlan,
    slice: Slice,
    cut: Cut,
    buckets: readonly number[],
    signal?: AbortSignal,
  ): AsyncIterable<readonly KeyHash[]>
}

/** One of the two copies. Reads only, but for `apply`, which nothing but reconcile/correct.ts calls. */
export interface Side {
  /** The connection's name: two sides of the same name share one client. */
  readonly name: string
  /** Statements it runs at once, at most. */
  readonly connections: number
  /** @throws Fault `thing_missing` naming what there is instead. */
  describe(ref: TableRef, signal?: AbortSignal): Promise<Table>
  /**
   * The engine's own hash of a fixed test row, to compare with the other side's before trusting native hashes. Empty when
   * the engine has none.
   */
  handshake(signal?: AbortSignal): Promise<string>
  /** Smallest and largest value of a single integer key, both included; undefined when the table is empty. */
  bounds(plan: SidePlan, signal?: AbortSignal): Promise<{ from: bigint; to: bigint } | undefined>
  /** Exact number of rows the plan covers. Cost: one scan. */
  count(plan: SidePlan, signal?: AbortSignal): Promise<number>
  /** Rows that cannot be named because a column of the key is NULL. Cost: one scan, none when the key has no such column. */
  keyless(plan: SidePlan, signal?: AbortSignal): Promise<number>
  /** Hands over a reader whose answers all belong to one moment, where the engine can do that without harm to others. */
  snapshot<T>(work: (reader: SliceReader) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Whole rows by key; a key without a row is absent, one with several rows comes several times. */
  fetch(plan: SidePlan, keys: readonly Key[], signal?: AbortSignal): Promise<readonly FetchedRow[]>
  /** Like fetch, key and row hash only. */
  hashes(plan: SidePlan, keys: readonly Key[], signal?: AbortSignal): Promise<readonly KeyHash[]>
  /**
   * The newest value of a column that every write moves forward, as text: of a time (`YYYY-MM-DD HH:MM:SS.ffffff` in UTC) at
   * most what the server's clock shows. Null when no row has one. Whatever the plan's condition. Costs nothing with an index.
   */
  newest(plan: SidePlan, column: ComparedColumn, signal?: AbortSignal): Promise<string | null>
  /**
   * Keys of rows whose column is at `since` (as `newest` tells it) or past it, and of those where it is NULL; of all rows
   * when it is null. Whatever the plan's condition: a row that left it was written too. At most `rowsMax`. With an index it
   * costs what it finds, else a scan.
   */
  changed(
    plan: SidePlan,
    column: ComparedColumn,
    since: string | null,
    rowsMax: number,
    signal?: AbortSignal,
  ): Promise<readonly Key[]>
  /**
   * Compare-and-set, one statement a row, each in a transaction of its own so that nobody else's work waits for a batch.
   * Never throws for a single row: its outcome says what happened. Outcomes come in the order of the changes.
   * @param maySend asked before each row; once it says no, what is left is `unsent`.
   */
  apply(plan: SidePlan, changes: readonly Change[], maySend?: () => boolean): Promise<readonly Applied[]>
  /** What `apply` would send for one change, as a statement a person can read and run. Sends nothing. */
  script(plan: SidePlan, change: Change): string
  /**
   * How busy the server is: sessions of others that are at work, or how far its replicas (or it, being one) are behind, in
   * seconds; 0 when it has none, `Infinity` for one that is catching up and has no measure yet.
   * @throws Fault `system_permission` when the login may not see it: what is hidden must not look like nothing.
   */
  load(of: 'sessions' | 'replica_lag', signal?: AbortSignal): Promise<number>
  /** The first value that a statement of the user answers; null when that is NULL or nothing. @throws Fault when it is no number. */
  number(sql: string, signal?: AbortSignal): Promise<number | null>
  /** The digest of one slice as the engine would answer it: nothing is executed. */
  explain(plan: SidePlan, slice: Slice, cut: Cut, signal?: AbortSignal): Promise<Explained>
  /** The same of `changed`. */
  explainChanged(
    plan: SidePlan,
    column: ComparedColumn,
    since: string,
    rowsMax: number,
    signal?: AbortSignal,
  ): Promise<Explained>
  /** As `bounds`, by the engine's statistics alone, and so not to be relied on; undefined when it has none. */
  likelyBounds(plan: SidePlan, signal?: AbortSignal): Promise<{ from: bigint; to: bigint } | undefined>
  traffic(): Traffic
}
