// What names and lives must be: the rules of `wit/storage.wit` and `wit/cache.wit`.

import { encode } from "../../text.js";

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const KEY_LIMIT = 512;

/** An error as the host throws it. */
export function refuse(code, message) {
  return { code, message, retryAfterMs: null };
}

export function checkName(kind, name) {
  if (!NAME.test(name)) throw refuse(`invalid-${kind}`, `invalid ${kind} name: ${JSON.stringify(name)}`);
}

export function checkKey(key) {
  const bytes = encode(key).length;
  if (bytes < 1 || bytes > KEY_LIMIT) throw refuse("invalid-key", `a key of ${bytes} bytes: use 1 to ${KEY_LIMIT}`);
}

export function checkTtl(ms, least, most) {
  if (ms < least || ms > most) throw refuse("invalid-ttl", `invalid time to live of ${ms} ms: use ${least} to ${most}`);
}

/** The byte order of UTF-8, which is that of code points. */
export function compare(one, other) {
  const [left, right] = [encode(one), encode(other)];
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at += 1) {
    if (left[at] !== right[at]) return left[at] - right[at];
  }
  return left.length - right.length;
}
