"""The SDK against storage and cache in memory: ``python -m unittest discover -s tests`` in this folder."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from insula_sdk import AgentError, Request, Response, agent, cache, config, log, storage, usage
from insula_sdk import testing
from insula_sdk.agent import export
from insula_sdk.cache import Fill, Life


@agent
def greet(request: Request) -> str:
    name = request.text().strip()
    times = storage.increment("greetings", name)
    log.info(f"greeting {name}, time {times}")
    return f"Hello {name}, for the {times}. time."


class Case(unittest.TestCase):
    def setUp(self) -> None:
        testing.reset()

    def refused(self, code, call, *arguments, **named):
        with self.assertRaises(AgentError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.code, code)
        return caught.exception


class Agents(Case):
    def test_the_agent_of_the_readme_greets_and_counts(self):
        testing.call(greet, "Ada")
        response = testing.call(greet, "Ada")
        self.assertEqual((response.text(), response.content_type), ("Hello Ada, for the 2. time.", "text/plain; charset=utf-8"))
        self.assertEqual(testing.logged()[-1], ("info", "greeting Ada, time 2"))

    def test_what_an_agent_returns_decides_the_content_type(self):
        for answer, kind, body in [
            ("text", "text/plain; charset=utf-8", b"text"),
            ({"a": [1, None, "ä"]}, "application/json", '{"a":[1,null,"ä"]}'.encode()),
            (b"hi", "application/octet-stream", b"hi"),
            (Response("a,b\n", "text/csv"), "text/csv", b"a,b\n"),
        ]:
            response = testing.call(agent(lambda _: answer))
            self.assertEqual((response.content_type, response.body), (kind, body))
        marked = testing.call(agent(lambda _: Response.json(1).with_metadata("cache", "hit")))
        self.assertEqual((marked.metadata, marked.parsed()), ([("cache", "hit")], 1))

    def test_errors_reach_the_caller_with_their_code(self):
        self.refused("bad-request", testing.call, agent(lambda request: request.json()), "{")
        error = self.refused("bad-request", testing.call, agent(lambda request: request.text()), b"a\xc3\xa9\xff")
        self.assertTrue(error.message.endswith("at byte 3"))
        self.refused("invalid-bucket", testing.call, agent(lambda _: storage.get("Not A Bucket", "k")))

        @agent
        def refusing(_):
            raise AgentError.unprocessable("no", retry_after_ms=5)

        self.assertEqual(self.refused("unprocessable", testing.call, refusing).retry_after_ms, 5)

    def test_an_answer_that_cannot_be_sent_says_why(self):
        with self.assertRaisesRegex(TypeError, "None"):
            testing.call(agent(lambda _: None))

        @agent
        async def late(_):
            return "late"

        with self.assertRaisesRegex(TypeError, "coroutine"):
            testing.call(late)
        with self.assertRaises(ValueError):
            testing.call(agent(lambda _: {"a": float("nan")}))

    def test_requests_carry_metadata_configuration_and_a_key(self):
        testing.configure({"tone": "formal"})
        seen = agent(lambda r: [r.meta("who"), r.meta("x"), r.idempotency_key, config.all(), config.get("x")])
        response = testing.call(seen, {"a": 1}, metadata={"who": "marta"}, idempotency_key="k-1")
        self.assertEqual(response.parsed(), ["marta", None, "k-1", {"tone": "formal"}, None])
        self.assertGreater(usage.remaining("fuel"), 0)
        self.assertEqual(usage.remaining("nothing"), 0)

    def test_a_module_exports_its_one_agent(self):
        from types import SimpleNamespace

        answer = export(SimpleNamespace(__name__="m", greet=greet, same=greet))().invoke(Request(b"Ada"))
        self.assertEqual(answer.body, b"Hello Ada, for the 1. time.")
        for wrong in (SimpleNamespace(__name__="m"), SimpleNamespace(__name__="m", one=greet, two=agent(len))):
            with self.assertRaisesRegex(TypeError, "agents"):
                export(wrong)


class Storage(Case):
    def test_values_come_back_with_their_version_and_life(self):
        first = storage.put("notes", "a", "tea ☕")
        self.assertGreater(storage.put_json("notes", "b", {"n": 1}, ttl_ms=1_000), first)
        self.assertEqual(storage.get("notes", "a").text(), "tea ☕")
        self.assertEqual((storage.get("notes", "b").json(), storage.get("notes", "b").ttl_ms), ({"n": 1}, 1_000))
        self.assertEqual([one and one.key for one in storage.get_many([("notes", "b"), ("notes", "z")])], ["b", None])
        testing.advance(1_000)
        self.assertIsNone(storage.get_json("notes", "b"))
        storage.delete("notes", "a")
        self.assertEqual(testing.keys(), [])

    def test_increments_add_up_within_a_window_where_one_is_given(self):
        self.assertEqual([storage.increment("n", "a"), storage.increment("n", "a", -3)], [1, -2])
        self.assertEqual(storage.get("n", "a").number(), -2)
        storage.increment("n", "w", ttl_ms=100)
        testing.advance(99)
        self.assertEqual(storage.increment("n", "w", ttl_ms=100), 2)
        testing.advance(1)
        self.assertEqual(storage.increment("n", "w", ttl_ms=100), 1)
        storage.put("n", "text", "abc")
        self.refused("not-a-number", storage.increment, "n", "text")
        self.assertEqual(storage.increment("n", "big", (1 << 63) - 1), (1 << 63) - 1)
        self.refused("overflow", storage.increment, "n", "big")

    def test_a_commit_happens_whole_or_not_at_all(self):
        storage.put("b", "kept", "1")
        self.refused("conflict", storage.Commit().absent("b", "kept").put("b", "new", "2").run)
        self.refused("not-a-number", storage.Commit().put("b", "new", "2").increment("b", "kept").run)
        self.assertIsNone(storage.get("b", "new"))
        self.assertEqual(len(storage.Commit().present("b", "kept").delete("b", "kept").put("b", "new", "2").run()), 2)
        self.assertEqual(testing.keys(), [("b", "new")])
        storage.Commit().expire("b", "new", 10).run()
        testing.advance(10)
        self.assertEqual(testing.keys(), [])

    def test_an_update_meets_others_and_loses_nothing(self):
        storage.put_json("stock", "left", 10)
        met = []

        def meet():
            if len(met) < 3:
                met.append(storage.put_json("stock", "left", 9 - len(met)))

        def take():
            read = storage.get("stock", "left")
            left = read.json() - 1
            return storage.Commit().unchanged("stock", "left", read).put_json("stock", "left", left), left

        testing.before_commit(meet)
        self.assertEqual(storage.update(take), 6)
        testing.before_commit(lambda: storage.put_json("stock", "left", 5))
        self.assertEqual(self.refused("conflict", storage.update, take).retry_after_ms, 100)
        self.assertEqual(storage.update(lambda: (None, "nothing to do")), "nothing to do")

    def test_listings_go_page_by_page_in_the_byte_order_of_keys_both_ways(self):
        order = ["a", "b", "z", "ä", "\uffff", "𝄞"]
        for key in reversed(order):
            storage.put("k", key, key)
        self.assertEqual([entry.text() for entry in storage.scan("k", limit=2)], order)
        self.assertEqual([entry.key for entry in storage.scan("k", limit=4, reverse=True)], order[::-1])
        page = storage.list("k", limit=2, start="b", values=False)
        self.assertEqual(([entry.key for entry in page.entries], page.next, page.entries[0].value), (["b", "z"], "z", b""))
        self.refused("invalid-limit", storage.list, "k", limit=0)
        storage.put("a", "1", "")
        self.assertEqual((storage.buckets(), storage.buckets(after="a", limit=1)), (["a", "k"], ["k"]))


class Cache(Case):
    LIFE = Life(100, stale_ms=1_000)

    def test_a_value_is_fresh_then_stale_then_gone(self):
        made = []

        def make():
            made.append(1)
            return f"value {len(made)}"

        def read():
            return cache.get_or_make("ns", "k", self.LIFE, make).decode()

        self.assertEqual([read(), read()], ["value 1", "value 1"])
        testing.advance(100)
        self.assertIsNone(cache.get("ns", "k"))
        self.assertEqual(read(), "value 2")
        testing.advance(1_100)
        self.assertEqual(read(), "value 3")

    def test_a_stale_value_stands_in_for_one_that_cannot_be_made(self):
        def failing():
            raise OSError("the source is down")

        cache.put("ns", "k", "old", self.LIFE)
        testing.advance(100)
        self.assertEqual(cache.get_or_make("ns", "k", self.LIFE, failing), b"old")
        self.assertIn("stale value of ns/k: OSError: the source is down", testing.logged()[-1][1])
        with self.assertRaises(OSError):
            cache.get_or_make("ns", "other", self.LIFE, failing)
        self.assertIsInstance(cache.get_or_fill("ns", "other"), Fill)

    def test_a_lease_keeps_nothing_that_was_deleted_meanwhile_and_ends_with_the_call(self):
        lease = cache.get_or_fill("ns", "k").lease
        cache.delete("ns", "k")
        self.assertFalse(lease.fill("late", self.LIFE))
        with self.assertRaisesRegex(TypeError, "has ended"):
            lease.fill("twice", self.LIFE)
        taker = agent(lambda _: type(cache.get_or_fill("ns", "t")).__name__)
        self.assertEqual([testing.call(taker).text() for _ in range(2)], ["Fill", "Fill"])
        cache.get_or_fill("ns", "h")
        self.refused("lease-held", cache.get_or_fill, "ns", "h")
        self.assertEqual(cache.get_or_make_json("ns", "h", self.LIFE, lambda: [1]), [1])

    def test_a_namespace_is_cleared_at_once_and_the_counts_tell(self):
        cache.put("a", "1", "x", self.LIFE)
        cache.put("b", "1", "y", self.LIFE)
        cache.clear("a")
        self.assertEqual((cache.get("a", "1"), cache.get("b", "1")), (None, b"y"))
        counts = cache.stats()
        self.assertEqual((counts.hits, counts.misses, counts.removed, counts.entries), (1, 1, 1, 1))


if __name__ == "__main__":
    unittest.main()
