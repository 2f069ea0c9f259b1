// Answers questions from a small knowledge base that is kept in storage.
//
// This file is the agent: what it takes and answers, and how the index is cached. `base` is what it does with storage, `ask`
// reads requests, `ranking` and `words` touch no host function.

import { AgentError, Response, agent, cache, config, log } from "insula-sdk";

import { readRequest } from "./ask.js";
import * as base from "./base.js";
import { buildIndex, rank } from "./ranking.js";
import { STOP_WORDS, wordsOf } from "./words.js";

const CACHE = "faq-index";
const KEY = "index";
/** How long an index is fresh, in milliseconds: others may write to the bucket too, and are found after so long. */
const FRESH_MS = 30_000;
/** How much longer it is good enough to answer with, while one call makes a new one. */
const STALE_MS = 10 * 60_000;
/** How long a call waits for another one that makes the first index. */
const WAIT_MS = 2_000;

export default agent((request) => {
  const asked = readRequest(request);
  switch (asked.act) {
    case "put":
      return put(asked.entries);
    case "ask":
      return ask(asked, request.contentType.startsWith("text/plain"));
    case "get":
      return found(asked.id, base.read(asked.id));
    case "delete":
      return remove(asked.id);
    case "list":
      return base.list(asked);
    default:
      return { gaps: base.gaps(asked.limit) };
  }
});

function put(entries) {
  const stored = base.write(entries);
  // What was just written is found from the next question on.
  cache.delete(CACHE, KEY);
  log.info(`stored ${stored.length} entries`);
  return { stored };
}

function remove(id) {
  const gone = base.remove(id);
  cache.delete(CACHE, KEY);
  if (!gone) throw AgentError.notFound(`there is no entry ${JSON.stringify(id)}`);
  return { id, deleted: true };
}

function ask({ question, limit }, asText) {
  const stop = stopWords();
  const words = wordsOf(question, stop);
  if (words.length === 0) {
    throw AgentError.unprocessable("the question has no word to look for");
  }
  const { index, state } = cachedIndex(stop);
  const ranked = rank(index, words);
  const best = ranked.map((hit) => ({ ...hit, ...base.read(hit.id) })).filter((hit) => hit.answer !== undefined);
  if (best.length === 0) base.missed(words);
  const response = asText ? inText(best) : Response.json(inJson(question, best, limit));
  return response.withMetadata("cache", state);
}

function inText([best]) {
  if (!best) throw AgentError.notFound("nothing here answers that");
  return Response.text(best.answer);
}

function inJson(question, best, limit) {
  const [first, ...others] = best.slice(0, limit);
  return {
    question,
    answer: first?.answer ?? null,
    source: first ? { id: first.id, question: first.question, score: first.score } : null,
    others: others.map(({ id, question: other, score }) => ({ id, question: other, score })),
  };
}

function found(id, entry) {
  if (!entry) throw AgentError.notFound(`there is no entry ${JSON.stringify(id)}`);
  return { id, ...entry };
}

/**
 * The index, from the cache. `state` says how: `fresh`, `stale` (someone is making a new one), `made` (here and now), or
 * `renewed` (a stale one was there, and it was this call's turn).
 */
function cachedIndex(stop) {
  let lookup;
  try {
    lookup = cache.getOrFill(CACHE, KEY, { waitMs: WAIT_MS });
  } catch (error) {
    // The cache is busy: this question goes without it.
    log.debug(`the cache did not help: ${error.message}`);
    return { index: buildIndex(base.all(), stop), state: "made" };
  }
  if (lookup.kind === "hit") return { index: parse(lookup.value), state: "fresh" };
  if (lookup.kind === "stale" && !lookup.lease) return { index: parse(lookup.value), state: "stale" };
  const life = { ttlMs: freshMs(), staleMs: STALE_MS, thisVersionOnly: true };
  const index = buildIndex(base.all(), stop);
  try {
    lookup.lease.fill(JSON.stringify(index), life);
  } catch (error) {
    log.warn(`the index was not cached: ${error.message}`);
  }
  return { index, state: lookup.kind === "stale" ? "renewed" : "made" };
}

function parse(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function freshMs() {
  const set = config.get("fresh-ms");
  if (set === null) return FRESH_MS;
  const ms = Number(set);
  if (Number.isInteger(ms) && ms > 0) return ms;
  throw new AgentError("bad-configuration", `fresh-ms is ${JSON.stringify(set)}, and must be a whole number of milliseconds`);
}

function stopWords() {
  const set = config.get("stop-words");
  return set === null ? STOP_WORDS : new Set(set.toLowerCase().split(/\s+/));
}
