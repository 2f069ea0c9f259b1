/** Calls of an agent under Node, without WebAssembly, with storage and cache in memory. */

import type { Agent, Bytes, Response } from "insula-sdk";

/** Empties storage, cache, configuration and log. */
export function reset(): void;
/** Lets time pass for lives, in milliseconds. */
export function advance(ms: number): void;
/** Sets the agent's configuration. */
export function configure(values: Record<string, string>): void;
/** Calls `act` before each commit from now on; its own writes do not call it again. */
export function beforeCommit(act: () => void): void;
/** Every stored key. */
export function keys(): [bucket: string, key: string][];
/** The lines of the log since the last reset. */
export function logged(): { level: string; message: string }[];
/** Calls an agent; a body that is neither text nor bytes is sent as JSON. Throws the `AgentError` that a caller would be answered with. */
export function call(
  agent: Agent,
  body?: Bytes | unknown,
  options?: { contentType?: string; metadata?: Record<string, string>; idempotencyKey?: string | null },
): Response;
