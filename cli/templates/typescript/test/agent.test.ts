import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { advance, call, configure, reset } from "insula-sdk/testing";

import greeter from "../src/agent.ts";

beforeEach(reset);

const visit = (name: string) => call(greeter, { name }).json();

test("visits are counted for each visitor", () => {
  configure({ greeting: "Salve" });
  visit("Ada");
  visit("Grace");
  assert.deepEqual(visit("Ada"), { greeting: "Salve, Ada!", visits: 2, regulars: [] });
});

test("a regular is known once the cache is past its freshness", () => {
  for (let times = 0; times < 3; times += 1) assert.deepEqual(visit("Ada").regulars, []);
  advance(10_000);
  assert.deepEqual(visit("Grace").regulars, ["Ada"]);
});

test("a visitor without a name is told so", () => {
  assert.throws(() => visit(" "), { code: "bad-request" });
});
