import { seed } from "../src/host/random.js";

/** So many random numbers after a seed. */
export function random(text, count) {
  const native = Math.random;
  try {
    seed(text);
    return Array.from({ length: count }, () => Math.random());
  } finally {
    Math.random = native;
  }
}
