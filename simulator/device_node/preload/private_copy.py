"""Gives a library private copies of libraries that can be in a process only once.

    private_copy.py --library linked.so --out_dir out --name libx.so \
        --private libprotobuf=libx_proto.so --private libsystemc=libx_systemc.so

Writes out/libx.so, and beside it a copy of each named library that linked.so needs, under the new
name. Nothing is relocated: only names in the string tables change (a new one is not longer), and
symbols that the loader would unify in the whole process (STB_GNU_UNIQUE) become ordinary ones in the
copies. With RTLD_DEEPBIND and a version script, the library then shares no state of theirs with
anybody.
"""

import argparse
import os
import struct
import subprocess

DT_NEEDED, DT_SONAME = 1, 14
SHT_DYNAMIC, SHT_DYNSYM = 6, 11
STB_GLOBAL, STB_GNU_UNIQUE = 1, 10


class Elf:
    """A 64-bit little-endian ELF file in memory."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.bytes = bytearray(file.read())
        if self.bytes[:6] != b'\x7fELF\x02\x01':
            raise SystemExit(f'{path} is not a 64-bit little-endian ELF file')
        offset, = struct.unpack_from('<Q', self.bytes, 0x28)
        size, count = struct.unpack_from('<HH', self.bytes, 0x3A)
        self.sections = [struct.unpack_from('<IIQQQQIIQQ', self.bytes, offset + i * size)
                         for i in range(count)]

    def _section(self, kind):
        return next(s for s in self.sections if s[1] == kind)

    def _strings(self, section):
        return self.sections[section[6]][4]  # the file offset of the section's string table

    def _dynamic(self, tag):
        section = self._section(SHT_DYNAMIC)
        for offset in range(section[4], section[4] + section[5], 16):
            found, value = struct.unpack_from('<QQ', self.bytes, offset)
            if found == tag:
                yield self._strings(section) + value

    def _text(self, offset):
        return self.bytes[offset:self.bytes.index(0, offset)].decode()

    def needed(self):
        return [self._text(offset) for offset in self._dynamic(DT_NEEDED)]

    def rename(self, tag, old, new):
        for offset in self._dynamic(tag):
            if self._text(offset) == old:
                if len(new) > len(old):
                    raise SystemExit(f'{new} is longer than {old}')
                self.bytes[offset:offset + len(old)] = new.encode().ljust(len(old), b'\0')

    def share_no_symbols(self):
        section = self._section(SHT_DYNSYM)
        for offset in range(section[4], section[4] + section[5], 24):
            info = self.bytes[offset + 4]
            if info >> 4 == STB_GNU_UNIQUE:
                self.bytes[offset + 4] = STB_GLOBAL << 4 | info & 15

    def write(self, path):
        with open(path, 'wb') as file:
            file.write(self.bytes)
        os.chmod(path, 0o755)


def find(name):
    """Where the loader has a library."""
    cache = subprocess.run(['/sbin/ldconfig', '-p'], capture_output=True, text=True, check=True)
    for line in cache.stdout.splitlines():
        words = line.split()
        if words and words[0] == name and 'x86-64' in line:
            return words[-1]
    raise SystemExit(f'{name} is not in the cache of ldconfig')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--library', required=True)
    parser.add_argument('--out_dir', required=True)
    parser.add_argument('--name', required=True)
    parser.add_argument('--private', action='append', default=[])
    arguments = parser.parse_args()

    library = Elf(arguments.library)
    for rule in arguments.private:
        prefix, new = rule.split('=')
        names = [name for name in library.needed() if name.startswith(prefix)]
        if len(names) != 1:
            raise SystemExit(f'{arguments.library} needs {names}, not one {prefix}')
        copy = Elf(find(names[0]))
        copy.rename(DT_SONAME, names[0], new)
        copy.share_no_symbols()
        copy.write(os.path.join(arguments.out_dir, new))
        library.rename(DT_NEEDED, names[0], new)
    library.write(os.path.join(arguments.out_dir, arguments.name))


if __name__ == '__main__':
    main()
