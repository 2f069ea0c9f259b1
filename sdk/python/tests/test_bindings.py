"""The forms in ``insula_sdk.memory`` are those that componentize-py makes from ``wit/``: names, fields and parameters.

Run with a python that has componentize-py beside it, such as that of ``sample-agents/analyst/.venv``.
"""

import ast
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parents[1]
TOOL = Path(sys.executable).parent / "componentize-py"
# What the SDK takes from a component's own modules.
MODULES = {"imports": ["cache", "config", "log", "storage", "types", "usage"], "exports": ["handler"]}
# The helpers of the memory, beside what the contract has.
OWN = {"Memory", "Kept", "Clock", "Refused", "refuse", "check_name", "check_key", "check_ttl"}


def shape(path):
    """Every public class with its fields, and every public function with its parameters."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            fields = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]
            cases = [item.targets[0].id for item in node.body if isinstance(item, ast.Assign)]
            found[node.name] = fields + cases
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = [argument.arg for argument in node.args.args]
    return {name: parts for name, parts in found.items() if name not in OWN}


@unittest.skipUnless(TOOL.exists(), f"there is no {TOOL}")
class Bindings(unittest.TestCase):
    def test_the_forms_are_those_of_the_contract(self):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made"
            wit = SDK.parents[1] / "wit"
            command = [TOOL, "--quiet", "-d", wit, "-w", "agent", "bindings", made]
            subprocess.run([str(part) for part in command], check=True)
            for kind, names in MODULES.items():
                for name in names:
                    theirs = shape(made / "wit_world" / kind / f"{name}.py")
                    ours = shape(SDK / "src/insula_sdk/memory" / f"{name}.py")
                    self.assertEqual(ours, theirs, f"{kind}/{name}")


if __name__ == "__main__":
    unittest.main()
