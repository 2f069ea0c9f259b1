// What stands in for what QuickJS lacks, beside Node's own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { random } from "./helpers.js";
import { decode, encode, validUpTo } from "../src/text.js";

const SAMPLES = ["", "plain", "é", "漢字 and ☕", "𝄞", "a".repeat(20_000) + "é", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10ffff}"];

test("texts become the bytes that TextEncoder makes, without it", () => {
  const native = globalThis.TextEncoder;
  const expected = [...SAMPLES, "lone \ud800 surrogate"].map((text) => [text, new native().encode(text)]);
  globalThis.TextEncoder = undefined;
  try {
    for (const [text, bytes] of expected) assert.deepEqual(encode(text), bytes);
  } finally {
    globalThis.TextEncoder = native;
  }
});

test("bytes become texts, and what is no UTF-8 is found", () => {
  for (const text of SAMPLES) {
    const bytes = new TextEncoder().encode(text);
    assert.equal(decode(bytes), text);
    assert.equal(validUpTo(bytes), bytes.length);
  }
  for (const [bytes, at] of [[[0xff], 0], [[97, 0xc3], 1], [[0xe2, 0x98, 0x95, 0xed, 0xa0, 0x80], 3], [[0xc0, 0x80], 0], [[97, 98, 0xf5, 1, 1, 1], 2]]) {
    assert.equal(decode(new Uint8Array(bytes)), null);
    assert.equal(validUpTo(new Uint8Array(bytes)), at);
  }
});

test("random numbers are spread, and begin elsewhere in every call", () => {
  const [one, again, other] = ["inv_1", "inv_1", "inv_2"].map((seed) => random(seed, 10_000));
  assert.deepEqual(one, again);
  assert.notEqual(one[0], other[0]);
  const mean = one.reduce((sum, value) => sum + value, 0) / one.length;
  assert.ok(one.every((value) => value >= 0 && value < 1) && Math.abs(mean - 0.5) < 0.02, String(mean));
});
