// The host's functions under QuickJS (componentize-qjs): 64-bit numbers are numbers, `none` is null, errors are records.
//
// QuickJS has no console and no TextEncoder, and its Math.random goes on from the one seed that the build froze into the
// component: all three are put right here.

import * as cache from "insula:agent/cache@0.1.0";
import * as config from "insula:agent/config@0.1.0";
import * as log from "insula:agent/log@0.1.0";
import * as storage from "insula:agent/storage@0.1.0";
import * as usage from "insula:agent/usage@0.1.0";
import { install } from "./globals.js";
import * as luck from "./random.js";

export { cache, config, log, storage, usage };

install();
luck.install();

let called = false;

/** Whether a call has begun: while the component is built, nobody is there to answer. */
export const begun = () => called;

/** Every call is a fresh instance: what must not be the same in each is made here. */
export function begin(request) {
  called = true;
  luck.seedLater(() => `${request.metadata.find(([name]) => name === "insula-invocation")?.[1]} ${Date.now()}`);
}

export function answer({ body, contentType, metadata }) {
  return { body, contentType, metadata };
}

export function refusal({ code, message, retryAfterMs }) {
  return { code, message, retryAfterMs };
}

export function drop(handle) {
  handle[Symbol.dispose]?.();
}
