"""Reads BUILD files: Starlark's statements are Python's, so they are run with rules that record what
they are called with."""

import os

# Attributes that hold no dependency.
_NOT_LABELS = ('name', 'visibility', 'tags', 'expression', 'scope', 'args', 'cmd', 'copts', 'linkopts',
               'defines', 'includes', 'packages', 'features', 'main', 'imports', 'size')


class Target:
    """A rule or macro call: its kind, its package ("hal/base"), whether it is for tests, and the
    labels that it names in full."""

    def __init__(self, kind, package, attributes, testonly):
        self.kind = kind
        self.package = package
        self.name = attributes.get('name', '')
        self.testonly = bool(attributes.get('testonly', testonly)) or kind.endswith('_test')
        self.labels = []
        for key, value in attributes.items():
            if key not in _NOT_LABELS:
                self._collect(value)

    def _collect(self, value):
        if isinstance(value, str):
            if value.startswith(('//', '@')):
                self.labels.append(value)
            elif value.startswith(':'):
                self.labels.append(f'//{self.package}{value}')
        elif isinstance(value, dict):
            for item in list(value) + list(value.values()):
                self._collect(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._collect(item)

    def __str__(self):
        return f'//{self.package}:{self.name}'


class _Globals(dict):
    """Any name that is not Starlark's own is a rule or a macro."""

    def __init__(self, package):
        super().__init__()
        self.targets = []
        self._package = package
        self._testonly = False
        self['glob'] = lambda *a, **k: []
        self['load'] = lambda *a, **k: None
        self['exports_files'] = lambda *a, **k: None
        self['select'] = lambda cases, **k: [v for case in cases.values() for v in case]
        self['package'] = self._package_call
        self['package_group'] = lambda **k: None

    def _package_call(self, **attributes):
        self._testonly = bool(attributes.get('default_testonly', False))

    def __missing__(self, name):
        builtins = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
        if name in builtins:
            return builtins[name]

        def rule(*unused, **attributes):
            self.targets.append(Target(name, self._package, attributes, self._testonly))

        return rule


def read(package, text):
    """The targets of one BUILD file."""
    scope = _Globals(package)
    exec(compile(text, f'{package}/BUILD', 'exec'), scope)  # pylint: disable=exec-used
    return scope.targets


def read_all(files):
    """The targets of all BUILD files among workspace.files(), but third_party's."""
    targets = []
    for path, text in files:
        if os.path.basename(path) == 'BUILD' and not path.startswith('third_party/'):
            targets += read(os.path.dirname(path), text)
    return targets
