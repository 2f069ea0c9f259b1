import { random as draw, seed } from "../src/host/random.js";

/** So many random numbers after a seed. */
export function random(text, count) {
  seed(text);
  return Array.from({ length: count }, draw);
}
