"""Every file of the workspace keeps the house rules, and every rule bites."""

import unittest

from testing.house import source_rules
from testing.house import workspace


def complaints(rule, path, text):
    return [f'{path}:{line}: {what}' for line, what in rule(path, text)]


class WorkspaceTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.files = workspace.files()

    def test_the_workspace_was_found(self):
        paths = [path for path, _ in self.files]
        self.assertIn('hal/driver.h', paths)
        self.assertIn('testing/house/source_rules_test.py', paths)


def add_rule(rule):

    def test(self):
        found = [c for path, text in self.files for c in complaints(rule, path, text)]
        self.assertFalse(found, '\n' + '\n'.join(found))

    setattr(WorkspaceTest, f'test_{rule.__name__}', test)


for each in source_rules.RULES:
    add_rule(each)


class RulesBiteTest(unittest.TestCase):

    def check(self, rule, path, text, count):
        self.assertEqual(len(complaints(rule, path, text)), count, (path, text))

    def test_using_namespace(self):
        rule = source_rules.headers_do_not_use_namespaces
        self.check(rule, 'hal/a.h', 'using namespace std;\n', 1)
        self.check(rule, 'hal/a.cc', 'using namespace std;\n', 0)
        self.check(rule, 'hal/a.h', '// using namespace is forbidden\nusing std::string;\n', 0)

    def test_includes(self):
        rule = source_rules.includes_stay_in_their_rooms
        for include, good, bad in [
                ('<systemc>', 'simulator/engine/a.cc', 'graph/a.cc'),
                ('<systemc.h>', 'simulator/engine/a.cc', 'hal/a.h'),
                ('<torch/extension.h>', 'python/native/a.cc', 'python/a.cc'),
                ('<ATen/ATen.h>', 'python/native/a.cc', 'graph/a.h'),
                ('<c10/core/Device.h>', 'python/native/a.cc', 'runtime/a.h'),
                ('<misc/habanalabs.h>', 'hal/habanalabs/a.cc', 'hal/a.cc'),
                ('"hal/abi/gaudi/packets.h"', 'simulator/engine/a.cc', 'runtime/a.cc'),
                ('"hal/abi/gaudi/packets.h"', 'hal/a.cc', 'graph/back/a_test.cc'),
        ]:
            self.check(rule, good, f'#include {include}\n', 0)
            self.check(rule, bad, f'#include {include}\n', 1)

    def test_guards(self):
        rule = source_rules.headers_are_guarded_by_their_path
        good = '// A.\n#ifndef HAL_A_B_H_\n#define HAL_A_B_H_\n\n#endif  // HAL_A_B_H_\n'
        self.check(rule, 'hal/a_b.h', good, 0)
        self.check(rule, 'hal/c.h', good, 1)
        self.check(rule, 'hal/a_b.h', good.replace('#endif  // HAL_A_B_H_', '#endif'), 1)
        self.check(rule, 'hal/a_b.h', '#pragma once\n', 1)

    def test_contracts(self):
        rule = source_rules.headers_begin_with_their_contract
        self.check(rule, 'hal/a.h', '// A thing.\n#ifndef', 0)
        self.check(rule, 'hal/a.h', '#ifndef', 1)

    def test_lengths(self):
        rule = source_rules.files_are_short
        self.check(rule, 'hal/a.h', '\n' * 200, 0)
        self.check(rule, 'hal/a.h', '\n' * 201, 1)
        self.check(rule, 'hal/a.cc', '\n' * 600, 0)
        self.check(rule, 'hal/abi/gaudi/a.h', '\n' * 300, 0)
        self.check(rule, 'hal/a.cc', '\n' * 601, 1)

    def test_things_to_do(self):
        rule = source_rules.nothing_is_left_to_do
        self.check(rule, 'hal/a.cc', '// TO' 'DO: later\n', 1)
        self.check(rule, 'hal/a.cc', '// FIX' 'ME\n', 1)
        self.check(rule, 'hal/a.cc', '// to do\n', 0)

    def test_paths(self):
        rule = source_rules.no_path_of_one_machine
        self.check(rule, 'README.md', 'cd /wo' 'rk/main\n', 1)
        self.check(rule, 'a.sh', 'cp x "/ro' 'ot/x"\n', 1)
        self.check(rule, 'a.sh', 'cp x "$chroot/ro' 'ot/x" a/wo' 'rk/b\n', 0)

    def test_clocks(self):
        rule = source_rules.simulated_time_is_not_the_clock
        self.check(rule, 'simulator/engine/a.cc', 'std::chrono::steady_clock::now()\n', 1)
        self.check(rule, 'simulator/engine/a.cc', 'srand(time(nullptr))\n', 1)
        self.check(rule, 'simulator/engine/a.cc', 'strand(x); downtime(0); Operand(0);\n', 0)
        self.check(rule, 'hal/habanalabs/a.cc', 'std::chrono::steady_clock::now()\n', 0)


if __name__ == '__main__':
    unittest.main()
