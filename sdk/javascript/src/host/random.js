// Math.random for an engine whose own seed is the same in every call: sfc32, seeded by the call's identifier.
//
// It is for shuffles and samples, never for secrets, as everywhere.

let state = null;
let begin = () => "";

/** Puts it in place, once, while the component is built: changing an object of the engine costs more than a call should. */
export function install() {
  Math.random = random;
}

/** Says what to begin from when the first number is asked for: most calls ask for none. */
export function seedLater(text) {
  state = null;
  begin = text;
}

/** Begins anew from a text. */
export function seed(text) {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x85ebca6b) ^ (b >>> 13);
    b = Math.imul(b ^ unit, 0xc2b2ae35) ^ (c >>> 16);
    c = Math.imul(c ^ unit, 0x27d4eb2f) ^ (d >>> 15);
    d = Math.imul(d ^ unit, 0x165667b1) ^ (a >>> 14);
  }
  state = [a | 0, b | 0, c | 0, d | 0];
  for (let round = 0; round < 15; round += 1) next();
}

export function random() {
  if (!state) seed(begin());
  return ((next() >>> 5) * 67_108_864 + (next() >>> 6)) / 9_007_199_254_740_992;
}

function next() {
  const [a, b, c, d] = state;
  const sum = (((a + b) | 0) + d) | 0;
  state = [b ^ (b >>> 9), (c + (c << 3)) | 0, ((c << 21) | (c >>> 11)) + sum, (d + 1) | 0].map((word) => word | 0);
  return sum;
}
