// The agent's configuration, as it stood when the call began.

import * as host from "#host";
import { string } from "./check.js";
import { asking } from "./error.js";

/** One value; `null` where it is not set. */
export function get(name) {
  return asking(() => host.config.get(string("name", name))) ?? null;
}

/** All of it, by name. */
export function all() {
  return Object.fromEntries(asking(() => host.config.all()));
}
