#!/usr/bin/python3
"""The table of suites and devices in README.md is what the tests say of themselves.

Each backend's test prints, for each suite, how many tests it has and how many are exempt. Rewrite the
table: OPENHPU_REGENERATE=1 bazel run //testing/conformance:table_test
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

README = 'testing/conformance/README.md'
BEGIN, END = '<!-- table -->\n', '<!-- end of table -->\n'
SUITES = ('Memory', 'Mapping', 'Queue', 'Dma', 'Mme', 'Tpc', 'Sync', 'Threads', 'Reset', 'Error', 'Fault')
# The device that a test opens.
DEVICES = {
    'null_conformance_test': '`null:tiny`',
    'simulator_tiny_conformance_test': '`sim:tiny,hazards=on`',
    'simulator_functional_conformance_test': '`sim:tiny,mode=functional,hazards=on`',
    'simulator_gaudi_conformance_test': '`sim:gaudi,hazards=on`',
    'simulator_gaudi2_conformance_test': '`sim:gaudi2,hazards=on`',
    'habanalabs_node_conformance_test': '`habanalabs:0`, emulated `/dev/hl0` of `sim:gaudi,hazards=on`',
    'habanalabs_accel_conformance_test': '`habanalabs:0`, emulated `/dev/accel/accel0` of the same',
    'habanalabs_gaudi2_conformance_test': '`habanalabs:0`, emulated `/dev/hl0` of `sim:gaudi2,hazards=on`',
    'card_conformance_test': '`habanalabs:0` of this machine (tagged `manual`)',
}


def cell(tests, never, not_yet):
    """What of a suite a device is held to."""
    if never == tests:
        return '–'
    text = 'all' if never + not_yet == 0 else f'{tests - never - not_yet} of {tests}'
    return text + (f', {not_yet} not yet' if not_yet else '')


def row(binary):
    out = subprocess.run([binary, '--gtest_filter=ExemptionsSuite.Counts'], check=True,
                         stdout=subprocess.PIPE, universal_newlines=True).stdout
    counts = {name: tuple(map(int, numbers.split()))
              for name, numbers in re.findall(r'^count (\w+)Suite ([\d ]+)$', out, re.M)}
    test = os.path.basename(binary)
    return f'| `{test}` | {DEVICES[test]} | ' + ' | '.join(cell(*counts[s]) for s in SUITES) + ' |\n'


def table(binaries):
    lines = ['| Test | Device | ' + ' | '.join(SUITES) + ' |\n', '|---' * (2 + len(SUITES)) + '|\n']
    return ''.join(lines + [row(binary) for binary in binaries])


class TableTest(unittest.TestCase):

    def test_the_table_is_what_the_tests_say(self):
        wanted = table(BINARIES)
        text = pathlib.Path(README).read_text()
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        workspace = os.environ.get('BUILD_WORKSPACE_DIRECTORY')
        if os.environ.get('OPENHPU_REGENERATE') == '1' and workspace:
            pathlib.Path(workspace, README).write_text(before + BEGIN + wanted + END + after)
            return
        self.assertEqual(rest.split(END)[0], wanted)


if __name__ == '__main__':
    BINARIES = sys.argv[1:]
    del sys.argv[1:]
    unittest.main()
