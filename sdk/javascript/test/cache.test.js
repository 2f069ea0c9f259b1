import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { agent, cache } from "insula-sdk";
import * as testing from "insula-sdk/testing";

beforeEach(testing.reset);

const LIFE = { ttlMs: 100, staleMs: 1_000 };
const text = (bytes) => new TextDecoder().decode(bytes);

test("a value is fresh, then stale, then gone", () => {
  let made = 0;
  const read = () => text(cache.getOrMake("ns", "k", LIFE, () => `value ${++made}`));
  assert.deepEqual([read(), read()], ["value 1", "value 1"]);
  testing.advance(100);
  assert.equal(cache.get("ns", "k"), null, "a plain read takes nothing stale");
  assert.equal(read(), "value 2", "the first caller that is given a stale value makes a new one");
  testing.advance(1_100);
  assert.equal(read(), "value 3");
});

test("a stale value stands in for one that cannot be made, and says so", () => {
  cache.put("ns", "k", "old", LIFE);
  testing.advance(100);
  const failing = () => { throw new Error("the source is down"); };
  assert.equal(text(cache.getOrMake("ns", "k", LIFE, failing)), "old");
  assert.match(testing.logged().at(-1).message, /stale value of ns\/k: Error: the source is down/);
  assert.throws(() => cache.getOrMake("ns", "other", LIFE, failing), /down/);
  assert.equal(cache.getOrFill("ns", "other").kind, "fill", "the lease was given up");
});

test("a lease keeps nothing that was deleted meanwhile, and ends with the call", () => {
  const { kind, lease } = cache.getOrFill("ns", "k");
  assert.equal(kind, "fill");
  cache.delete("ns", "k");
  assert.equal(lease.fill("late", LIFE), false);
  assert.throws(() => lease.fill("twice", LIFE), /has ended/);
  const taker = agent(() => cache.getOrFill("ns", "t").kind);
  assert.equal(testing.call(taker).text(), "fill");
  assert.equal(testing.call(taker).text(), "fill", "the lease ended with the call before");
  cache.getOrFill("ns", "h");
  assert.throws(() => cache.getOrFill("ns", "h"), (error) => error.code === "lease-held");
  assert.deepEqual(cache.getOrMakeJson("ns", "h", LIFE, () => ({ made: "without the cache" })), { made: "without the cache" });
});

test("a namespace is cleared at once, and the counts tell", () => {
  cache.put("a", "1", "x", LIFE);
  cache.put("b", "1", "y", LIFE);
  cache.clear("a");
  assert.equal(cache.get("a", "1"), null);
  assert.equal(text(cache.get("b", "1")), "y");
  const { hits, misses, removed, entries } = cache.stats();
  assert.deepEqual({ hits, misses, removed, entries }, { hits: 1, misses: 1, removed: 1, entries: 1 });
  assert.throws(() => cache.put("a", "1", "x", {}), /ttlMs must be a whole number/);
});
