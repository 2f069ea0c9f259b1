import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { storage } from "insula-sdk";
import { advance, call, configure, keys, reset } from "insula-sdk/testing";

import faq from "../src/agent.js";

const folder = new URL("../requests/", import.meta.url);
const request = (name) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
const ask = (question, limit) => call(faq, { ask: { question, limit } });
const answerOf = (question) => ask(question).json().source?.id ?? null;
const cacheOf = (response) => Object.fromEntries(response.metadata).cache;

beforeEach(() => {
  reset();
  call(faq, request("1-put.json"));
});

test("a question finds the entry that answers it, in other words too", () => {
  for (const [question, id] of [
    ["How do I get a refund?", "refunds"],
    ["i want my money back!", "refunds"],
    ["How can I sign in again, I forgot the passwords", "password"],
    ["Where can I download a backup of everything?", "export"],
    ["EXPORTING data", "export"],
    ["how long will it take to ship", "shipping"],
    ["cancelling a plan", "cancel"],
    ["Do you sell bicycles?", null],
    ["Do you sell bicycles, and can I export them?", null],
  ]) {
    assert.equal(answerOf(question), id, question);
  }
});

test("an answer has its source and others that are near", () => {
  const { answer, source, others } = ask("money for my invoice or my plan", 2).json();
  assert.match(answer, /billing/);
  assert.equal(source.id, "refunds");
  assert.ok(source.score > 0 && others.length <= 1);
});

test("plain text is asked and answered in plain text", () => {
  const text = { contentType: "text/plain; charset=utf-8" };
  assert.match(call(faq, "how do I cancel?", text).text(), /^Settings, Plan, Cancel/);
  assert.throws(() => call(faq, "bicycles", text), { code: "not-found" });
});

test("questions without an answer are counted until someone writes one", () => {
  for (const question of ["Do you sell bicycles?", "bicycles for sale, selling them", "sell bicycles"]) ask(question);
  assert.deepEqual(call(faq, { gaps: {} }).json().gaps[0], { words: "bicycl sell", times: 2 });
  call(faq, { put: { question: "Do you sell bicycles?", answer: "No." } });
  assert.equal(answerOf("sell bicycles"), "do-you-sell-bicycles");
});

test("the index is fresh, then stale, and forgotten when an entry changes", () => {
  assert.equal(cacheOf(ask("refund")), "made");
  assert.equal(cacheOf(ask("refund")), "fresh");
  advance(30_000);
  assert.equal(cacheOf(ask("refund")), "renewed");
  assert.equal(cacheOf(ask("refund")), "fresh");
  call(faq, { delete: { id: "refunds" } });
  assert.equal(answerOf("refund"), null);
  configure({ "fresh-ms": "5" });
  call(faq, request("1-put.json"));
  assert.equal(cacheOf(ask("refund")), "made");
  advance(5);
  assert.equal(cacheOf(ask("refund")), "renewed");
  configure({ "fresh-ms": "soon" });
  advance(5);
  assert.throws(() => ask("refund"), { code: "bad-configuration" });
});

test("an entry that others deleted answers nothing, though the index has it still", () => {
  ask("refund");
  storage.delete("faq-entries", "refunds");
  assert.equal(answerOf("refund"), null);
});

test("entries are replaced, read, listed and deleted", () => {
  const put = call(faq, { put: { id: "export", question: "Export?", answer: "Not any more." } }).json();
  assert.deepEqual(put, { stored: [{ id: "export", replaced: true }] });
  assert.equal(call(faq, { get: { id: "export" } }).json().answer, "Not any more.");
  const page = call(faq, { list: { limit: 2 } }).json();
  assert.deepEqual([page.entries.map(({ id }) => id), page.next], [["cancel", "export"], "export"]);
  const rest = call(faq, { list: { after: page.next } }).json();
  assert.deepEqual([rest.entries.length, rest.next], [3, null]);
  for (const [, id] of keys().filter(([bucket]) => bucket === "faq-entries")) call(faq, { delete: { id } });
  assert.deepEqual(keys(), []);
  assert.throws(() => call(faq, { delete: { id: "export" } }), { code: "not-found" });
});

test("what is wrong with a request is said by name", () => {
  for (const [body, code, named] of [
    ["{", "bad-request", "JSON"],
    [[], "bad-request", "send one of"],
    [{ asks: {} }, "bad-request", "send one of"],
    [{ ask: { question: " " } }, "bad-request", "ask.question"],
    [{ ask: { question: "x", limits: 1 } }, "bad-request", "limits"],
    [{ ask: { question: "x", limit: 21 } }, "bad-request", "ask.limit"],
    [{ ask: { question: "how is it?" } }, "unprocessable", "no word"],
    [{ put: [] }, "bad-request", "1 to 100"],
    [{ put: [{ question: "a", answer: "b" }, { question: "a", answer: 7 }] }, "bad-request", "put[1].answer"],
    [{ put: [{ question: "a", answer: "b" }, { question: "A!", answer: "b" }] }, "bad-request", "two entries"],
    [{ put: { question: "a".repeat(501), answer: "b" } }, "bad-request", "501 characters"],
    [{ put: { id: "Not An Id", question: "a", answer: "b" } }, "bad-request", "put.id"],
    [{ put: { question: "a", answer: "b", tags: "c" } }, "bad-request", "put.tags"],
    [{ get: { id: "nobody" } }, "not-found", "nobody"],
  ]) {
    assert.throws(() => call(faq, body), (error) => error.code === code && error.message.includes(named), JSON.stringify(body));
  }
});

test("the requests of the README work in their order", () => {
  reset();
  const answers = readdirSync(folder).sort().map((name) => call(faq, request(name)).json());
  assert.equal(answers[1].source.id, "export");
  assert.equal(answers[2].source.id, "refunds");
  assert.equal(answers[3].answer, null);
  assert.equal(answers[4].gaps.length, 1);
});
