// Greets visitors, counts their visits, and knows the regulars.
//
// Every call runs in a fresh instance: what should outlive it goes to storage (durable, on disk) or to the cache (fast,
// and may forget anything at any time).

import { AgentError, agent, cache, config, log, storage, usage } from "insula-sdk";

/** What a caller sends. */
interface Visit {
  name?: string;
}

/** What is known of a visitor. */
interface Visitor {
  visits: number;
}

/** Durable: every visitor by name. */
const VISITORS = "visitors";
/** So many visits make a regular. */
const OFTEN = 3;
/** In memory: fresh for ten seconds, and for a minute more good enough to answer with while one call makes a new one. */
const LIFE = { ttlMs: 10_000, staleMs: 60_000, thisVersionOnly: true };

export default agent((request) => {
  const name = request.json<Visit>().name?.trim() ?? "";
  if (name === "") {
    throw AgentError.badRequest('`name` is empty: send {"name": "Ada"}');
  }
  const visits = countVisit(name);
  const regulars = cache.getOrMakeJson("regulars", "all", LIFE, findRegulars);
  const greeting = config.get("greeting") ?? "Hello";
  log.info(`visit ${visits} of ${name}, ${usage.remaining("fuel")} fuel left`);
  return { greeting: `${greeting}, ${name}!`, visits, regulars };
});

/** Reads, changes and writes as one, whoever else visits at the same time. */
function countVisit(name: string): number {
  return storage.update(() => {
    const known = storage.get(VISITORS, name);
    const visits = (known?.json<Visitor>().visits ?? 0) + 1;
    const commit = new storage.Commit().unchanged(VISITORS, name, known).putJson(VISITORS, name, { visits } satisfies Visitor);
    return { commit, answer: visits };
  });
}

/** Looks at every visitor, which is why the answer is cached. */
function findRegulars(): string[] {
  const regulars: string[] = [];
  for (const visitor of storage.scan(VISITORS)) {
    if (visitor.json<Visitor>().visits >= OFTEN) regulars.push(visitor.key);
  }
  return regulars;
}
