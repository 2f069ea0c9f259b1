// The knowledge base in storage: one key an entry, and a counter for each question that nothing answered.

import { storage } from "insula-sdk";

const ENTRIES = "faq-entries";
const GAPS = "faq-gaps";
/** How long an unanswered question is remembered after it first came up. */
const GAP_TTL_MS = 30 * 24 * 60 * 60_000;

/** Writes entries, all or none. Returns their ids, and which of them replaced others. */
export function write(entries) {
  const before = storage.getMany(entries.map(({ id }) => [ENTRIES, id]));
  const commit = new storage.Commit();
  for (const { id, ...entry } of entries) commit.putJson(ENTRIES, id, entry);
  commit.run();
  return entries.map(({ id }, at) => ({ id, replaced: before[at] !== null }));
}

/** One entry, or `null`. */
export function read(id) {
  return storage.getJson(ENTRIES, id);
}

/** Deletes an entry. False where there was none. */
export function remove(id) {
  return storage.update(() => {
    const entry = storage.get(ENTRIES, id);
    if (!entry) return { answer: false };
    return { commit: new storage.Commit().unchanged(ENTRIES, id, entry).delete(ENTRIES, id), answer: true };
  });
}

/** A page of questions, in the order of ids. */
export function list({ after, limit }) {
  const page = storage.list(ENTRIES, { after, limit });
  return { entries: page.entries.map((entry) => ({ id: entry.key, question: entry.json().question })), next: page.next };
}

/** Every entry, with its id. */
export function all() {
  return Array.from(storage.scan(ENTRIES), (entry) => ({ id: entry.key, ...entry.json() }));
}

/** Counts a question that nothing answered, by its words. */
export function missed(words) {
  const key = [...new Set(words)].sort().join(" ").slice(0, 100);
  storage.increment(GAPS, key, 1, { ttlMs: GAP_TTL_MS });
}

/** The words of unanswered questions, the most frequent first. */
export function gaps(limit) {
  const counted = Array.from(storage.scan(GAPS), (entry) => ({ words: entry.key, times: entry.number() }));
  return counted.sort((one, other) => other.times - one.times || (one.words < other.words ? -1 : 1)).slice(0, limit);
}
