"""The demo's timeline and outputs are byte-identical under two hash seeds, idle and beside a busy core, with address randomisation on.

    demo_test.py DEMO
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest

DEMO = os.path.abspath(sys.argv.pop(1))


def run(folder: str, seed: str, busy: bool) -> "tuple[bytes, str, str]":
    """The trace's bytes, the outputs' hash and the report."""
    trace = os.path.join(folder, f"trace_{seed}.json")
    environment = dict(os.environ, PYTHONHASHSEED=seed)
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        done = subprocess.run([DEMO, "--trace", trace], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        if burner is not None:
            burner.kill()
            burner.wait()
    with open(trace, "rb") as file:
        return file.read(), re.search(r"sha256 (\w+)", done.stdout).group(1), done.stdout


class DemoTest(unittest.TestCase):
    def test_trace_and_outputs_depend_on_nothing_of_the_process(self) -> None:
        with open("/proc/sys/kernel/randomize_va_space", encoding="ascii") as file:
            self.assertNotEqual(file.read().strip(), "0", "addresses are not randomised here: the test would prove nothing")
        with tempfile.TemporaryDirectory() as folder:
            first_trace, first_outputs, report = run(folder, "1", busy=False)
            second_trace, second_outputs, _ = run(folder, "2", busy=True)
        self.assertGreater(len(first_trace), 10_000)
        self.assertEqual(first_outputs, second_outputs)
        self.assertEqual(first_trace, second_trace)
        self.assertRegex(report, r"accuracy +CPU 9\d\.\d+ %, HPU 9\d\.\d+ %")
        self.assertRegex(report, r"CPU fallbacks +0")


if __name__ == "__main__":
    unittest.main()
