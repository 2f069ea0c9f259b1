// Arguments of the wrong type are an author's mistakes: said here, by name, since an engine would only stop.

export function string(name, value) {
  if (typeof value === "string") return value;
  throw new TypeError(`${name} must be a string, and is ${kind(value)}`);
}

/** A whole number that JavaScript holds exactly. */
export function integer(name, value) {
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError(`${name} must be a whole number within 2^53, and is ${kind(value)}`);
}

/** The same, from 0 on. */
export function amount(name, value) {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${name} must be a whole number from 0 on, and is ${kind(value)}`);
}

/** Whether a value is bytes. SpiderMonkey's bindings make them with a `Uint8Array` of their own, so `instanceof` would not do. */
export function isBytes(value) {
  return ArrayBuffer.isView(value) && value.BYTES_PER_ELEMENT === 1;
}

export function optional(check, name, value) {
  return value == null ? null : check(name, value);
}

export function kind(value) {
  if (value === null || value === undefined) return String(value);
  return typeof value === "number" || typeof value === "bigint" ? String(value) : `a ${typeof value}`;
}
