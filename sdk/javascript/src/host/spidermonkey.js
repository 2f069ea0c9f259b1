// The host's functions under SpiderMonkey (componentize-js): 64-bit numbers are bigints there, and `none` is undefined.

import * as theirCache from "insula:agent/cache@0.1.0";
import * as theirConfig from "insula:agent/config@0.1.0";
import * as log from "insula:agent/log@0.1.0";
import * as theirStorage from "insula:agent/storage@0.1.0";
import * as theirUsage from "insula:agent/usage@0.1.0";
import { isBytes } from "../check.js";

export { log };

// componentize-js 0.23 makes the class of a resource where it meets the first function of it. A lease has none, so that
// its own code names a class that nobody made. That code has a global object of its own, which its functions lead to.
const theirs = theirCache.getOrFill.constructor("return globalThis")();
theirs["import_cache_0_1_0$Lease"] ??= class Lease {};

// The build leaves outgoing HTTP out, which would be denied, and calling what is left would only stop the agent.
globalThis.fetch = undefined;

const wide = (number) => (number == null ? undefined : BigInt(number));

/** The same value with numbers for bigints. Bytes stay as they are. */
function plain(value) {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null || isBytes(value)) return value ?? null;
  if (ArrayBuffer.isView(value)) return Array.from(value, Number);
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

const lifeOf = ({ ttlMs, staleMs, thisVersionOnly }) => ({ ttlMs: wide(ttlMs), staleMs: wide(staleMs), thisVersionOnly });

export const storage = {
  get: (bucket, key) => plain(theirStorage.get(bucket, key)),
  getMany: (at) => plain(theirStorage.getMany(at)),
  list: (bucket, selection) => plain(theirStorage.list(bucket, defined(selection))),
  buckets: (after, limit) => theirStorage.buckets(after ?? undefined, limit),
  put: (bucket, key, value, ttlMs) => Number(theirStorage.put(bucket, key, value, wide(ttlMs))),
  delete: (bucket, key) => theirStorage.delete(bucket, key),
  increment: (bucket, key, delta, ttlMs) => Number(theirStorage.increment(bucket, key, BigInt(delta), wide(ttlMs))),
  commit: (preconditions, writes) => plain(theirStorage.commit(preconditions.map(wideExpectation), writes.map(wideWrite))),
};

export const cache = {
  get: (namespace, key) => theirCache.get(namespace, key),
  put: (namespace, key, value, life) => theirCache.put(namespace, key, value, lifeOf(life)),
  getOrFill: (namespace, key, waitMs) => theirCache.getOrFill(namespace, key, BigInt(waitMs)),
  fill: (lease, value, life) => theirCache.fill(lease, value, lifeOf(life)),
  delete: (namespace, key) => theirCache.delete(namespace, key),
  clear: (namespace) => theirCache.clear(namespace),
  stats: () => plain(theirCache.stats()),
};

export const config = { get: (name) => theirConfig.get(name), all: () => theirConfig.all() };

export const usage = {
  report: () => plain(theirUsage.report()),
  remaining: (name) => Number(theirUsage.remaining(name)),
};

let called = false;

/** Whether a call has begun: while the component is built, nobody is there to answer. */
export const begun = () => called;

export function begin() {
  called = true;
}

export function answer({ body, contentType, metadata }) {
  return { body, contentType, metadata };
}

export function refusal({ code, message, retryAfterMs }) {
  return { code, message, retryAfterMs: wide(retryAfterMs) };
}

/** The class above has no end of its own. A lease ends with `fill`, also where that is refused, as one without a life is. */
export function drop(handle) {
  try {
    theirCache.fill(handle, new Uint8Array(0), lifeOf({ ttlMs: 0, staleMs: 0, thisVersionOnly: false }));
  } catch {
    // It is refused, and has ended.
  }
}

function defined(selection) {
  return Object.fromEntries(Object.entries(selection).map(([name, value]) => [name, value ?? undefined]));
}

function wideExpectation({ at, expect }) {
  return { at, expect: expect.tag === "version" ? { tag: expect.tag, val: BigInt(expect.val) } : expect };
}

function wideWrite({ at, change: { tag, val } }) {
  switch (tag) {
    case "put":
      return { at, change: { tag, val: { value: val.value, ttlMs: wide(val.ttlMs) } } };
    case "increment":
      return { at, change: { tag, val: { delta: BigInt(val.delta), ttlMs: wide(val.ttlMs) } } };
    case "expire":
      return { at, change: { tag, val: wide(val) } };
    default:
      return { at, change: { tag } };
  }
}
