"""A program that is killed anywhere in its work leaves nothing that hurts the next.

    kill_test.py libopenhpu_node.so program kills ...

on the card that OPENHPU_NODE names. Of several numbers of kills the last one counts.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LIBRARY, PROGRAM = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
KILLS = 0
while len(sys.argv) > 1 and sys.argv[1].isdigit():
    KILLS = int(sys.argv.pop(1))


class KillTest(unittest.TestCase):

    def test_a_program_killed_anywhere_leaves_a_card_on_which_the_next_succeeds(self):
        folder = tempfile.mkdtemp(dir=os.environ['TEST_TMPDIR'])
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, OPENHPU_NODE_DIR=folder)

        def start():
            return subprocess.Popen([PROGRAM], env=environment, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        begin = time.monotonic()
        first = start()
        wanted, _ = first.communicate()
        duration = time.monotonic() - begin
        self.assertEqual(first.returncode, 0, wanted)
        for i in range(KILLS):
            process = start()
            # Evenly over the program, in an order that alternates between its parts.
            time.sleep(duration * ((i * 0.6180339887) % 1))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if i % 10 == 9:
                last = start()
                output, _ = last.communicate()
                self.assertEqual((last.returncode, output), (0, wanted), f'after {i + 1} kills')
        self.assertEqual(sorted(os.listdir(folder)), ['dev', 'status', 'sys'])


if __name__ == '__main__':
    unittest.main()
