"""The workspace's own files, for tests that look at all of them.

Bazel's globs stop at packages, so such a test runs outside the sandbox and finds the tree through
one file of it, whose runfiles link leads there.
"""

import os


def root():
    """The folder of WORKSPACE, which is in the test's data."""
    return os.path.dirname(os.path.realpath('WORKSPACE'))


def files():
    """(path relative to the root, with forward slashes; text) of every text file, sorted."""
    top = root()
    found = []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(
            f for f in folders
            if f not in ('.git', '__pycache__') and not (folder == top and f.startswith('bazel-')))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            try:
                with open(path, encoding='utf-8') as file:
                    found.append((os.path.relpath(path, top), file.read()))
            except UnicodeDecodeError:
                continue  # not text
    return found
