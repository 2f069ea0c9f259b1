// The tenant's log. Lines take what `console.log` takes: texts as they are, other values as JSON.

import * as host from "#host";
import { asking } from "./error.js";

export const trace = (...values) => write("trace", ...values);
export const debug = (...values) => write("debug", ...values);
export const info = (...values) => write("info", ...values);
export const warn = (...values) => write("warn", ...values);
export const error = (...values) => write("error", ...values);

/** Writes at a level: a line for each line of the text. */
export function write(level, ...values) {
  const text = values.map(show).join(" ").toWellFormed();
  for (const line of text.split(/\r?\n/)) asking(() => host.log.write(level, line));
}

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack?.includes(value.message) ? value.stack : `${value}\n${value.stack ?? ""}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
