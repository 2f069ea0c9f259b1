// What a question is about: its words without case, accents, endings, and those that every question has.

/** Words that no question is about. */
export const STOP_WORDS = new Set(
  ("a an and are as at be been but by can could did do does for from get had has have how i if in into is it its me my not " +
    "of on or our please shall should so some than that the their them then there these they this to us was we were what when " +
    "where which who why will with would you your").split(" "),
);

/** What is between words: spaces and punctuation. `\p{L}` would say it shorter, and SpiderMonkey has no such classes. */
const BETWEEN = /[\s!-/:-@[-`{-~\u00a0-\u00bf\u2000-\u206f\u3000-\u303f]+/;

/** The words of a text that count, in order. */
export function wordsOf(text, stop = STOP_WORDS) {
  const all = plain(text).replace(/['\u2019]/g, "").split(BETWEEN).filter(Boolean);
  return all.filter((word) => !stop.has(word)).map(stem);
}

/** A text without case, and without accents where the engine can take letters apart. */
export function plain(text) {
  return (text.normalize?.("NFKD") ?? text).toLowerCase().replace(/[\u0300-\u036f]/g, "");
}

/** A word without the endings of English that change nothing of what it is about. */
export function stem(word) {
  if (word.length <= 3 || /\d/.test(word)) return word;
  const bare = word.replace(/(?:sses)$/, "ss").replace(/ies$/, "y").replace(/([^su])s$/, "$1");
  for (const ending of ["ing", "ed"]) {
    const rest = bare.slice(0, -ending.length);
    if (bare.endsWith(ending) && rest.length >= 3 && /[aeiouy]/.test(rest)) return undouble(rest);
  }
  return bare.endsWith("e") && bare.length > 4 ? bare.slice(0, -1) : bare;
}

/** `shipp` is of `ship`, and `cancell` of `cancel`; `bill` and `press` stay what they are. */
function undouble(rest) {
  const last = rest.at(-1);
  const stays = "sz".includes(last) || (last === "l" && rest.length < 6);
  return last === rest.at(-2) && !stays ? rest.slice(0, -1) : rest;
}
