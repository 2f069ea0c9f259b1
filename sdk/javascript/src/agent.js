// The way into an agent: from the request of `wit/handler.wit` to the author's function, and back.

import * as host from "#host";
import { AgentError } from "./error.js";
import * as log from "./log.js";
import { Request, Response } from "./message.js";

/**
 * Makes a function an agent. Its answer is a string, bytes, a `Response`, or any other value, which is sent as JSON.
 *
 * An `AgentError` reaches the caller with its code. Any other error is a mistake of the agent: its stack is logged, and the
 * call ends as a trap does.
 */
export function agent(handle) {
  if (typeof handle !== "function") {
    throw new TypeError("agent takes a function: agent((request) => ...)");
  }
  return Object.freeze({
    /** The export of the component; a test calls it through `insula-sdk/testing`. */
    invoke(wire) {
      host.begin(wire);
      try {
        return host.answer(Response.of(handle(new Request(wire))));
      } catch (thrown) {
        const error = AgentError.of(thrown);
        if (error) throw host.refusal(error);
        log.error(report(thrown));
        throw thrown;
      }
    },
  });
}

/** What was thrown, with its stack where it has one. */
function report(thrown) {
  if (!(thrown instanceof Error)) return `thrown: ${String(thrown)}`;
  const stack = String(thrown.stack ?? "");
  const title = `${thrown.name}: ${thrown.message}`;
  const where = stack.startsWith(title) ? stack.slice(title.length) : `\n${stack}`;
  return `${title}${trace(where)}`.trimEnd();
}

/** The frames in the author's own files, where the build left a map to them. */
function trace(stack) {
  const original = globalThis.__insula_original;
  return typeof original === "function" ? original(stack) : stack;
}
