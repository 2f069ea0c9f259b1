import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from insula_sdk import AgentError, testing

from agent import greet


def visit(name):
    return json.loads(testing.call(greet, {"name": name}).text())


class Visits(unittest.TestCase):
    def setUp(self):
        testing.reset()

    def test_visits_are_counted_for_each_visitor(self):
        testing.configure({"greeting": "Salve"})
        visit("Ada")
        visit("Grace")
        self.assertEqual(visit("Ada"), {"greeting": "Salve, Ada!", "visits": 2, "regulars": []})

    def test_a_regular_is_known_once_the_cache_is_past_its_freshness(self):
        for _ in range(3):
            self.assertEqual(visit("Ada")["regulars"], [])
        testing.advance(10_000)
        self.assertEqual(visit("Grace")["regulars"], ["Ada"])

    def test_a_visitor_without_a_name_is_told_so(self):
        with self.assertRaises(AgentError) as told:
            visit(" ")
        self.assertEqual(told.exception.code, "bad-request")


if __name__ == "__main__":
    unittest.main()
