"""House rules that can be read off one file's text. Each rule takes path and text, and yields
(line, complaint)."""

import re

MAX_HEADER_LINES = 200
MAX_SOURCE_LINES = 600


def _cpp(path):
    return path.endswith(('.h', '.cc'))


def _matches(pattern, text):
    for number, line in enumerate(text.split('\n'), 1):
        match = re.search(pattern, line)
        if match:
            yield number, match


def headers_do_not_use_namespaces(path, text):
    if path.endswith('.h'):
        for line, _ in _matches(r'^\s*using\s+namespace\b', text):
            yield line, '`using namespace` in a header'


def includes_stay_in_their_rooms(path, text):
    """Which folders may include what is not for everyone."""
    rooms = [
        (r'systemc(\.h)?$', ('simulator/',), 'SystemC is known in simulator/ alone'),
        (r'(torch|ATen|c10)/', ('python/native/',), 'torch is known in python/native/ alone'),
        (r'pybind11/', ('python/native/',), 'pybind11 is known in python/native/ alone'),
        (r'(dnnl|oneapi)', ('simulator/',), 'oneDNN is known in simulator/ alone'),
        (r'misc/habanalabs\.h$',
         ('hal/habanalabs/', 'hal/abi/gaudi/parity_test.cc', 'hal/abi/gaudi2/parity_test.cc',
          'simulator/device_node/'),
         'the UAPI is known in hal/habanalabs/, the emulated node and the parity tests alone'),
        (r'hal/abi/', ('hal/', 'simulator/', 'testing/'),
         'only hal/ and simulator/ see bits of hal/abi'),
    ]
    if not _cpp(path):
        return
    for line, match in _matches(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text):
        for pattern, folders, complaint in rooms:
            if re.match(pattern, match.group(1)) and not path.startswith(folders):
                yield line, f'includes {match.group(1)}: {complaint}'


def headers_are_guarded_by_their_path(path, text):
    if not path.endswith('.h'):
        return
    guard = re.sub(r'[^A-Z0-9]', '_', path.upper()) + '_'
    guards = re.findall(r'^#ifndef (\S+)\n#define (\S+)$', text, re.M)
    if not guards or guards[0] != (guard, guard):
        yield 1, f'the include guard is not {guard}'
    elif not text.endswith(f'\n#endif  // {guard}\n'):
        yield text.count('\n'), f'does not end with `#endif  // {guard}`'


def headers_begin_with_their_contract(path, text):
    if path.endswith('.h') and not text.startswith('// '):
        yield 1, 'the header does not begin with a comment that would let a stranger use it'


def files_are_short(path, text):
    if path.startswith('hal/abi/'):
        return  # layouts of the hardware: tables as long as the hardware made them, one block a file
    limit = {'.h': MAX_HEADER_LINES, '.cc': MAX_SOURCE_LINES}.get(path[path.rfind('.'):])
    lines = text.count('\n')
    if limit and lines > limit:
        yield limit, f'{lines} lines; at most {limit}'


def nothing_is_left_to_do(path, text):
    for line, match in _matches(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b', text):
        yield line, f'{match.group(1)}: do it, or state the limit'


def no_path_of_one_machine(path, text):
    for line, match in _matches(r'(?<![\w.$}/-])/(work|root|home)/\w+', text):
        yield line, f'{match.group(0)} is a path of one machine'


def simulated_time_is_not_the_clock(path, text):
    """Results depend on no clock and no seed from outside."""
    if not path.startswith(('simulator/functional/', 'simulator/engine/')) or not _cpp(path):
        return
    if path.endswith('_benchmark.cc'):
        return
    banned = r'(std::chrono::\w*_clock|std::random_device|\bgettimeofday\b|\bclock_gettime\b|\bs?rand\(|\btime\((nullptr|NULL|0)\))'
    for line, match in _matches(banned, text):
        yield line, f'{match.group(1)} in the model'


RULES = [
    headers_do_not_use_namespaces,
    includes_stay_in_their_rooms,
    headers_are_guarded_by_their_path,
    headers_begin_with_their_contract,
    files_are_short,
    nothing_is_left_to_do,
    no_path_of_one_machine,
    simulated_time_is_not_the_clock,
]
