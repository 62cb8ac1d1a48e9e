"""Programs of the machine run under the library as without it, and see the card."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LIBRARY, STATIC, ON_THE_MODEL = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))


class ProgramsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ['TEST_TMPDIR'])
        self.environment = dict(os.environ, LD_PRELOAD=LIBRARY,
                                OPENHPU_NODE_DIR=os.path.join(self.folder, 'node'))

    def run_program(self, *arguments, check=True, **environment):
        return subprocess.run(arguments, env=dict(self.environment, **environment), check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def bash(self, script, check=True, **environment):
        return self.run_program('bash', '-c', script, check=check, **environment)

    def test_a_program_that_uses_no_card_makes_no_folder(self):
        self.assertEqual(self.bash('echo $((6 * 7)); cat /etc/hostname >/dev/null; ls / | wc -l >&2 2>/dev/null'),
                         self.bash('echo $((6 * 7)); ls / | wc -l', LD_PRELOAD=''))
        self.assertFalse(os.path.exists(os.path.join(self.folder, 'node')))

    def test_bash_sees_the_node_and_its_attributes(self):
        self.assertEqual(self.bash('[ -c /dev/hl0 ] && [ ! -e /dev/hl1 ] && [ -r /dev/hl0 ] && echo yes'), 'yes\n')
        self.assertEqual(self.bash('cat /sys/class/habanalabs/hl0/pci_addr'), '0000:01:00.0\n')
        self.assertEqual(self.bash('read x </sys/class/habanalabs/hl0/status; echo $x'),
                         'Operational\n')
        self.assertEqual(self.bash('exec 7<>/dev/hl0; cat /sys/class/habanalabs/hl0/device_type; exec 7>&-'),
                         'GAUDI\n')
        self.assertEqual(self.bash('ls /sys/class/habanalabs'), 'hl0\nhl_controlD0\n')
        self.assertEqual(self.bash('stat -c %t:%T /dev/hl_controlD0'), '1ff:1\n')
        self.assertIn('crw', self.bash('ls -l /dev/hl0'))

    def test_bash_writes_an_address_for_all_processes(self):
        path = '/sys/kernel/debug/habanalabs/hl0/addr'
        self.assertEqual(self.bash(f'echo 0x7ffc001000 >{path}; cat {path}'), '0x0000007ffc001000\n')
        self.assertEqual(self.bash(f'cat {path}'), '0x0000007ffc001000\n')

    def test_an_open_card_in_bash_is_taken_for_all_others(self):
        script = 'exec 7<>/dev/hl0 || exit 1; (exec 8<>/dev/hl0) 2>&1 | grep -c busy; exec 7>&-; exec 7<>/dev/hl0 && echo again'
        self.assertEqual(self.bash(script), '1\nagain\n')

    def test_python_runs_programs_and_sees_the_card(self):
        script = '''
import fcntl, os, subprocess
fd = os.open('/dev/hl0', os.O_RDWR)
value = bytearray((41).to_bytes(8, 'little'))
fcntl.ioctl(fd, 0xC0084801, value, True)
assert int.from_bytes(value, 'little') == 42
assert subprocess.run(['true'], close_fds=True).returncode == 0
assert subprocess.run('exit 3', shell=True).returncode == 3
fcntl.ioctl(fd, 0xC0084801, value, True)
print(open('/sys/class/habanalabs/hl0/status').read(), sorted(os.listdir('/sys/class/habanalabs')))
try:
    os.open('/dev/hl0', os.O_RDWR)
except OSError as error:
    print(error.strerror)
print(os.path.realpath('/dev/hl0'), os.path.exists('/dev/hl1'))
'''
        self.assertEqual(self.run_program('/usr/bin/python3', '-c', script),
                         "Operational, in use\n ['hl0', 'hl_controlD0']\nDevice or resource busy\n/dev/hl0 False\n")

    def test_the_other_api_has_its_own_names(self):
        self.assertEqual(self.bash('cat /sys/class/accel/accel0/device/device_type; [ -c /dev/accel/accel0 ] && [ ! -e /dev/hl0 ] && echo yes', OPENHPU_NODE_API='accel'),
                         'GAUDI\nyes\n')
        self.assertEqual(self.bash('exec 7<>/dev/hl0; (exec 8<>/dev/accel/accel0) 2>&1 | grep -c busy', OPENHPU_NODE_API='both'), '1\n')

    def test_a_static_program_is_not_affected(self):
        self.assertEqual(self.run_program(STATIC, '/dev/hl0'), 'No such file or directory\n')

    def test_a_folder_of_another_card_is_refused_in_words(self):
        self.bash('cat /sys/class/habanalabs/hl0/status')
        out = self.bash('[ -e /dev/hl0 ] || echo none', OPENHPU_NODE='sim:gaudi2')
        self.assertIn('habanalabs hl0: ', out)
        self.assertIn('holds another card than sim:gaudi2', out)
        self.assertTrue(out.endswith('none\n'), out)

    def test_a_card_that_cannot_be_made_is_no_device_and_no_file_is_made_in_its_place(self):
        out = self.bash('exec 7<>/dev/hl0', LD_PRELOAD=ON_THE_MODEL, OPENHPU_NODE='sim:nothing', check=False)
        self.assertIn('no chip is called "nothing"', out)
        self.assertIn('/dev/hl0: No such device or address', out)
        self.assertFalse(os.path.exists('/dev/hl0'))

    def test_lines_of_the_kernel_go_where_they_are_asked_to(self):
        log = os.path.join(self.folder, 'log')
        self.bash('cat /sys/class/habanalabs/hl0/status')
        self.assertEqual(self.bash('[ -e /dev/hl0 ]; echo done', OPENHPU_NODE='sim:gaudi2', OPENHPU_NODE_LOG=log), 'done\n')
        with open(log) as file:
            self.assertIn('habanalabs hl0: ', file.read())

    def test_many_processes_that_come_first_find_one_card(self):
        script = 'exec 7<>/dev/hl0 && echo mine && sleep 1'
        processes = [subprocess.Popen(['bash', '-c', script], env=self.environment, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                     for _ in range(8)]
        outputs = [process.communicate() for process in processes]
        self.assertEqual([out for out, _ in outputs].count('mine\n'), 1, outputs)
        self.assertEqual(sum('busy' in error for _, error in outputs), 7, outputs)

    def test_a_holder_that_is_killed_at_any_time_leaves_the_card_to_the_next(self):
        for i in range(30):
            process = subprocess.Popen(['bash', '-c', 'while :; do exec 7<>/dev/hl0; exec 7>&-; done'],
                                       env=self.environment)
            time.sleep(0.002 * i)
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.assertEqual(self.bash('exec 7<>/dev/hl0 && echo mine'), 'mine\n')

    def test_counters_are_the_cards_and_not_a_processs(self):
        count = 'cat /sys/class/habanalabs/hl0/hard_reset_cnt'
        self.assertEqual(self.bash(count, LD_PRELOAD=ON_THE_MODEL), '0\n')
        self.bash('echo 1 >/sys/class/habanalabs/hl0/hard_reset', LD_PRELOAD=ON_THE_MODEL)
        self.assertEqual(self.bash(count, LD_PRELOAD=ON_THE_MODEL), '1\n')

    def test_faults_are_ordered_by_the_environment(self):
        out = self.bash('exec 7<>/dev/hl0', LD_PRELOAD=ON_THE_MODEL, OPENHPU_NODE_FAULTS='meteor@5', check=False)
        self.assertIn('kind meteor', out)
        self.assertIn('/dev/hl0: No such device or address', out)
        # How many hard resets there were, asked again and again: that takes time, so the fault comes.
        script = '''
import ctypes, fcntl, os, struct
fd = os.open('/dev/hl0', os.O_RDWR)
answer = ctypes.create_string_buffer(8)
for _ in range(1000):
    fcntl.ioctl(fd, 0xC0184801, struct.pack('QIIQ', ctypes.addressof(answer), 8, 9, 0))
    if answer.raw[0]:
        break
print(answer.raw[0])
'''
        count = self.run_program('/usr/bin/python3', '-c', script, LD_PRELOAD=ON_THE_MODEL,
                                 OPENHPU_NODE_FAULTS='ecc_corrected:SRAM@0 hard_reset@1000')
        self.assertTrue(count.endswith('\n1\n') or count == '1\n', count)

    def test_the_library_needs_the_c_library_alone(self):
        out = self.run_program('readelf', '-d', LIBRARY, LD_PRELOAD='')
        self.assertEqual([line.split()[-1] for line in out.splitlines() if 'NEEDED' in line],
                         ['[libc.so.6]'])


if __name__ == '__main__':
    unittest.main()
