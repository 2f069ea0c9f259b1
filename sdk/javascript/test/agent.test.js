import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { AgentError, Response, agent, config, log, storage } from "insula-sdk";
import * as testing from "insula-sdk/testing";

beforeEach(testing.reset);

const greeter = agent((request) => {
  const name = request.text().trim();
  const times = storage.increment("greetings", name);
  log.info(`greeting ${name}, time ${times}`);
  return `Hello ${name}, for the ${times}. time.`;
});

test("the agent of the README greets and counts", () => {
  testing.call(greeter, "Ada");
  const response = testing.call(greeter, "Ada");
  assert.equal(response.text(), "Hello Ada, for the 2. time.");
  assert.equal(response.contentType, "text/plain; charset=utf-8");
  assert.deepEqual(testing.logged().at(-1), { level: "info", message: "greeting Ada, time 2" });
});

test("what an agent returns decides the content type", () => {
  const answers = [
    ["text", "text/plain; charset=utf-8", "text"],
    [{ a: [1, null] }, "application/json", '{"a":[1,null]}'],
    [null, "application/json", "null"],
    [new Uint8Array([104, 105]), "application/octet-stream", "hi"],
    [Response.bytes("text/csv", "a,b\n"), "text/csv", "a,b\n"],
  ];
  for (const [answer, type, body] of answers) {
    const response = testing.call(agent(() => answer));
    assert.deepEqual([response.contentType, response.text()], [type, body]);
  }
  const marked = testing.call(agent(() => Response.json(1).withMetadata("cache", "hit")));
  assert.deepEqual(marked.metadata, [["cache", "hit"]]);
});

test("errors of an agent and of its request reach the caller with their code", () => {
  const cases = [
    [(request) => request.json(), "{", "bad-request"],
    [(request) => request.text(), new Uint8Array([97, 0xc3, 0xa9, 0xff]), "bad-request"],
    [() => { throw AgentError.notFound("nobody"); }, "", "not-found"],
    [() => { throw AgentError.unprocessable("no", { retryAfterMs: 5 }); }, "", "unprocessable"],
    [() => storage.get("Not A Bucket", "k"), "", "invalid-bucket"],
  ];
  for (const [handle, body, code] of cases) {
    assert.throws(() => testing.call(agent(handle), body), (error) => error instanceof AgentError && error.code === code);
  }
  const wrong = new Uint8Array([97, 0xc3, 0xa9, 0xff]);
  assert.throws(() => testing.call(agent((request) => request.text()), wrong), /not UTF-8 at byte 3$/);
});

test("a mistake of the agent is logged with its stack and goes on", () => {
  const broken = agent(() => undefined.missing);
  assert.throws(() => testing.call(broken), TypeError);
  const lines = testing.logged();
  assert.ok(lines.every((line) => line.level === "error"));
  assert.match(lines[0].message, /^TypeError: .*missing/);
  assert.match(lines[1].message, /agent\.test\.js/);
});

test("an answer that cannot be sent says why", () => {
  assert.throws(() => testing.call(agent(async () => "late")), /promise.*async/);
  assert.throws(() => testing.call(agent(() => undefined)), /nothing/);
  assert.throws(() => agent("no function"), /takes a function/);
});

test("requests carry metadata, configuration and a key", () => {
  testing.configure({ tone: "formal" });
  const response = testing.call(
    agent((request) => [request.meta("who"), request.meta("nobody"), request.idempotencyKey, config.all(), config.get("x")]),
    { a: 1 },
    { metadata: { who: "marta" }, idempotencyKey: "k-1" },
  );
  assert.deepEqual(response.json(), ["marta", null, "k-1", { tone: "formal" }, null]);
});
