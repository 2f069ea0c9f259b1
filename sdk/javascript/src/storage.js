// Durable storage: the tenant's buckets of keys and values. All agents of one tenant share them.
//
// `commit` is the one way to write; the others are commits of one write. `update` reads, changes and commits, and does it
// again where someone else wrote in between. What a write acknowledged is on disk. `wit/storage.wit` has every error.

import * as host from "#host";
import { amount, integer, optional, string } from "./check.js";
import { AgentError, asking } from "./error.js";
import { bytesOf, decode, jsonOf } from "./text.js";

/** When to send a request again that met too many others, in milliseconds. */
const RETRY_MS = 100;
/** The most entries of one page. */
const PAGE = 1_000;

/** A value as it stands. */
export class Entry {
  constructor({ key, value, version, ttlMs }) {
    this.key = key;
    this.value = value;
    this.version = version;
    this.ttlMs = ttlMs ?? null;
  }

  /** The value as text. Throws `unreadable-value` where it is not UTF-8. */
  text() {
    const text = decode(this.value);
    if (text === null) throw this.unreadable("UTF-8");
    return text;
  }

  /** The value as JSON. Throws `unreadable-value` where it is not. */
  json() {
    const text = this.text();
    try {
      return JSON.parse(text);
    } catch (error) {
      throw this.unreadable(`JSON: ${error.message}`);
    }
  }

  /** The value as the number that `increment` adds to. Throws `unreadable-value` where it is not 8 bytes. */
  number() {
    if (this.value.length !== 8) throw this.unreadable("a number of 8 bytes");
    const view = new DataView(this.value.buffer, this.value.byteOffset, 8);
    return exact(Number(view.getBigInt64(0, true)));
  }

  /** The error for a value that is not what this agent writes. */
  unreadable(expected) {
    return new AgentError("unreadable-value", `the stored value of key ${JSON.stringify(this.key)} is not ${expected}`);
  }
}

/** Reads one value; `null` where there is none. */
export function get(bucket, key) {
  const at = address(bucket, key);
  const found = asking(() => host.storage.get(at.bucket, at.key));
  return found ? new Entry(found) : null;
}

/** Reads a value as JSON; `null` where there is none. */
export function getJson(bucket, key) {
  const found = get(bucket, key);
  return found ? found.json() : null;
}

/** Reads up to 256 values as of one instant, in the order in which they were asked for: `[[bucket, key], ...]`. */
export function getMany(at) {
  const addresses = at.map(([bucket, key]) => address(bucket, key));
  return asking(() => host.storage.getMany(addresses)).map((found) => (found ? new Entry(found) : null));
}

/** One page of a bucket, in the order of keys. */
export function list(bucket, selection = {}) {
  const wanted = {
    prefix: string("prefix", selection.prefix ?? ""),
    start: optional(string, "start", selection.start),
    end: optional(string, "end", selection.end),
    after: optional(string, "after", selection.after),
    reverse: selection.reverse ?? false,
    values: selection.values ?? true,
    limit: amount("limit", selection.limit ?? PAGE),
  };
  const page = asking(() => host.storage.list(string("bucket", bucket), wanted));
  return { entries: page.entries.map((entry) => new Entry(entry)), next: page.next ?? null };
}

/** Every entry of a selection, page after page. Each page is as of one instant, the whole is not. */
export function* scan(bucket, selection = {}) {
  let after = selection.after ?? null;
  do {
    const page = list(bucket, { ...selection, after });
    yield* page.entries;
    after = page.next;
  } while (after !== null);
}

/** Names of buckets that have keys, in byte order. */
export function buckets({ after = null, limit = PAGE } = {}) {
  return asking(() => host.storage.buckets(optional(string, "after", after), amount("limit", limit)));
}

/** Writes a value: bytes, or a text as UTF-8. Returns its version. */
export function put(bucket, key, value, { ttlMs = null } = {}) {
  const at = address(bucket, key);
  const life = optional(amount, "ttlMs", ttlMs);
  return asking(() => host.storage.put(at.bucket, at.key, bytesOf("value", value), life));
}

/** Writes a value as JSON. */
export function putJson(bucket, key, value, options) {
  return put(bucket, key, jsonOf("value", value), options);
}

/** Deletes a key. Deleting an absent one is no error. */
function remove(bucket, key) {
  const at = address(bucket, key);
  asking(() => host.storage.delete(at.bucket, at.key));
}
export { remove as delete };

/** Adds to a number and returns the sum. With `ttlMs` it counts within a window that begins with the first addition. */
export function increment(bucket, key, delta = 1, { ttlMs = null } = {}) {
  const at = address(bucket, key);
  const [by, life] = [integer("delta", delta), optional(amount, "ttlMs", ttlMs)];
  return exact(asking(() => host.storage.increment(at.bucket, at.key, by, life)));
}

/** A commit, put together: all of its writes, if all of its preconditions hold; else none of them. */
export class Commit {
  constructor() {
    this.preconditions = [];
    this.writes = [];
  }

  /** Only when the key is as it was read: at that entry's version, or absent where `null` was found. */
  unchanged(bucket, key, read) {
    const expect = read ? { tag: "version", val: read.version } : { tag: "absent" };
    return this.#when(bucket, key, expect);
  }

  /** Only when the key does not exist. */
  absent(bucket, key) {
    return this.#when(bucket, key, { tag: "absent" });
  }

  /** Only when the key exists, at any version. */
  present(bucket, key) {
    return this.#when(bucket, key, { tag: "present" });
  }

  put(bucket, key, value, { ttlMs = null } = {}) {
    const content = { value: bytesOf("value", value), ttlMs: optional(amount, "ttlMs", ttlMs) };
    return this.#write(bucket, key, { tag: "put", val: content });
  }

  putJson(bucket, key, value, options) {
    return this.put(bucket, key, jsonOf("value", value), options);
  }

  delete(bucket, key) {
    return this.#write(bucket, key, { tag: "delete" });
  }

  increment(bucket, key, delta = 1, { ttlMs = null } = {}) {
    const addition = { delta: integer("delta", delta), ttlMs: optional(amount, "ttlMs", ttlMs) };
    return this.#write(bucket, key, { tag: "increment", val: addition });
  }

  /** A new life from now on; `null`: one without an end. The value stays. */
  expire(bucket, key, ttlMs) {
    return this.#write(bucket, key, { tag: "expire", val: optional(amount, "ttlMs", ttlMs) });
  }

  /** Commits it, once. Returns the new version of each write's key, in order. */
  run() {
    return Array.from(asking(() => host.storage.commit(this.preconditions, this.writes)));
  }

  #when(bucket, key, expect) {
    this.preconditions.push({ at: address(bucket, key), expect });
    return this;
  }

  #write(bucket, key, change) {
    this.writes.push({ at: address(bucket, key), change });
    return this;
  }
}

/**
 * Reads, changes and commits: `attempt` returns `{ commit, answer }`, or `{ answer }` where nothing needs to be written. It
 * is made again whenever a precondition did not hold, and must read again then. After the last one it throws `conflict`.
 */
export function update(attempt, { attempts = 8 } = {}) {
  for (let made = 0; made < attempts; made += 1) {
    const { commit, answer } = attempt();
    if (!commit) return answer;
    try {
      commit.run();
      return answer;
    } catch (error) {
      if (error.code !== "conflict") throw error;
    }
  }
  const message = `others changed the same at the same time, ${attempts} times in a row: send it again`;
  throw AgentError.conflict(message, { retryAfterMs: RETRY_MS });
}

function address(bucket, key) {
  return { bucket: string("bucket", bucket), key: string("key", key) };
}

function exact(number) {
  if (Number.isSafeInteger(number)) return number;
  throw new AgentError("unsafe-number", "the stored number is beyond 2^53, and JavaScript would round it");
}
