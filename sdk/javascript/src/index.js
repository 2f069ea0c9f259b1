// What an agent author imports: the capabilities of `wit/`, one module each, and `agent`, which makes a function an agent.
//
// It owns no behaviour: limits, isolation and errors are the host's. In a component the functions are the host's; under
// Node, where an agent is tested, they are those of `insula-sdk/testing`: in memory.

export { agent } from "./agent.js";
export { AgentError } from "./error.js";
export { Request, Response } from "./message.js";
export * as cache from "./cache.js";
export * as config from "./config.js";
export * as log from "./log.js";
export * as storage from "./storage.js";
export * as usage from "./usage.js";
