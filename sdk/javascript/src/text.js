// UTF-8, also where the engine has no TextEncoder: QuickJS has none.

import { isBytes, kind } from "./check.js";

const CHUNK = 8_192;

/** The bytes of a text. A lone surrogate becomes U+FFFD, as with TextEncoder. */
export function encode(text) {
  if (globalThis.TextEncoder && globalThis.TextEncoder.native !== false) return new TextEncoder().encode(text);
  // Every character of this is one byte of the UTF-8: the engine's own functions do the work.
  const bytes = unescape(encodeURIComponent(text.toWellFormed()));
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += 1) out[at] = bytes.charCodeAt(at);
  return out;
}

/** The text of bytes, or `null` where they are not UTF-8. */
export function decode(bytes) {
  let latin = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    latin += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  }
  if (!/[\x80-\xff]/.test(latin)) return latin;
  try {
    return decodeURIComponent(escape(latin));
  } catch {
    return null;
  }
}

/** Where bytes stop being UTF-8: the place of the first character that is none. */
export function validUpTo(bytes) {
  let at = 0;
  while (at < bytes.length) {
    const size = sizeOf(bytes[at]);
    if (size > 1 && (at + size > bytes.length || decode(bytes.subarray(at, at + size)) === null)) break;
    at += size;
  }
  return Math.min(at, bytes.length);
}

/** How many bytes a character has that begins with this one. */
export function sizeOf(lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** The bytes of what an author gives: bytes as they are, a text as UTF-8. */
export function bytesOf(name, value) {
  if (isBytes(value)) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (typeof value === "string") return encode(value);
  throw new TypeError(`${name} must be a string or a Uint8Array, and is ${kind(value)}; for other values see the JSON forms`);
}

/** The JSON of a value, as text. */
export function jsonOf(name, value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${name} has no JSON form: it is ${kind(value)}`);
  return text;
}
