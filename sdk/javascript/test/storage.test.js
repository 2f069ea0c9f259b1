import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { storage } from "insula-sdk";
import * as testing from "insula-sdk/testing";

beforeEach(testing.reset);

const refused = (code) => (error) => error.code === code;

test("values come back as they were written, with their version and life", () => {
  const first = storage.put("notes", "a", "tea ☕");
  const second = storage.putJson("notes", "b", { n: 1 }, { ttlMs: 1_000 });
  assert.ok(second > first);
  assert.equal(storage.get("notes", "a").text(), "tea ☕");
  assert.deepEqual([storage.get("notes", "b").json(), storage.get("notes", "b").ttlMs], [{ n: 1 }, 1_000]);
  assert.deepEqual(storage.getMany([["notes", "b"], ["notes", "z"]]).map((entry) => entry?.key), ["b", undefined]);
  testing.advance(1_000);
  assert.equal(storage.getJson("notes", "b"), null);
  storage.delete("notes", "a");
  assert.deepEqual(testing.keys(), []);
});

test("increments add up, within a window where one is given", () => {
  assert.equal(storage.increment("n", "a"), 1);
  assert.equal(storage.increment("n", "a", -3), -2);
  assert.equal(storage.get("n", "a").number(), -2);
  storage.increment("n", "w", 1, { ttlMs: 100 });
  testing.advance(99);
  assert.equal(storage.increment("n", "w", 1, { ttlMs: 100 }), 2);
  testing.advance(1);
  assert.equal(storage.increment("n", "w", 1, { ttlMs: 100 }), 1);
  storage.put("n", "text", "abc");
  assert.throws(() => storage.increment("n", "text"), refused("not-a-number"));
  storage.increment("n", "big", Number.MAX_SAFE_INTEGER);
  assert.throws(() => storage.increment("n", "big"), refused("unsafe-number"));
});

test("a commit happens whole or not at all", () => {
  storage.put("b", "kept", "1");
  const commit = new storage.Commit().absent("b", "kept").put("b", "new", "2");
  assert.throws(() => commit.run(), refused("conflict"));
  const failing = new storage.Commit().put("b", "new", "2").increment("b", "kept");
  assert.throws(() => failing.run(), refused("not-a-number"));
  assert.equal(storage.get("b", "new"), null);
  const versions = new storage.Commit().present("b", "kept").delete("b", "kept").put("b", "new", "2").run();
  assert.equal(versions.length, 2);
  assert.deepEqual(testing.keys(), [["b", "new"]]);
});

test("an update meets others and loses nothing", () => {
  let meetings = 0;
  testing.beforeCommit(() => {
    if (meetings++ < 3) storage.increment("stock", "sold");
    if (meetings <= 3) storage.putJson("stock", "left", 10 - meetings);
  });
  storage.putJson("stock", "left", 10);
  const take = () =>
    storage.update(() => {
      const read = storage.get("stock", "left");
      const left = read.json() - 1;
      return { commit: new storage.Commit().unchanged("stock", "left", read).putJson("stock", "left", left), answer: left };
    });
  assert.equal(take(), 6);
  testing.beforeCommit(() => storage.putJson("stock", "left", 5));
  assert.throws(take, (error) => error.code === "conflict" && error.retryAfterMs === 100);
  assert.equal(storage.update(() => ({ answer: "nothing to do" })), "nothing to do");
});

test("listings go page by page, in the byte order of keys, both ways", () => {
  for (const key of ["b", "a", "ä", "z", "𝄞", "\uffff"]) storage.put("k", key, key);
  const order = ["a", "b", "z", "ä", "\uffff", "𝄞"];
  assert.deepEqual([...storage.scan("k", { limit: 2 })].map((entry) => entry.text()), order);
  assert.deepEqual([...storage.scan("k", { limit: 4, reverse: true })].map((entry) => entry.key), order.toReversed?.() ?? [...order].reverse());
  const page = storage.list("k", { limit: 2, start: "b", values: false });
  assert.deepEqual([page.entries.map((entry) => entry.key), page.next, page.entries[0].value.length], [["b", "z"], "z", 0]);
  assert.throws(() => storage.list("k", { limit: 0 }), refused("invalid-limit"));
  storage.put("a", "1", "");
  assert.deepEqual(storage.buckets(), ["a", "k"]);
  assert.deepEqual(storage.buckets({ after: "a", limit: 1 }), ["k"]);
});

test("arguments of the wrong type are named", () => {
  assert.throws(() => storage.get("b", 7), /key must be a string, and is 7/);
  assert.throws(() => storage.put("b", "k", { a: 1 }), /value must be a string or a Uint8Array/);
  assert.throws(() => storage.increment("b", "k", 0.5), /delta must be a whole number/);
  assert.throws(() => storage.put("b", "", "v"), refused("invalid-key"));
  assert.throws(() => storage.put("b", "k", "v", { ttlMs: 0 }), refused("invalid-ttl"));
});
