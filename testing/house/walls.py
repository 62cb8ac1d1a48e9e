"""Which room may depend on which: the arrows of //BUILD, target by target.

The walls hold over any number of steps when they hold for every step, because a library behind a wall
cannot be named. walls_test looks at each step of every BUILD file; the tests made by layering.bzl ask
Bazel about whole paths, for the targets at each room's door.
"""

import re

# What the room's libraries may not name.
_LIBRARIES = {
    'hal': '//(simulator|runtime|graph|python|testing)|@(systemc|torch|dnnl|python3)//',
    'simulator': '//(runtime|graph|python|testing)|@(torch|python3)//',
    'simulator/functional': '//(simulator/(?!functional)|simulator(?=:)|runtime|graph|python|testing)|'
                            '@(systemc|torch|python3)//',
    'simulator/scenario': '//(python|testing)|@(torch|python3)//',
    'runtime': '//(simulator|graph|python|testing|hal/abi|hal/gaudi|hal/null|hal/habanalabs)|'
               '@(systemc|torch|dnnl|python3)//',
    'graph': '//(simulator|python|testing|hal/abi|hal/gaudi|hal/null|hal/habanalabs)|'
             '@(systemc|torch|dnnl|python3)//',
    'python': '//(testing|hal/abi|hal/gaudi)|@(systemc|torch|dnnl|python3)//',
    'python/native': '//(testing|hal/abi|hal/gaudi)|@(systemc|dnnl)//',
    'testing': '//(runtime|graph|python)|@(torch|python3)//',
}

# What tests and programs may not: they may open a driver, and look at rooms below their own.
_LEAVES = {
    'hal': '//(runtime|graph|python)|@(torch|dnnl|python3)//',
    'simulator': '//(runtime|graph|python)|@(torch|python3)//',
    'simulator/scenario': '//python|@(torch|python3)//',
    'runtime': '//(graph|python|hal/abi)|@(systemc|torch|dnnl|python3)//',
    'graph': '//(python|hal/abi)|@(systemc|torch|dnnl|python3)//',
    'python': '//hal/abi|@(systemc|dnnl)//',
    'testing': '//python|@(torch|python3)//',
}


def _rule(table, package):
    while package and package not in table:
        package = package.rpartition('/')[0]
    return table.get(package)


def _is_leaf(target):
    return target.testonly or target.kind.endswith(('_test', '_binary'))


def breaches(target):
    """The labels that the target names and may not. What a test or a program may is no way round:
    no library can name those."""
    # Support for tests is a library of its own kind.
    is_leaf = _is_leaf(target) and not (target.package.startswith('testing') and
                                        target.kind.endswith('_library'))
    pattern = _rule(_LEAVES if is_leaf else _LIBRARIES, target.package)
    if pattern is None:
        return []
    # Up to the end of a component: //graph is //graph:graph and not //graphics; @torch is
    # @torch//:torch.
    pattern = re.compile(f'(?:{pattern})(?:(?<=/)|(?=[/:]))')
    return [label for label in target.labels if pattern.match(_in_full(label))]


def _in_full(label):
    if label.startswith('@') and '//' not in label:
        return f'{label}//:{label[1:]}'
    return label if ':' in label else f'{label}:{label.rpartition("/")[2]}'
