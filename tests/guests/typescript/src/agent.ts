// Calls every function of the SDK and says what came back; tests/guests/python says the same. `npx tsc` checks its types.

import { AgentError, agent, cache, config, log, storage, usage } from "insula-sdk";
import type { Answer, Request } from "insula-sdk";

declare const TextDecoder: { new (): { decode(bytes: Uint8Array): string } };
declare const console: { log(...values: unknown[]): void; error(...values: unknown[]): void };

const text = (bytes: Uint8Array | null) => (bytes ? new TextDecoder().decode(bytes) : null);
const life: cache.Life = { ttlMs: 60_000 };

const ACTS: Record<string, (request: Request) => Answer> = {
  storage() {
    const first = storage.put("s", "a", "tea ☕");
    const second = storage.putJson("s", "b", { n: 1 }, { ttlMs: 60_000 });
    const entry = storage.get("s", "b");
    const refused = [
      code(() => storage.get("No Bucket", "a")),
      code(() => storage.put("s", "a", "", { ttlMs: 0 })),
      code(() => storage.increment("s", "a")),
      code(() => new storage.Commit().absent("s", "a").put("s", "c", "no").run()),
      code(() => new storage.Commit().put("s", "c", "1").delete("s", "c").run()),
    ];
    storage.increment("n", "up");
    const committed = new storage.Commit()
      .unchanged("s", "b", entry)
      .unchanged("s", "nothing", null)
      .present("s", "a")
      .put("s", "c", new Uint8Array([99]))
      .increment("n", "up", -3)
      .increment("n", "window", 1, { ttlMs: 60_000 })
      .expire("s", "b", null)
      .run();
    const updated = storage.update(() => {
      const read = storage.get("s", "u");
      const next = (read?.json<number>() ?? 0) + 1;
      return { commit: new storage.Commit().unchanged("s", "u", read).putJson("s", "u", next), answer: next };
    });
    const page = storage.list("s", { limit: 2, values: false });
    const seen = {
      grows: second > first && first > 0 && Number.isSafeInteger(entry!.version),
      text: storage.get("s", "a")!.text(),
      json: storage.getJson("s", "b"),
      life: entry!.ttlMs! > 0 && entry!.ttlMs! <= 60_000,
      lifeless: storage.get("s", "b")!.ttlMs,
      many: storage.getMany([["s", "c"], ["s", "nothing"]]).map((found) => found?.text() ?? null),
      refused,
      numbers: [storage.get("n", "up")!.number(), storage.increment("n", "up", 5), storage.increment("n", "window")],
      committed: committed.length,
      updated,
      page: [page.entries.map((found) => found.key), page.next],
      reversed: Array.from(storage.scan("s", { reverse: true, limit: 1 }), (found) => found.key),
      range: Array.from(storage.scan("s", { start: "b", end: "u" }), (found) => found.key),
      buckets: storage.buckets({ limit: 10 }).filter((name) => name.length === 1),
    };
    storage.delete("s", "a");
    return { ...seen, deleted: storage.get("s", "a") };
  },

  cache() {
    const fill = cache.getOrFill("c", "k");
    if (fill.kind !== "fill") return { wrong: fill.kind };
    const held = code(() => cache.getOrFill("c", "k", { waitMs: 10 }));
    const kept = fill.lease.fill("value", life);
    const hit = cache.getOrFill("c", "k");
    cache.put("c", "old", "old", { ttlMs: 1, staleMs: 60_000 });
    const after = Date.now() + 5;
    while (Date.now() < after);
    const fresh = cache.get("c", "old");
    const stale = cache.getOrFill("c", "old");
    const renewed = stale.kind === "stale" && stale.lease !== null && stale.lease.fill("new", { ...life, thisVersionOnly: true });
    const late = cache.getOrFill("c", "late");
    cache.delete("c", "late");
    const released = cache.getOrFill("c", "released");
    if (released.kind === "fill") released.lease.release();
    const seen = {
      held,
      kept,
      hit: hit.kind === "hit" && text(hit.value),
      fresh: text(fresh),
      stale: stale.kind === "stale" && text(stale.value),
      renewed: [renewed, text(cache.get("c", "old"))],
      late: late.kind === "fill" && late.lease.fill("late", life),
      released: cache.getOrFill("c", "released").kind,
      made: [text(cache.getOrMake("c", "m", life, () => "made")), cache.getOrMakeJson("c", "j", life, () => [1]), cache.getOrMakeJson("c", "j", life, () => [2])],
      refused: [code(() => cache.get("No Namespace", "k")), code(() => cache.put("c", "k", "v", { ttlMs: 0 }))],
      stats: cache.stats().hits > 0 && cache.stats().limitBytes > 0,
    };
    cache.clear("c");
    return { ...seen, cleared: cache.get("c", "k") };
  },

  rest(request) {
    log.info("two\nlines", { a: 1 });
    log.debug("debug"), log.trace("trace"), log.warn("warn"), log.error("error");
    console.log("from the console");
    const report = usage.report();
    return {
      config: [config.all(), config.get("colour"), config.get("nothing")],
      meta: [request.meta("who"), request.meta("nobody"), request.idempotencyKey],
      usage: report.some(({ name, used, limit }) => name === "fuel" && used > 0 && used < limit),
      remaining: usage.remaining("fuel") > 0 && usage.remaining("nothing") === 0,
    };
  },

  echo: (request) => request.body,
  luck: () => [Math.random(), Math.random()],
  time: () => Date.now(),
  refuse() {
    throw AgentError.unprocessable("not today", { retryAfterMs: 5_000 });
  },
  mistake: () => stumble(undefined as unknown as { deep: string }),
  world: () => ({ fetch: reach(), process: typeof (globalThis as any).process }),
};

export default agent((request) => {
  const act = ACTS[request.json<{ act: string }>().act];
  if (!act) throw AgentError.badRequest(`act must be one of ${Object.keys(ACTS).join(", ")}`);
  return act(request);
});

function code(call: () => unknown): string {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof AgentError ? error.code : String(error);
  }
}

/** What becomes of a request to the world outside. */
function reach(): string {
  const fetch = (globalThis as any).fetch;
  if (!fetch) return "undefined";
  try {
    fetch("http://127.0.0.1:7400/");
    return "reached";
  } catch (error) {
    return (error as Error).name;
  }
}

function stumble(nothing: { deep: string }): string {
  return nothing.deep;
}
