// Ranking by BM25 (Robertson and Zaragoza, 2009), where words of the question and the tags weigh more than the answer's.

import { wordsOf } from "./words.js";

const K1 = 1.2;
const B = 0.75;
const QUESTION_WEIGHT = 3;
const TAG_WEIGHT = 2;
/** The share of a question's words that an entry must have: with less it is about something else. */
const COVERAGE = 0.5;

/** An index of entries `{id, question, answer, tags}`: plain data, for the cache. */
export function buildIndex(entries, stop) {
  const postings = {};
  const documents = entries.map(({ id, question, answer, tags = [] }, at) => {
    const counts = new Map();
    let length = 0;
    const count = (text, weight) => {
      for (const word of wordsOf(text, stop)) {
        counts.set(word, (counts.get(word) ?? 0) + weight);
        length += weight;
      }
    };
    count(question, QUESTION_WEIGHT);
    count(tags.join(" "), TAG_WEIGHT);
    count(answer, 1);
    for (const [word, times] of counts) (postings[`=${word}`] ??= []).push([at, times]);
    return [id, length];
  });
  const average = documents.reduce((sum, [, length]) => sum + length, 0) / Math.max(1, documents.length);
  return { documents, average, postings };
}

/** The entries that answer a question of these words, the best first, as `{id, score}`. */
export function rank({ documents, average, postings }, words) {
  const scores = new Map();
  const asked = new Set(words);
  for (const word of asked) {
    const list = postings[`=${word}`] ?? [];
    const weight = Math.log(1 + (documents.length - list.length + 0.5) / (list.length + 0.5));
    for (const [at, times] of list) {
      const length = 1 - B + (B * documents[at][1]) / average;
      const found = scores.get(at) ?? { score: 0, covered: 0 };
      found.score += (weight * times * (K1 + 1)) / (times + K1 * length);
      found.covered += 1;
      scores.set(at, found);
    }
  }
  return [...scores]
    .filter(([, { covered }]) => covered >= COVERAGE * asked.size)
    .map(([at, { score }]) => ({ id: documents[at][0], score: Math.round(score * 100) / 100 }))
    .sort((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1));
}
