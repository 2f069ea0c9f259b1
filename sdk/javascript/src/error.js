// Errors: what an agent answers with, and what the host's functions throw.

import * as host from "#host";

/** An error with a stable word for programs, in kebab-case, and a sentence for people. */
export class AgentError extends Error {
  constructor(code, message, { retryAfterMs = null } = {}) {
    super(message);
    this.name = "AgentError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** The request is wrong in itself: status 400. */
  static badRequest(message, options) {
    return new AgentError("bad-request", message, options);
  }

  /** What the request names is not there: status 404. */
  static notFound(message, options) {
    return new AgentError("not-found", message, options);
  }

  /** The request does not fit what is there: status 409. */
  static conflict(message, options) {
    return new AgentError("conflict", message, options);
  }

  /** The request is well formed, and cannot be done: status 422. */
  static unprocessable(message, options) {
    return new AgentError("unprocessable", message, options);
  }

  /** What was thrown as an `AgentError`, or `null` where it is none: each engine throws the host's errors in its own way. */
  static of(thrown) {
    if (thrown instanceof AgentError) return thrown;
    const record = thrown?.payload ?? thrown;
    if (record instanceof Error || typeof record?.code !== "string" || typeof record?.message !== "string") return null;
    const after = record.retryAfterMs;
    return new AgentError(record.code, record.message, { retryAfterMs: after == null ? null : Number(after) });
  }
}

/** Calls a function of the host, and throws its errors as `AgentError`. */
export function asking(call) {
  if (!host.begun()) {
    throw new TypeError("the host's functions are there during a call only: use them within the agent's function");
  }
  try {
    return call();
  } catch (thrown) {
    throw AgentError.of(thrown) ?? thrown;
  }
}
