"""Which calls one graph serves: keys of arguments."""

import collections
import dataclasses
import enum
import itertools

import pytest
import torch

import habana_frameworks.torch as ht

input_hash = ht.hpu.graphs.input_hash


def t(*shape, **options):
    return torch.zeros(*shape, **options).to("hpu")


def all_differ(values):
    for a, b in itertools.combinations(values, 2):
        assert input_hash(a) != input_hash(b), (a, b)
    for value in values:
        assert input_hash(value) == input_hash(value) and hash(input_hash(value)) == hash(input_hash(value))


def test_tensors_differ_by_shape_dtype_strides_device_and_requires_grad():
    all_differ(
        [
            t(2, 3),
            t(3, 2),
            t(6),
            t(2, 3, 1),
            t(3, 2).t(),
            t(2, 3, dtype=torch.bfloat16),
            t(2, 3, dtype=torch.int32),
            t(2, 3, dtype=torch.int64),
            torch.zeros(2, 3),
            t(2, 3).requires_grad_(),
        ]
    )


def test_values_of_tensors_do_not_count_but_those_of_the_host_do():
    assert input_hash(torch.ones(3).to("hpu")) == input_hash(t(3))
    all_differ([torch.zeros(3), torch.ones(3), torch.tensor([1.0, 1.0, 2.0]), torch.zeros(3, dtype=torch.int32)])
    assert input_hash(torch.ones(3)) == input_hash(torch.ones(3))
    assert input_hash(torch.arange(6).reshape(2, 3).t()) != input_hash(torch.arange(6).reshape(3, 2))


def test_true_1_and_1_0_differ():
    all_differ([True, 1, 1.0, "1", 1 + 0j, False, 0, 0.0, -0.0, None, "", float("inf")])
    assert input_hash(float("nan")) == input_hash(float("nan"))


def test_numbers_of_any_size():
    all_differ([2**63 - 1, 2**63, 2**200, -(2**63), -(2**63) - 1])


def test_sequences_differ_by_type_order_and_nesting():
    all_differ([(1, 2), [1, 2], (2, 1), ((1,), 2), (1, (2,)), (1, 2, None), [], (), {}, [[]], [()], {1, 2}, torch.Size([1, 2]), slice(1, 2)])


def test_dicts_are_equal_in_any_order():
    a, b = t(2), t(3)
    assert input_hash({"a": a, "b": b}) == input_hash({"b": b, "a": a}) != input_hash({"a": b, "b": a})
    assert input_hash({1: a, "x": 2}) == input_hash({"x": 2, 1: a}) != input_hash({1.0: a, "x": 2})
    assert input_hash(collections.UserDict(a=a, b=1)) == input_hash(collections.UserDict(b=1, a=a))
    assert input_hash(collections.OrderedDict(a=a)) != input_hash({"a": a})


def test_keyword_arguments_are_equal_in_any_order():
    calls = []
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda **k: (calls.append(1), k["a"] - k["b"])[1])
    assert wrapped(a=t(2) + 3, b=t(2)).cpu().tolist() == [3.0, 3.0]
    assert wrapped(b=t(2) + 1, a=t(2)).cpu().tolist() == [-1.0, -1.0]
    assert len(calls) == 1


class Batch(collections.UserDict):
    """As tokenizers give: a dict with more to it."""

    def __init__(self, data, encodings=None):
        super().__init__(data)
        self.encodings = encodings


@dataclasses.dataclass(frozen=True)
class Meta:
    mask: torch.Tensor
    scale: float = 1.0
    more: object = None


Pair = collections.namedtuple("Pair", "first second")
Other = collections.namedtuple("Other", "first second")


class Colour(enum.IntEnum):
    RED = 1


def test_structures_are_walked():
    all_differ([Pair(t(2), 1), Other(t(2), 1), (t(2), 1), Pair(t(2), 2), Meta(t(2)), Meta(t(3)), Meta(t(2), 2.0), Meta(t(2), 1), Batch({"a": t(2)}), {"a": t(2)}])
    assert input_hash(Meta(t(2), more=[t(3), {"x": t(1)}])) == input_hash(Meta(t(2) + 1, more=[t(3), {"x": t(1)}]))
    all_differ([Colour.RED, 1, True])


def test_structures_keep_their_types_and_are_refreshed():
    def function(batch, meta, pair):
        assert type(batch) is Batch and batch.encodings == "text" and type(meta) is Meta and type(pair) is Pair
        return Batch({"y": batch["x"] * meta.scale + meta.mask + meta.more[0]["z"]}, batch.encodings), pair._replace(second=pair.second + 1)

    wrapped = ht.hpu.wrap_in_hpu_graph_func(function)
    graphs = []
    for value in (1.0, 2.0, 5.0):
        x = torch.full((2,), value).to("hpu")
        batch, pair = wrapped(Batch({"x": x}, "text"), Meta(x, 3.0, [{"z": x}]), Pair("name", x))
        assert type(batch) is Batch and batch["y"].cpu().tolist() == [5 * value] * 2
        assert type(pair) is Pair and pair.first == "name" and pair.second.cpu().tolist() == [value + 1] * 2
        graphs.append(batch)
    assert graphs[0] is graphs[1] is graphs[2]


def test_unhashable_objects_count_by_identity_and_stay_alive():
    class Unhashable:
        __hash__ = None

        def __init__(self, factor):
            self.factor = factor

    calls = []
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x, u: (calls.append(1), x * u.factor)[1])
    x = t(2) + 1
    for factor in range(2, 10):  # an object at the place of a dead one would be taken for it
        assert wrapped(x, Unhashable(factor)).cpu().tolist() == [float(factor)] * 2
    kept = Unhashable(3)
    for _ in range(2):
        assert wrapped(x, kept).cpu().tolist() == [3.0] * 2
    assert len(calls) == 9


def test_arrays_and_sets_are_values():
    import numpy

    all_differ([numpy.zeros(3), numpy.ones(3), numpy.zeros(3, dtype=numpy.float32), numpy.zeros((3, 1)), numpy.float32(0), {0.0}, frozenset({0.0}), bytearray(3)])
    assert input_hash(numpy.ones(3)) == input_hash(numpy.ones(3))


def test_a_repeated_tensor_is_one():
    def function(x, y):
        x.add_(1)
        return x + y

    wrapped = ht.hpu.wrap_in_hpu_graph_func(function)
    for _ in range(2):
        x = t(2)
        assert wrapped(x, x).cpu().tolist() == [2.0, 2.0]
        assert wrapped(t(2), t(2)).cpu().tolist() == [1.0, 1.0]


def test_the_threads_modes_are_part_of_it():
    x = t(2)
    plain = input_hash(x)
    with torch.no_grad():
        without = input_hash(x)
        with torch.inference_mode():
            inference = input_hash(x)
    with torch.autocast("cpu", torch.bfloat16):
        cast = input_hash(x)
    assert len({plain, without, inference, cast}) == 4
    assert input_hash(x) == plain


def test_equal_hashes_of_different_calls_are_not_confused():
    class Collides:
        def __init__(self, value):
            self.value = value

        def __hash__(self):
            return 7

        def __eq__(self, other):
            return self.value == other.value

    a, b, same = input_hash(Collides(1)), input_hash(Collides(2)), input_hash(Collides(1))
    assert hash(a) == hash(b) and int(a) == int(b)
    assert a != b and a == same and {a: 1}.get(b) is None


def test_a_list_in_itself_is_an_error_not_a_crash():
    endless = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        input_hash(endless)
    assert input_hash([1]) == input_hash([1])


def test_an_error_of_an_argument_is_the_callers():
    class Bad:
        def __hash__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ht.hpu.wrap_in_hpu_graph_func(lambda x, bad: x)(t(2), Bad())


def test_copy_to_refreshes_nested_tensors():
    mine = {"a": [t(2), (t(3), "text")], "b": Meta(t(1))}
    given = {"b": Meta(t(1) + 5), "a": [t(2) + 1, (t(3) + 2, "text")]}
    ht.hpu.graphs.copy_to(mine, given)
    assert [x.cpu().tolist() for x in ht.hpu.graphs.extract_tensors(mine)] == [[1.0] * 2, [2.0] * 3, [5.0]]
    for bad in ([t(2)], {"a": 1}, (t(2),)):
        with pytest.raises(AssertionError):
            ht.hpu.graphs.copy_to(mine, bad)


def test_the_tensors_of_a_structure():
    x, y = t(2), t(3)
    graphs = ht.hpu.graphs
    assert [a is b for a, b in zip(graphs.extract_tensors([x, {"k": (y, 1, x)}]), (x, y, x))] == [True] * 3
    assert len(graphs.get_user_input_tensor_list((x, [y, x], torch.ones(1)))) == 2
    assert graphs.get_tensor_info(x)[0]["shape"] == (2,) and graphs.get_tensor_info([x, y])[1]["dtype"] == torch.float32
