"""No target names another one across a wall, and every wall stops what it should."""

import unittest

from testing.house import build_files
from testing.house import walls
from testing.house import workspace


class WallsTest(unittest.TestCase):

    def test_no_target_reaches_across_a_wall(self):
        targets = build_files.read_all(workspace.files())
        self.assertIn('//hal:driver', [str(t) for t in targets])
        found = [f'{t} names {label}' for t in targets for label in walls.breaches(t)]
        self.assertFalse(found, '\n' + '\n'.join(found))

    def breaches(self, package, rule, label):
        text = f'{rule}(name = "x", deps = ["{label}"])'
        return [b for t in build_files.read(package, text) for b in walls.breaches(t)]

    def test_every_wall_stops_libraries(self):
        for package, label in [
            ('hal', '//simulator:driver'),
            ('hal/base', '//runtime:context'),
            ('hal', '//testing:status_matchers'),
            ('hal/gaudi', '@systemc//:systemc'),
            ('hal', '@systemc'),
            ('simulator', '//graph'),
            ('simulator/engine', '@torch//:torch'),
            ('simulator/functional', '@systemc'),
            ('simulator/functional', '//simulator/engine:flow'),
            ('simulator/functional/kernels', '//simulator:driver'),
            ('simulator/scenario', '//python/native:module'),
            ('runtime', '//hal/abi/gaudi:packets'),
            ('runtime', '//simulator:driver'),
            ('runtime', '//graph:compiler'),
            ('graph/back', '//hal/abi:kernel_image'),
            ('graph', '//simulator:driver'),
            ('graph', '@torch'),
            ('python', '@torch'),
            ('python/native', '@systemc'),
            ('python/native', '//hal/abi/gaudi:packets'),
            ('testing/conformance', '//graph:compiler'),
        ]:
            self.assertEqual(self.breaches(package, 'cc_library', label), [label], package)

    def test_arrows_go_down(self):
        for package, label in [
            ('hal', '//hal/base:status_macros'),
            ('simulator', '//hal:driver'),
            ('simulator/engine', '@systemc'),
            ('simulator/engine', '//simulator/functional:access'),
            ('simulator/scenario', '//graph:compiler'),
            ('runtime', '//hal:driver'),
            ('graph', '//runtime:program'),
            ('graph/back', '//graph:ir'),
            ('python/native', '@torch'),
            ('python/native', '//simulator:driver'),
            ('testing', '//hal:driver'),
        ]:
            self.assertEqual(self.breaches(package, 'cc_library', label), [], package)

    def test_tests_and_programs_may_open_the_simulator(self):
        for package in ['hal', 'runtime', 'graph', 'simulator', 'python/native']:
            for rule in ['cc_test', 'cc_binary']:
                self.assertEqual(self.breaches(package, rule, '//simulator:driver'), [], package)
        for package, label in [('hal', '//runtime:context'), ('runtime', '//graph:compiler'),
                               ('graph', '//hal/abi/gaudi:packets'), ('graph', '@torch')]:
            self.assertEqual(self.breaches(package, 'cc_test', label), [label], package)

    def test_labels_are_found_wherever_a_build_file_hides_them(self):
        text = '''
load("//testing/house:layering.bzl", "some_macro")
package(default_testonly = True)
NAMES = ["a", "b"]
[cc_library(name = n, deps = ["//hal:%s" % n]) for n in NAMES]
some_macro(name = "c", data = select({"//x:y": ["//hal:c"], "//conditions:default": [":d"]}))
'''
        targets = build_files.read('graph', text)
        self.assertEqual([t.labels for t in targets], [['//hal:a'], ['//hal:b'], ['//hal:c', '//graph:d']])
        self.assertTrue(all(t.testonly for t in targets))


if __name__ == '__main__':
    unittest.main()
