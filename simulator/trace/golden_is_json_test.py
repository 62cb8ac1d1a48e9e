"""The golden trace is JSON, with every event on a named thread of a named process."""

import json
import unittest


class GoldenTest(unittest.TestCase):

    def setUp(self):
        with open('simulator/trace/testdata/example.json', encoding='utf-8') as file:
            self.trace = json.load(file)

    def test_every_event_has_a_named_process_and_thread(self):
        events = self.trace['traceEvents']
        processes = {e['pid'] for e in events if e['name'] == 'process_name'}
        threads = {(e['pid'], e['tid']) for e in events if e['name'] == 'thread_name'}
        timed = [e for e in events if e['ph'] != 'M']
        self.assertEqual(len(timed), 8)
        for event in timed:
            self.assertIn(event['pid'], processes)
            self.assertIn((event['pid'], event['tid']), threads)

    def test_spans_of_a_thread_nest(self):
        spans = [e for e in self.trace['traceEvents'] if e['ph'] == 'X']
        for a in spans:
            for b in spans:
                if (a['pid'], a['tid']) == (b['pid'], b['tid']) and a['ts'] < b['ts']:
                    a_end, b_end = a['ts'] + a['dur'], b['ts'] + b['dur']
                    self.assertTrue(a_end <= b['ts'] or b_end <= a_end, (a, b))


if __name__ == '__main__':
    unittest.main()
