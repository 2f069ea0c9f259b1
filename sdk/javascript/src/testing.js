// Calls of an agent under Node, without WebAssembly: `node --test` runs what an agent does with storage and cache.
//
// It keeps the rules of `wit/` on names, versions, preconditions, lives, pages and leases. It has no limits and one caller;
// what depends on those is for `insula dev`.

import { control } from "#host";
import { Response } from "./message.js";
import { bytesOf, jsonOf } from "./text.js";

/** Empties storage, cache, configuration and log. */
export const reset = () => control.reset();

/** Lets time pass for lives, in milliseconds. */
export const advance = (ms) => control.advance(ms);

/** Sets the agent's configuration. */
export const configure = (values) => control.configure(values);

/** Calls `act` before each commit from now on: what it writes comes between what an agent read and what it commits. */
export const beforeCommit = (act) => control.beforeCommit(act);

/** Every stored key, as `[bucket, key]`. */
export const keys = () => control.keys();

/** The lines of the log since the last reset, as `{level, message}`. */
export const logged = () => [...control.lines()];

/**
 * Calls an agent: a string, bytes, or any other value, which is sent as JSON. Returns its `Response`, and throws the
 * `AgentError` that a caller would be answered with.
 */
export function call(agent, body = "", { contentType, metadata = {}, idempotencyKey = null } = {}) {
  const raw = typeof body === "string" || ArrayBuffer.isView(body) || body instanceof ArrayBuffer;
  const request = {
    body: bytesOf("the body", raw ? body : jsonOf("the body", body)),
    contentType: contentType ?? (raw ? "application/octet-stream" : "application/json"),
    metadata: Object.entries(metadata),
    idempotencyKey,
  };
  try {
    const { body: answer, contentType: type, metadata: more } = agent.invoke(request);
    return new Response(answer, { contentType: type, metadata: more });
  } finally {
    control.endOfCall();
  }
}
