/** What an agent author imports: the capabilities of `wit/`, one namespace each, and `agent`. */
/// <reference path="./wit.d.ts" />

import type * as witCache from "insula:agent/cache@0.1.0";
import type * as witHandler from "insula:agent/handler@0.1.0";
import type * as witLog from "insula:agent/log@0.1.0";
import type * as witStorage from "insula:agent/storage@0.1.0";
import type * as witUsage from "insula:agent/usage@0.1.0";

/** What a body or a value is made of: bytes as they are, or a text, as UTF-8. */
export type Bytes = string | Uint8Array | ArrayBuffer;

/** What an agent may answer with: a text, bytes, a `Response`, or any other value that has a JSON form. */
export type Answer = string | Uint8Array | Response | (object & { then?: never }) | number | boolean | null;

/** An agent: the default export of its entry file. */
export interface Agent {
  /** The export of the component; a test calls it through `insula-sdk/testing`. */
  invoke(request: witHandler.Request): witHandler.Response;
}

/**
 * Makes a function an agent.
 *
 * An `AgentError` reaches the caller with its code. Any other error is a mistake of the agent: its stack is logged, and the
 * call ends as a trap does. The function is not async: the host's functions answer at once.
 */
export function agent(handle: (request: Request) => Answer): Agent;

/** One call of the agent. */
export class Request implements witHandler.Request {
  private constructor();
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly metadata: witHandler.Metadata;
  readonly idempotencyKey: string | null;
  /** The body as text. Throws `bad-request` where it is not UTF-8. */
  text(): string;
  /** The body as JSON, whatever the content type says. Throws `bad-request` where it is not. */
  json<T = any>(): T;
  /** The first metadata value of this name, or `null`. Names are lower case. */
  meta(name: string): string | null;
}

/** What the caller gets back. */
export class Response implements witHandler.Response {
  constructor(body: Bytes, options?: { contentType?: string; metadata?: witHandler.Metadata | Record<string, string> });
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly metadata: witHandler.Metadata;
  /** Plain text. */
  static text(body: string): Response;
  /** A value as JSON. */
  static json(value: unknown): Response;
  /** Bytes with a content type. */
  static bytes(contentType: string, body: Bytes): Response;
  /** The same, with one more metadata value: an `Insula-Meta-NAME` response header. */
  withMetadata(name: string, value: string | number): Response;
  /** The body as text; for tests. */
  text(): string;
  /** The body as JSON; for tests. */
  json<T = any>(): T;
}

/** An error with a stable word for programs, in kebab-case, and a sentence for people. */
export class AgentError extends Error {
  constructor(code: string, message: string, options?: Retry);
  readonly code: string;
  /** Set when trying again after this many milliseconds may help. */
  readonly retryAfterMs: number | null;
  /** The request is wrong in itself: status 400. */
  static badRequest(message: string, options?: Retry): AgentError;
  /** What the request names is not there: status 404. */
  static notFound(message: string, options?: Retry): AgentError;
  /** The request does not fit what is there: status 409. */
  static conflict(message: string, options?: Retry): AgentError;
  /** The request is well formed, and cannot be done: status 422. */
  static unprocessable(message: string, options?: Retry): AgentError;
}

/** When to try again. */
export interface Retry {
  retryAfterMs?: number | null;
}

/** Durable storage: the tenant's buckets of keys and values. `wit/storage.wit` has every error. */
export namespace storage {
  type Version = witStorage.Version;

  /** A life in milliseconds, 1 to 315,360,000,000; without one a value stays until it is deleted. */
  interface Ttl {
    ttlMs?: number | null;
  }

  /** Which part of a bucket to list, in the byte order of keys: all of it, with values, unless something else is said. */
  type Selection = Partial<witStorage.Selection>;

  /** A value as it stands. */
  class Entry implements witStorage.Entry {
    private constructor();
    readonly key: string;
    readonly value: Uint8Array;
    readonly version: Version;
    readonly ttlMs: number | null;
    /** The value as text. Throws `unreadable-value` where it is not UTF-8. */
    text(): string;
    /** The value as JSON. Throws `unreadable-value` where it is not. */
    json<T = any>(): T;
    /** The value as the number that `increment` adds to. Throws `unreadable-value` where it is not 8 bytes. */
    number(): number;
    /** The error for a value that is not what this agent writes. */
    unreadable(expected: string): AgentError;
  }

  /** One page of a listing; `next` is the `after` of the next one. */
  interface Page {
    entries: Entry[];
    next: string | null;
  }

  /** Reads one value; `null` where there is none. */
  function get(bucket: string, key: string): Entry | null;
  /** Reads a value as JSON; `null` where there is none. */
  function getJson<T = any>(bucket: string, key: string): T | null;
  /** Reads up to 256 values as of one instant, in the order in which they were asked for. */
  function getMany(at: readonly (readonly [bucket: string, key: string])[]): (Entry | null)[];
  /** One page of a bucket, in the order of keys. */
  function list(bucket: string, selection?: Selection): Page;
  /** Every entry of a selection, page after page. Each page is as of one instant, the whole is not. */
  function scan(bucket: string, selection?: Selection): Generator<Entry, void, undefined>;
  /** Names of buckets that have keys, in byte order. */
  function buckets(options?: { after?: string | null; limit?: number }): string[];
  /** Writes a value. */
  function put(bucket: string, key: string, value: Bytes, options?: Ttl): Version;
  /** Writes a value as JSON. */
  function putJson(bucket: string, key: string, value: unknown, options?: Ttl): Version;
  /** Adds to a number (1 unless said) and returns the sum. With `ttlMs` it counts within a window that begins with the first addition. */
  function increment(bucket: string, key: string, delta?: number, options?: Ttl): number;
  function remove(bucket: string, key: string): void;
  export { remove as delete };

  /** A commit, put together: all of its writes, if all of its preconditions hold; else none of them. */
  class Commit {
    /** Only when the key is as it was read: at that entry's version, or absent where `null` was found. */
    unchanged(bucket: string, key: string, read: Entry | null): this;
    /** Only when the key does not exist. */
    absent(bucket: string, key: string): this;
    /** Only when the key exists, at any version. */
    present(bucket: string, key: string): this;
    put(bucket: string, key: string, value: Bytes, options?: Ttl): this;
    putJson(bucket: string, key: string, value: unknown, options?: Ttl): this;
    delete(bucket: string, key: string): this;
    increment(bucket: string, key: string, delta?: number, options?: Ttl): this;
    /** A new life from now on; `null`: one without an end. */
    expire(bucket: string, key: string, ttlMs: number | null): this;
    /** Commits it, once. Returns the new version of each write's key, in order. */
    run(): Version[];
  }

  /**
   * Reads, changes and commits: `attempt` returns `{ commit, answer }`, or `{ answer }` where nothing needs to be written.
   * It is made again whenever a precondition did not hold. After the last attempt it throws `conflict`.
   */
  function update<T>(attempt: () => { commit?: Commit; answer: T }, options?: { attempts?: number }): T;

  // With an `export` in it, a namespace of declarations exports nothing else by itself.
  export { Commit, Entry, buckets, get, getJson, getMany, increment, list, put, putJson, scan, update };
  export type { Page, Selection, Ttl, Version };
}

/** The tenant's cache: fast, in memory, and free to forget anything at any time. */
export namespace cache {
  /** How long a value is good, and for whom. */
  type Life = Pick<witCache.Life, "ttlMs"> & Partial<witCache.Life>;
  type Statistics = witCache.Statistics;

  /** The right, and the duty, to make the value of one key while others wait for it. */
  class Lease {
    private constructor();
    /** Keeps the value. False when it was not kept, since the key changed meanwhile. */
    fill(value: Bytes, life: Life): boolean;
    /** Gives it up: one of those who wait inherits it. */
    release(): void;
  }

  /** What `getOrFill` found. */
  type Lookup =
    | { kind: "hit"; value: Uint8Array }
    | { kind: "stale"; value: Uint8Array; lease: Lease | null }
    | { kind: "fill"; lease: Lease };

  /** Reads one value; `null` where there is none that is fresh. */
  function get(namespace: string, key: string): Uint8Array | null;
  /** Keeps a value for its life, or until it gives way. */
  function put(namespace: string, key: string, value: Bytes, life: Life): void;
  /** Reads one value, or gives the caller a lease to make it; others' leases are waited for, `waitMs` at most. */
  function getOrFill(namespace: string, key: string, options?: { waitMs?: number }): Lookup;
  /** Answers with the value of a key, stale or fresh, and makes it where it is not there or is stale. */
  function getOrMake(namespace: string, key: string, life: Life, make: () => Bytes, options?: { waitMs?: number }): Uint8Array;
  /** The same for a value as JSON. */
  function getOrMakeJson<T = any>(namespace: string, key: string, life: Life, make: () => T, options?: { waitMs?: number }): T;
  function remove(namespace: string, key: string): void;
  export { remove as delete };
  /** Forgets every entry of a namespace, at once. */
  function clear(namespace: string): void;
  /** The statistics of the tenant's shard. */
  function stats(): Statistics;

  export { Lease, clear, get, getOrFill, getOrMake, getOrMakeJson, put, stats };
  export type { Life, Lookup, Statistics };
}

/** The tenant's log. Lines take what `console.log` takes. */
export namespace log {
  type Level = witLog.Level;
  function write(level: Level, ...values: unknown[]): void;
  function trace(...values: unknown[]): void;
  function debug(...values: unknown[]): void;
  function info(...values: unknown[]): void;
  function warn(...values: unknown[]): void;
  function error(...values: unknown[]): void;
}

/** The agent's configuration, as it stood when the call began. */
export namespace config {
  /** One value; `null` where it is not set. */
  function get(name: string): string | null;
  /** All of it, by name. */
  function all(): Record<string, string>;
}

/** What this call has used of its budget, and what is left. */
export namespace usage {
  type Allowance = witUsage.Allowance;
  /** Every resource that this call is charged for. */
  function report(): Allowance[];
  /** What is left of one resource; 0 for a name that is not one. */
  function remaining(name: string): number;
}
