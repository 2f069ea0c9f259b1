// What this call has used of its budget, and what is left.

import * as host from "#host";
import { string } from "./check.js";
import { asking } from "./error.js";

/** Every resource that this call is charged for. */
export function report() {
  return asking(() => host.usage.report());
}

/** What is left of one resource; 0 for a name that is not one. */
export function remaining(name) {
  return asking(() => host.usage.remaining(string("name", name)));
}
