"""The whole agent, against storage in memory: ``python -m unittest discover -s tests``."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "src"), str(HERE.parents[1] / "sdk/python/src")]

from agent import analyse
from insula_sdk import AgentError, testing


def data(name):
    return (HERE / "data" / name).read_text(encoding="utf-8")


def post(text, **metadata):
    return testing.call(analyse, text, content_type="text/csv", metadata=metadata)


class Analyst(unittest.TestCase):
    def setUp(self):
        testing.reset()

    def columns(self, text, **metadata):
        return {column["name"]: column for column in post(text, **metadata).parsed()["columns"]}

    def refused(self, code, named, call, *arguments, **options):
        with self.assertRaises(AgentError) as caught:
            call(*arguments, **options)
        self.assertEqual((caught.exception.code, named in caught.exception.message), (code, True), caught.exception)

    def test_columns_are_what_all_of_their_values_are(self):
        columns = self.columns(data("sales.csv"))
        kinds = {name: column["kind"] for name, column in columns.items()}
        self.assertEqual(kinds, {
            "date": "date", "region": "text", "product": "text", "units": "number", "price": "number", "revenue": "number",
        })
        self.assertEqual((columns["date"]["first"], columns["date"]["last"], columns["date"]["days"]), ("2026-03-02", "2026-03-12", 10))
        self.assertEqual(columns["product"]["top"][0], {"value": "lamp", "times": 5})
        self.assertEqual((columns["units"]["values"], columns["units"]["missing"]), (9, 1))
        self.assertEqual(self.columns("a\ntrue\nNo\n")["a"], {"name": "a", "kind": "truth", "values": 2, "missing": 0, "true": 1, "false": 1})
        self.assertEqual(self.columns("a,b\n1,\n2,n/a\n")["b"]["kind"], "empty")
        self.assertEqual(self.columns('a\n"1,000"\n2\n')["a"]["kind"], "text")

    def test_numbers_have_their_statistics(self):
        found = self.columns("n\n1\n2\n3\n4\n100\n")["n"]
        expected = {
            "name": "n", "kind": "number", "values": 5, "missing": 0, "min": 1, "max": 100, "sum": 110, "mean": 22,
            "median": 3, "quartiles": [2, 4], "deviation": 43.617657, "outliers": [100], "outlier-count": 1,
        }
        self.assertEqual(found, expected)
        self.assertEqual(self.columns("n\n1.5e3\n")["n"]["deviation"], None)
        self.assertEqual(self.columns("n\n0.1\n0.2\n")["n"]["sum"], 0.3)

    def test_columns_that_go_together_are_named(self):
        together = post(data("sensors.csv").replace("b2;n/a;n/a;false\n", "")).parsed()["together"]
        self.assertEqual(together[0]["columns"], ["celsius", "humidity"])
        self.assertLess(together[0]["correlation"], -0.9)
        self.assertEqual(post("a,b\n1,1\n1,2\n1,3\n").parsed()["together"], [])

    def test_the_summary_says_what_a_reader_should_know_first(self):
        summary = post(data("sales.csv")).parsed()["summary"]
        self.assertEqual(summary[0], "10 rows of 6 columns.")
        self.assertIn("product: 4 values, most often lamp (50 %).", summary)
        self.assertIn("Values are missing in units, revenue.", summary)
        self.assertTrue(any(line.startswith("units has 1 value far from the rest: 240") for line in summary), summary)

    def test_the_same_data_is_computed_once(self):
        first, again = post(data("sales.csv")), post(data("sales.csv"))
        self.assertEqual([dict(one.metadata)["report"] for one in (first, again)], ["computed", "remembered"])
        one, other = first.parsed(), again.parsed()
        self.assertEqual((one.pop("asked"), other.pop("asked")), (1, 2))
        self.assertEqual(one, other)
        digest = one["data-set"]
        report = testing.call(analyse, {"report": {"data-set": digest}}).parsed()
        self.assertEqual(report["summary"], one["summary"])
        self.assertEqual(testing.call(analyse, {"list": {}}).parsed()["data-sets"][0]["asked"], 2)
        testing.call(analyse, {"forget": {"data-set": digest}})
        self.assertEqual(testing.keys(), [])
        self.refused("not-found", digest, testing.call, analyse, {"report": {"data-set": digest}})

    def test_a_report_is_remembered_as_long_as_the_configuration_says(self):
        testing.configure({"keep-days": "1"})
        post("a\n1\n")
        testing.advance(24 * 60 * 60_000)
        self.assertEqual(testing.keys(), [])
        testing.configure({"keep-days": "0"})
        self.refused("bad-configuration", "keep-days", post, "a\n1\n")

    def test_two_data_sets_are_compared_column_by_column(self):
        one = post("n,t\n1,a\n3,b\n").parsed()["data-set"]
        other = post("t,n,x\na,4,1\na,8,2\nc,6,3\n").parsed()["data-set"]
        found = testing.call(analyse, {"compare": {"one": one, "other": other}}).parsed()
        self.assertEqual(found["rows"], 1)
        self.assertEqual(found["columns"][0], {"name": "n", "kind": "number", "mean": 4, "median": 4, "sum": 14, "mean-percent": 200})
        self.assertEqual(found["columns"][1], {"name": "t", "kind": "text", "distinct": 0})
        third = post("other\n1\n").parsed()["data-set"]
        self.refused("unprocessable", "no column", testing.call, analyse, {"compare": {"one": one, "other": third}})

    def test_separators_are_found_or_said(self):
        for text in ("a;b\n1;2,5\n", "a\tb\n1\t2\n", "a|b\n1|2\n"):
            self.assertEqual(list(self.columns(text)), ["a", "b"])
        self.assertEqual(list(self.columns("a,b;c\n1,2;3\n", separator="semicolon")), ["a,b", "c"])
        self.refused("bad-request", "separator", post, "a\n1\n", separator="dot")

    def test_what_is_wrong_with_a_table_is_said_with_its_line(self):
        for text, named in [
            (data("broken-quote.csv"), "line 3: a quote is opened here and never closed"),
            (data("broken-row.csv"), "line 4: 3 fields, where the first line has 2"),
            ('a,b\n"1\n2",3\n4\n', "line 4: 1 field"),
            ('a\n"1"2\n', "line 2: text after a closing quote"),
            ("a,,c\n1,2,3\n", "line 1: column 2 has no name"),
            ("a,b,a\n1,2,3\n", "line 1: two columns have the name 'a'"),
            ("a,b\n", "no rows"),
            ("\n \n", "send a CSV table"),
            ("a\n\0\n", "line 2: a null character"),
            ("a\n" + "x" * 5_000 + "\n", "line 2: a field of 5,000 characters"),
            (",".join(f"c{n}" for n in range(201)) + "\n", "line 1: 201 columns"),
        ]:
            self.refused("bad-request", named, post, text)
        self.refused("bad-request", "UTF-8 at byte 2", post, b"a\n\xff\n")

    def test_what_is_wrong_with_a_question_is_said(self):
        for body, named in [
            ([], "report, compare"),
            ({"reports": {}}, "report, compare"),
            ({"report": "x"}, "report must be an object"),
            ({"report": {}}, "report.data-set"),
            ({"compare": {"one": "x"}}, "compare.other"),
        ]:
            self.refused("bad-request", named, testing.call, analyse, body)


if __name__ == "__main__":
    unittest.main()
