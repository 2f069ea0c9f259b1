// Storage in memory.

import { checkKey, checkName, checkTtl, compare, refuse } from "./rules.js";

const VALUE_LIMIT = 1 << 20;
const TTL_LIMIT_MS = 315_360_000_000;
const MANY = 256;
const ANSWER_LIMIT = 4 << 20;
const PAGE_LIMIT = 1 << 20;
const ENTRIES_LIMIT = 1_000;

export class StorageMemory {
  constructor(clock) {
    this.clock = clock;
    this.onCommit = () => {};
    this.clear();
  }

  clear() {
    this.buckets = new Map();
    this.version = 0;
  }

  keys() {
    const names = [...this.buckets.keys()].sort(compare);
    return names.flatMap((bucket) => this.#sorted(bucket).map(([key]) => [bucket, key]));
  }

  /** The functions of `wit/storage.wit`. */
  functions() {
    return {
      get: (bucket, key) => this.#get({ bucket, key }),
      getMany: (at) => this.#getMany(at),
      list: (bucket, selection) => this.#list(bucket, selection),
      buckets: (after, limit) => this.#buckets(after, limit),
      commit: (preconditions, writes) => this.#commit(preconditions, writes),
      put: (bucket, key, value, ttlMs) => this.#one({ bucket, key }, { tag: "put", val: { value, ttlMs } }),
      delete: (bucket, key) => void this.#one({ bucket, key }, { tag: "delete" }),
      increment: (bucket, key, delta, ttlMs) => {
        this.#one({ bucket, key }, { tag: "increment", val: { delta, ttlMs } });
        return numberOf(this.#find({ bucket, key }).value);
      },
    };
  }

  #one(at, change) {
    return this.#commit([], [{ at, change }])[0];
  }

  #find({ bucket, key }) {
    const kept = this.buckets.get(bucket)?.get(key);
    return kept && (kept.ends === null || kept.ends > this.clock.now) ? kept : null;
  }

  #entry(key, kept, values = true) {
    const ttlMs = kept.ends === null ? null : kept.ends - this.clock.now;
    return { key, value: values ? kept.value.slice() : new Uint8Array(0), version: kept.version, ttlMs };
  }

  #get(at) {
    check(at);
    const kept = this.#find(at);
    return kept && this.#entry(at.key, kept);
  }

  #getMany(at) {
    tooMany("keys", at.length);
    const found = at.map((one) => this.#get(one));
    const bytes = found.reduce((sum, entry) => sum + (entry?.value.length ?? 0), 0);
    if (bytes > ANSWER_LIMIT) throw refuse("answer-too-large", "the values are more than one answer carries");
    return found;
  }

  #sorted(bucket) {
    const all = [...(this.buckets.get(bucket) ?? new Map()).keys()].map((key) => [key, this.#find({ bucket, key })]);
    return all.filter(([, kept]) => kept).sort(([one], [other]) => compare(one, other));
  }

  #list(bucket, { prefix, start, end, after, reverse, values, limit }) {
    checkName("bucket", bucket);
    checkLimit(limit);
    const behind = (key) => after == null || (reverse ? compare(key, after) < 0 : compare(key, after) > 0);
    const chosen = this.#sorted(bucket).filter(
      ([key]) =>
        key.startsWith(prefix) && (start == null || compare(key, start) >= 0) && (end == null || compare(key, end) < 0) && behind(key),
    );
    if (reverse) chosen.reverse();
    const page = { entries: [], next: null };
    let bytes = 0;
    for (const [key, kept] of chosen) {
      const entry = this.#entry(key, kept, values);
      bytes += key.length + entry.value.length;
      if (page.entries.length >= limit || (bytes > PAGE_LIMIT && page.entries.length > 0)) {
        page.next = page.entries.at(-1).key;
        break;
      }
      page.entries.push(entry);
    }
    return page;
  }

  #buckets(after, limit) {
    checkLimit(limit);
    const named = [...this.buckets.keys()].filter((name) => this.#sorted(name).length > 0).sort(compare);
    return named.filter((name) => after == null || compare(name, after) > 0).slice(0, limit);
  }

  #commit(preconditions, writes) {
    this.onCommit();
    tooMany("preconditions", preconditions.length);
    tooMany("writes", writes.length);
    const names = new Set();
    for (const { at, change } of writes) {
      check(at);
      const name = JSON.stringify([at.bucket, at.key]);
      if (names.has(name)) throw refuse("duplicate-key", `the commit writes ${JSON.stringify(at.key)} twice`);
      names.add(name);
      checkChange(change);
    }
    for (const one of preconditions) {
      check(one.at);
      if (!holds(one.expect, this.#find(one.at))) {
        throw refuse("conflict", `a precondition on ${JSON.stringify(one.at.key)} does not hold`);
      }
    }
    // First all of it in a list, so that a write that fails leaves nothing of the ones before it.
    const made = writes.map(({ at, change }, index) => [at, this.#changed(at, change, this.version + index + 1)]);
    for (const [{ bucket, key }, kept] of made) {
      if (kept === undefined) continue;
      if (!this.buckets.has(bucket)) this.buckets.set(bucket, new Map());
      if (kept) this.buckets.get(bucket).set(key, kept);
      else this.buckets.get(bucket).delete(key);
    }
    const versions = made.map((_, index) => this.version + index + 1);
    this.version += made.length;
    return versions;
  }

  /** What a key holds after a change; `null`: nothing, `undefined`: what it held. */
  #changed(at, { tag, val }, version) {
    const before = this.#find(at);
    const ends = (ttlMs) => (ttlMs == null ? null : this.clock.now + ttlMs);
    switch (tag) {
      case "put":
        return { value: val.value.slice(), version, ends: ends(val.ttlMs) };
      case "increment": {
        const value = added(before, val.delta, at.key);
        return { value, version, ends: before ? before.ends : ends(val.ttlMs) };
      }
      case "expire":
        return before ? { ...before, version, ends: ends(val) } : undefined;
      default:
        return null;
    }
  }
}

function added(before, delta, key) {
  if (before && before.value.length !== 8) throw refuse("not-a-number", `the value of ${JSON.stringify(key)} is no number`);
  const sum = (before ? bigOf(before.value) : 0n) + BigInt(delta);
  if (BigInt.asIntN(64, sum) !== sum) throw refuse("overflow", `the number at ${JSON.stringify(key)} would overflow`);
  const value = new Uint8Array(8);
  new DataView(value.buffer).setBigInt64(0, sum, true);
  return value;
}

function bigOf(value) {
  return new DataView(value.buffer, value.byteOffset, 8).getBigInt64(0, true);
}

function numberOf(value) {
  return Number(bigOf(value));
}

function holds(expect, kept) {
  if (expect.tag === "absent") return !kept;
  return Boolean(kept) && (expect.tag === "present" || kept.version === expect.val);
}

function check({ bucket, key }) {
  checkName("bucket", bucket);
  checkKey(key);
}

function checkChange({ tag, val }) {
  if (tag === "put" && val.value.length > VALUE_LIMIT) {
    throw refuse("value-too-large", `a value of ${val.value.length} bytes`);
  }
  const ttlMs = tag === "expire" ? val : val?.ttlMs;
  if (ttlMs != null) checkTtl(ttlMs, 1, TTL_LIMIT_MS);
}

function checkLimit(limit) {
  if (limit < 1 || limit > ENTRIES_LIMIT) throw refuse("invalid-limit", `invalid limit ${limit}: use 1 to ${ENTRIES_LIMIT}`);
}

function tooMany(what, count) {
  if (count > MANY) throw refuse("too-many", `${count} ${what}; ${MANY} are allowed`);
}
