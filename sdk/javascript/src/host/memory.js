// The host's functions in memory, for tests under Node: the rules of `wit/` on storage and cache, with a clock that stands
// still until it is told. There is no quota, nothing is kept on disk, and nobody else is there.

import { CacheMemory } from "./memory/cache.js";
import { StorageMemory } from "./memory/storage.js";

const clock = { now: 0 };
const storageMemory = new StorageMemory(clock);
const cacheMemory = new CacheMemory(clock);

export const storage = storageMemory.functions();
export const cache = cacheMemory.functions();

let values = new Map();
let lines = [];
let beforeCommit = null;
storageMemory.onCommit = () => {
  const act = beforeCommit;
  if (!act) return;
  beforeCommit = null;
  try {
    act();
  } finally {
    beforeCommit ??= act;
  }
};

export const log = { write: (level, message) => lines.push({ level, message }) };

export const config = {
  get: (name) => values.get(name) ?? null,
  all: () => [...values].sort(([one], [other]) => (one < other ? -1 : 1)),
};

const ALLOWANCES = { fuel: 2_000_000_000, "cpu-us": 2_000_000, "wall-us": 10_000_000, "memory-bytes": 134_217_728 };

export const usage = {
  report: () => Object.entries(ALLOWANCES).map(([name, limit]) => ({ name, used: 0, limit })),
  remaining: (name) => ALLOWANCES[name] ?? 0,
};

export const begun = () => true;
export const begin = () => {};
export const answer = ({ body, contentType, metadata }) => ({ body, contentType, metadata });
export const refusal = (error) => error;
export const drop = (lease) => cacheMemory.release(lease);

/** What `insula-sdk/testing` does with all of it. */
export const control = {
  reset() {
    storageMemory.clear();
    cacheMemory.clear();
    [values, lines, beforeCommit] = [new Map(), [], null];
  },
  advance: (ms) => {
    clock.now += ms;
  },
  beforeCommit: (act) => {
    beforeCommit = act;
  },
  configure: (set) => {
    values = new Map(Object.entries(set));
  },
  keys: () => storageMemory.keys(),
  lines: () => lines,
  endOfCall: () => cacheMemory.releaseAll(),
};
