// Generated from wit/ by scripts/types.mjs; do not edit.
// wit: sha256:39f6671e57b8a1aa732a030d159e1af3325b4b4d1b243736c51b32d134debf29

declare module 'insula:agent/cache@0.1.0' {
  /**
   * Reads one value; `none` when it was never put, was evicted, is no longer fresh, was cleared, or belongs to another
   * version of an agent.
   *
   * Limit: host calls, host bytes.
   */
  export function get(namespace: string, key: string): Uint8Array | null;
  /**
   * Keeps a value for its life, or until it gives way.
   *
   * Errors: also `invalid-ttl`, `value-too-large` (over a quarter of the tenant's `cache-bytes`).
   * Limit: host calls, host bytes, and the tenant's `cache-bytes`, which evicts and never fails.
   */
  export function put(namespace: string, key: string, value: Uint8Array, life: Life): void;
  /**
   * Reads one value, or gives the caller a lease to make it. Of many callers at once one has the lease; the others wait
   * for its value, for up to `wait-ms` milliseconds (0: not at all; the call's own deadline counts too), and one of
   * them inherits the lease when its holder gives up.
   *
   * Errors: also `fill-in-progress` (the wait is over, and the lease is still another's), `lease-held` (this call would
   * have to wait and holds a lease that others may be waiting for), `too-many` (over 64 leases in one call, or over
   * 1,024 callers that wait for the tenant's cache).
   * Limit: host calls, host bytes, wall time.
   */
  export function getOrFill(namespace: string, key: string, waitMs: number): Lookup;
  /**
   * Keeps the value of a lease, and hands it to everyone who waits for it. False when it was not kept, since the key
   * was written, deleted or cleared after the lease was given out: then the value may be older than that.
   *
   * The lease has ended after this, also in an error.
   *
   * Errors: also `invalid-ttl`, `value-too-large`.
   * Limit: host calls, host bytes, and the tenant's `cache-bytes`, as with `put`.
   */
  export function fill(lease: Lease, value: Uint8Array, life: Life): boolean;
  /**
   * Forgets one entry. Forgetting an absent one is no error. A lease on the key will not keep its value.
   *
   * Limit: host calls, host bytes.
   */
  export { _delete as delete };
  function _delete(namespace: string, key: string): void;
  /**
   * Forgets every entry of a namespace, at once. Leases on its keys will not keep their values.
   *
   * Limit: host calls, host bytes.
   */
  export function clear(namespace: string): void;
  /**
   * The statistics of the tenant's shard.
   *
   * Limit: host calls.
   */
  export function stats(): Statistics;
  export type Error = import('insula:agent/types@0.1.0').Error;
  /**
   * How the tenant's shard is doing, since it came into being.
   */
  export interface Statistics {
    /**
     * Reads that found a fresh value.
     */
    hits: number,
    /**
     * Reads that were given a value past its freshness.
     */
    staleHits: number,
    /**
     * Reads that found nothing.
     */
    misses: number,
    /**
     * Leases given out.
     */
    leases: number,
    /**
     * Reads that waited for another caller's fill.
     */
    waits: number,
    /**
     * Entries that gave way to others, for room.
     */
    evicted: number,
    /**
     * Entries that outlived their time.
     */
    expired: number,
    /**
     * Entries that were deleted, cleared or written over.
     */
    removed: number,
    entries: number,
    /**
     * Keys, values and their overhead, in bytes: what the budget counts.
     */
    bytes: number,
    /**
     * The budget: the tenant's `cache-bytes`.
     */
    limitBytes: number,
  }
  /**
   * How long a value is good, and for whom.
   */
  export interface Life {
    /**
     * So long it is fresh, in milliseconds: 1 to 2,592,000,000, which is 30 days.
     */
    ttlMs: number,
    /**
     * So much longer `get-or-fill` may still hand it out as stale, while someone makes a new one, in milliseconds: 0
     * to 2,592,000,000.
     */
    staleMs: number,
    /**
     * Only calls of the agent version that wrote it find it: after an activation or a rollback no other version is
     * given a value whose shape it does not know.
     */
    thisVersionOnly: boolean,
  }
  /**
   * A value past its freshness.
   */
  export interface StaleValue {
    value: Uint8Array,
    /**
     * The first caller that is given a stale value is given this too, and may make a new one within its own call.
     */
    lease: Lease | null,
  }
  /**
   * What `get-or-fill` found.
   */
  export type Lookup = LookupHit | LookupStale | LookupFill;
  /**
   * A fresh value.
   */
  export interface LookupHit {
    tag: 'hit',
    val: Uint8Array,
  }
  /**
   * One past its freshness, which is still good to answer with.
   */
  export interface LookupStale {
    tag: 'stale',
    val: StaleValue,
  }
  /**
   * None: make it, and `fill` the lease.
   */
  export interface LookupFill {
    tag: 'fill',
    val: Lease,
  }

  export class Lease implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    [Symbol.dispose](): void;
  }
}

declare module 'insula:agent/config@0.1.0' {
  /**
   * One value; `none` where it is not set.
   *
   * Errors: none. Limit: host calls, host bytes.
   */
  export function get(name: string): string | null;
  /**
   * All of it, in the order of names.
   *
   * Errors: none. Limit: host calls, host bytes.
   */
  export function all(): Array<[string, string]>;
}

declare module 'insula:agent/handler@0.1.0' {
  /**
   * Answers one request.
   *
   * Errors: an `error` reaches the caller as `agent-error`, with status 400, 404, 409 or 422 for the codes
   * `bad-request`, `not-found`, `conflict` and `unprocessable`, and 422 for any other.
   *
   * Limits: fuel, CPU time, wall time, memory, host calls and host bytes of the tenant; see docs/limits.md.
   */
  export function invoke(request: Request): Response;
  export type Error = import('insula:agent/types@0.1.0').Error;
  /**
   * Names and values beside the body. A name may occur more than once.
   */
  export type Metadata = Array<[string, string]>;
  /**
   * One call of the agent.
   */
  export interface Request {
    /**
     * The body as the caller sent it. Limit: `request-bytes` of the tenant.
     */
    body: Uint8Array,
    /**
     * The caller's content type, or `application/octet-stream` where it stated none.
     */
    contentType: string,
    /**
     * What the caller sent as `Insula-Meta-NAME` headers (as `name`, lower case), `traceparent`, and from the host
     * `insula-agent`, `insula-version` and `insula-invocation`. At most 64 entries and 16 KiB.
     */
    metadata: Metadata,
    /**
     * The caller's `Idempotency-Key`, if it sent one: the same key means the same request, sent again.
     */
    idempotencyKey: string | null,
  }
  /**
   * What the caller gets back, with status 200.
   */
  export interface Response {
    /**
     * Limit: `response-bytes` of the tenant. A larger body fails the call with `response-too-large`.
     */
    body: Uint8Array,
    /**
     * The content type of the answer. An empty one becomes `application/octet-stream`.
     */
    contentType: string,
    /**
     * Sent as `Insula-Meta-NAME` response headers. Names must be `[a-z0-9-]{1,64}`, values visible ASCII of at most
     * 1,024 bytes, at most 64 entries: anything else fails the call with `invalid-response`.
     */
    metadata: Metadata,
  }
}

declare module 'insula:agent/log@0.1.0' {
  /**
   * Writes a line. What the agent prints to standard output and standard error comes here too, as `info` and `warn`.
   *
   * A message over 8 KiB is cut there, and marked. Control characters other than tab are replaced.
   * Errors: none. Limit: host calls, host bytes and the call's `log-bytes`: lines beyond that are counted and
   * dropped, and the bill says how many.
   */
  export function write(level: Level, message: string): void;
  /**
   * # Variants
   *
   * ## `"trace"`
   *
   * ## `"debug"`
   *
   * ## `"info"`
   *
   * ## `"warn"`
   *
   * ## `"error"`
   */
  export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
}

declare module 'insula:agent/storage@0.1.0' {
  /**
   * Reads one value. Absent keys and absent buckets are `none`.
   *
   * Limit: host calls, host bytes.
   */
  export function get(bucket: string, key: string): Entry | null;
  /**
   * Reads up to 256 values of any buckets, as of one instant, in the order in which they were asked for.
   *
   * Errors: also `too-many` (over 256 keys) and `answer-too-large` (over 4 MiB of values).
   * Limit: host calls, host bytes.
   */
  export function getMany(at: Array<Address>): Array<Entry | null>;
  /**
   * Lists keys, a page at a time. Each page is as of one instant; a cursor stays good while keys come and go.
   *
   * Errors: also `invalid-limit`.
   * Limit: host calls, host bytes.
   */
  export function list(bucket: string, selection: Selection): Page;
  /**
   * Names of buckets that have keys, in byte order, after one of them: at most `limit`, 1 to 1,000. A bucket whose
   * last keys have just expired may still be named.
   *
   * Errors: also `invalid-limit`.
   * Limit: host calls, host bytes.
   */
  export function buckets(after: string | null, limit: number): Array<string>;
  /**
   * The one way to write: all writes, in any of the tenant's buckets, if all preconditions hold; else none of them.
   * Serialisable with every other commit of the tenant, and on disk when it returns. The answer has the new version
   * of each write's key, in order (of a delete: the version of the deletion).
   *
   * Errors: also `conflict` (a precondition does not hold; it names the first), `quota-exceeded` (says how much is
   * used and allowed), `value-too-large`, `invalid-ttl`, `not-a-number` and `overflow` (increment), `duplicate-key`,
   * `too-many` (over 256 writes, 256 preconditions, or 4 MiB of values whose lives change).
   * Limit: host calls, host bytes, and the tenant's `storage-bytes` and `storage-keys`.
   */
  export function commit(preconditions: Array<Precondition>, writes: Array<Write>): Array<number>;
  /**
   * Writes one value: a commit of one write. Errors and limits as there.
   */
  export function put(bucket: string, key: string, value: Uint8Array, ttlMs: number | null): Version;
  /**
   * Deletes one key: a commit of one write. Deleting an absent key is no error. Errors and limits as there.
   */
  export { _delete as delete };
  function _delete(bucket: string, key: string): void;
  /**
   * Adds to a number and returns the sum: a commit of one write. Errors and limits as there.
   *
   * With a life this counts within a window: `increment(bucket, key, 1, some(60000))` says how many there were since
   * the first of them, at most a minute ago.
   */
  export function increment(bucket: string, key: string, delta: number, ttlMs: number | null): number;
  export type Error = import('insula:agent/types@0.1.0').Error;
  /**
   * Grows with every change in the tenant's storage and is never used twice, also not after a delete.
   */
  export type Version = number;
  /**
   * A value as it stands.
   */
  export interface Entry {
    key: string,
    /**
     * Empty when a listing asked for keys only.
     */
    value: Uint8Array,
    version: Version,
    /**
     * What is left of its life, in milliseconds; `none` where it has no end.
     */
    ttlMs: number | null,
  }
  /**
   * A key in a bucket.
   */
  export interface Address {
    bucket: string,
    key: string,
  }
  /**
   * What must be true for a commit to happen.
   */
  export type Expectation = ExpectationAbsent | ExpectationPresent | ExpectationVersion;
  /**
   * The key must not exist.
   */
  export interface ExpectationAbsent {
    tag: 'absent',
  }
  /**
   * The key must exist, at any version.
   */
  export interface ExpectationPresent {
    tag: 'present',
  }
  /**
   * The key must exist at just this version.
   */
  export interface ExpectationVersion {
    tag: 'version',
    val: Version,
  }
  /**
   * One condition of a commit.
   */
  export interface Precondition {
    at: Address,
    expect: Expectation,
  }
  /**
   * A value to be kept.
   */
  export interface Content {
    value: Uint8Array,
    /**
     * Its life, in milliseconds; `none`: until it is deleted. What it replaces takes its own life with it.
     */
    ttlMs: number | null,
  }
  /**
   * An addition to a number.
   */
  export interface Addition {
    delta: number,
    /**
     * The life of a number that this addition brings into being. One that is there keeps the life that it has.
     */
    ttlMs: number | null,
  }
  /**
   * What a commit does to one key.
   */
  export type Change = ChangePut | ChangeDelete | ChangeIncrement | ChangeExpire;
  export interface ChangePut {
    tag: 'put',
    val: Content,
  }
  /**
   * Deleting an absent key is no error.
   */
  export interface ChangeDelete {
    tag: 'delete',
  }
  /**
   * Adds to a value that is a signed 64-bit number in little-endian order (8 bytes); an absent key counts as 0.
   */
  export interface ChangeIncrement {
    tag: 'increment',
    val: Addition,
  }
  /**
   * Gives the key a new life from now on, or (`none`) one without an end. Its value stays; an absent key stays
   * absent, which is no error.
   */
  export interface ChangeExpire {
    tag: 'expire',
    val: number | null,
  }
  /**
   * One write of a commit. At most one write for each key.
   */
  export interface Write {
    at: Address,
    change: Change,
  }
  /**
   * Which part of a bucket to list, in the byte order of keys.
   */
  export interface Selection {
    /**
     * Only keys that start with this. Empty: all.
     */
    prefix: string,
    /**
     * Only this key and those behind it.
     */
    start: string | null,
    /**
     * Only keys before this one.
     */
    end: string | null,
    /**
     * Only keys after this one (before it, when `reverse`): the cursor of the page before.
     */
    after: string | null,
    /**
     * Descending order.
     */
    reverse: boolean,
    /**
     * With values, or keys and versions only.
     */
    values: boolean,
    /**
     * At most so many entries, 1 to 1,000. A page also ends early at 1 MiB of keys and values.
     */
    limit: number,
  }
  /**
   * One page of a listing.
   */
  export interface Page {
    entries: Array<Entry>,
    /**
     * Where there may be more: pass it as `after`. A page may be short, even empty, with more behind it.
     */
    next: string | null,
  }
}

declare module 'insula:agent/types@0.1.0' {
  /**
   * Why something that a well-behaved agent may meet did not work.
   *
   * Broken contracts and exhausted budgets are traps and never reach the agent as an error.
   */
  export interface Error {
    /**
     * A stable word for programs, in kebab-case: `not-found`, `quota-exceeded`, `invalid-key`, ...
     */
    code: string,
    /**
     * A sentence for people: what was wrong, and what to do.
     */
    message: string,
    /**
     * Set when trying again after this many milliseconds may help.
     */
    retryAfterMs: number | null,
  }
}

declare module 'insula:agent/usage@0.1.0' {
  /**
   * Every resource that this call is charged for.
   *
   * Errors: none. Limit: host calls.
   */
  export function report(): Array<Allowance>;
  /**
   * What is left of one resource; 0 for a name that is not one.
   *
   * Errors: none. Limit: host calls.
   */
  export function remaining(name: string): number;
  /**
   * One resource of the call's budget.
   */
  export interface Allowance {
    /**
     * `fuel`, `cpu-us`, `wall-us`, `memory-bytes`, `host-calls`, `host-bytes`, `log-bytes`. More may come.
     */
    name: string,
    used: number,
    limit: number,
  }
}
