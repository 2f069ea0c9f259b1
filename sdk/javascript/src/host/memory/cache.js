// The cache in memory. One caller is there: what would wait for another's fill cannot, and says so.

import { checkKey, checkName, checkTtl, refuse } from "./rules.js";

const TTL_LIMIT_MS = 2_592_000_000;

export class CacheMemory {
  constructor(clock) {
    this.clock = clock;
    this.clear();
  }

  clear() {
    this.entries = new Map();
    this.leases = new Set();
    this.counts = { hits: 0, staleHits: 0, misses: 0, leases: 0, waits: 0, evicted: 0, expired: 0, removed: 0 };
  }

  release(lease) {
    this.leases.delete(lease);
  }

  releaseAll() {
    this.leases.clear();
  }

  /** The functions of `wit/cache.wit`. */
  functions() {
    return {
      get: (namespace, key) => this.#get(nameOf(namespace, key)),
      put: (namespace, key, value, life) => {
        const name = nameOf(namespace, key);
        checkLife(life);
        this.#end(name);
        this.#keep(name, value, life);
      },
      getOrFill: (namespace, key) => this.#getOrFill(nameOf(namespace, key)),
      fill: (lease, value, life) => {
        const good = this.leases.delete(lease) && lease.good;
        checkLife(life);
        if (good) this.#keep(lease.name, value, life);
        return good;
      },
      delete: (namespace, key) => {
        const name = nameOf(namespace, key);
        this.#end(name);
        if (this.entries.delete(name)) this.counts.removed += 1;
      },
      clear: (namespace) => {
        checkName("namespace", namespace);
        for (const name of [...this.entries.keys(), ...[...this.leases].map((lease) => lease.name)]) {
          if (JSON.parse(name)[0] !== namespace) continue;
          this.#end(name);
          if (this.entries.delete(name)) this.counts.removed += 1;
        }
      },
      stats: () => {
        const bytes = [...this.entries].reduce((sum, [name, kept]) => sum + name.length + kept.value.length, 0);
        return { ...this.counts, entries: this.entries.size, bytes, limitBytes: 16_777_216 };
      },
    };
  }

  #keep(name, value, { ttlMs, staleMs }) {
    const fresh = this.clock.now + ttlMs;
    this.entries.set(name, { value: value.slice(), fresh, ends: fresh + staleMs });
  }

  /** A lease on a key that was written or deleted will not keep its value. */
  #end(name) {
    for (const lease of this.leases) {
      if (lease.name === name) lease.good = false;
    }
  }

  #find(name) {
    const kept = this.entries.get(name);
    if (!kept || kept.ends > this.clock.now) return kept ?? null;
    this.entries.delete(name);
    this.counts.expired += 1;
    return null;
  }

  #get(name) {
    const kept = this.#find(name);
    if (!kept || kept.fresh <= this.clock.now) {
      this.counts.misses += 1;
      return null;
    }
    this.counts.hits += 1;
    return kept.value.slice();
  }

  #getOrFill(name) {
    const kept = this.#find(name);
    const taken = [...this.leases].some((lease) => lease.name === name && lease.good);
    if (kept && kept.fresh > this.clock.now) {
      this.counts.hits += 1;
      return { tag: "hit", val: kept.value.slice() };
    }
    if (kept) {
      this.counts.staleHits += 1;
      return { tag: "stale", val: { value: kept.value.slice(), lease: taken ? null : this.#lease(name) } };
    }
    if (taken) throw refuse("lease-held", "this call holds the lease that it would wait for");
    this.counts.misses += 1;
    return { tag: "fill", val: this.#lease(name) };
  }

  #lease(name) {
    const lease = { name, good: true };
    this.leases.add(lease);
    this.counts.leases += 1;
    return lease;
  }
}

function nameOf(namespace, key) {
  checkName("namespace", namespace);
  checkKey(key);
  return JSON.stringify([namespace, key]);
}

function checkLife({ ttlMs, staleMs }) {
  checkTtl(ttlMs, 1, TTL_LIMIT_MS);
  checkTtl(staleMs, 0, TTL_LIMIT_MS);
}
