// The tenant's cache: fast, in memory, and free to forget anything at any time. All agents of one tenant share it.
//
// `getOrMake` is what most agents need: of many calls that miss the same value at once, one makes it, and the others wait
// for it. A cache is never the only place of anything, and never fails a call that could do without it.

import * as host from "#host";
import { amount, string } from "./check.js";
import { asking } from "./error.js";
import * as log from "./log.js";
import { bytesOf, decode, jsonOf } from "./text.js";

/** The right, and the duty, to make the value of one key while others wait for it. It ends with the call at the latest. */
export class Lease {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  /** Keeps the value, and hands it to everyone who waits. False when it was not kept, since the key changed meanwhile. */
  fill(value, life) {
    const handle = this.#take();
    return asking(() => host.cache.fill(handle, bytesOf("value", value), lifeOf(life)));
  }

  /** Gives it up: one of those who wait inherits it. */
  release() {
    host.drop(this.#take());
  }

  #take() {
    const handle = this.#handle;
    if (!handle) throw new TypeError("the lease has ended");
    this.#handle = null;
    return handle;
  }
}

/** Reads one value; `null` where there is none that is fresh. */
export function get(namespace, key) {
  return asking(() => host.cache.get(...names(namespace, key))) ?? null;
}

/** Keeps a value for its life, or until it gives way. */
export function put(namespace, key, value, life) {
  asking(() => host.cache.put(...names(namespace, key), bytesOf("value", value), lifeOf(life)));
}

/** Reads one value, or gives the caller a lease to make it: `{kind: "hit", value}`, `{kind: "stale", value, lease}`, where
 * the lease may be `null`, or `{kind: "fill", lease}`. */
export function getOrFill(namespace, key, { waitMs = 0 } = {}) {
  const found = asking(() => host.cache.getOrFill(...names(namespace, key), amount("waitMs", waitMs)));
  switch (found.tag) {
    case "hit":
      return { kind: "hit", value: found.val };
    case "stale":
      return { kind: "stale", value: found.val.value, lease: found.val.lease ? new Lease(found.val.lease) : null };
    default:
      return { kind: "fill", lease: new Lease(found.val) };
  }
}

/**
 * Answers with the value of a key, and makes it where it is not there: a string or bytes.
 *
 * A stale value is the answer too; the first call that is given it makes a new one first, and where that fails it logs why
 * and answers with the stale one. A call that waited for nothing makes the value for itself and does not keep it.
 */
export function getOrMake(namespace, key, life, make, { waitMs = 2_000 } = {}) {
  let found;
  try {
    found = getOrFill(namespace, key, { waitMs });
  } catch (error) {
    if (!["fill-in-progress", "lease-held", "too-many"].includes(error.code)) throw error;
    return bytesOf("the value", make());
  }
  if (found.kind === "hit" || (found.kind === "stale" && !found.lease)) return found.value;
  let made;
  try {
    made = bytesOf("the value", make());
  } catch (error) {
    if (found.kind === "fill") {
      found.lease.release();
      throw error;
    }
    log.warn(`answered from the stale value of ${namespace}/${key}: ${error.code ?? error.name}: ${error.message}`);
    found.lease.release();
    return found.value;
  }
  try {
    found.lease.fill(made, life);
  } catch (error) {
    if (error.code !== "value-too-large") throw error;
  }
  return made;
}

/** The same for a value as JSON. */
export function getOrMakeJson(namespace, key, life, make, options) {
  return JSON.parse(decode(getOrMake(namespace, key, life, () => jsonOf("the value", make()), options)));
}

/** Forgets one entry. A lease on the key will not keep its value. */
function remove(namespace, key) {
  asking(() => host.cache.delete(...names(namespace, key)));
}
export { remove as delete };

/** Forgets every entry of a namespace, at once. */
export function clear(namespace) {
  asking(() => host.cache.clear(string("namespace", namespace)));
}

/** The statistics of the tenant's shard. */
export function stats() {
  return asking(() => host.cache.stats());
}

function names(namespace, key) {
  return [string("namespace", namespace), string("key", key)];
}

function lifeOf(life) {
  return {
    ttlMs: amount("ttlMs", life?.ttlMs),
    staleMs: amount("staleMs", life.staleMs ?? 0),
    thisVersionOnly: life.thisVersionOnly ?? false,
  };
}
