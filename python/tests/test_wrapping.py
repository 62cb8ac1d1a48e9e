"""Modules and functions wrapped in HPU Graphs."""

import collections
import copy
import inspect
import os
import pickle

import pytest
import torch

import habana_frameworks.torch as ht


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 3)
        self.calls = 0

    def forward(self, x, scale=1.0, *, more=None):
        self.calls += 1
        y = torch.relu(self.layer(x)) * scale
        return y if more is None else {"y": y, "more": [m + 1 for m in more]}


@pytest.fixture
def nets():
    torch.manual_seed(3)
    host = Net()
    with torch.no_grad():
        yield host, ht.hpu.wrap_in_hpu_graph(copy.deepcopy(host).to("hpu"))


def test_a_wrapped_module_replays(nets):
    host, net = nets
    for _ in range(4):
        x = torch.randn(5, 6)
        assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    assert net.calls == 1


def test_the_first_inputs_are_not_overwritten(nets):
    _, net = nets
    first = torch.ones(5, 6).to("hpu")
    net(first)
    net(torch.zeros(5, 6).to("hpu"))
    assert torch.equal(first.cpu(), torch.ones(5, 6))


def test_outputs_are_the_same_objects(nets):
    _, net = nets
    assert net(torch.ones(5, 6).to("hpu")) is net(torch.zeros(5, 6).to("hpu"))


def test_what_a_graph_depends_on_makes_another(nets):
    host, net = nets
    x = torch.randn(5, 6)
    there = x.to("hpu")
    for arguments, keywords in (((there,), {}), ((there[:3],), {}), ((there, 2.0), {}), ((there, 2), {}), ((there,), {"more": [there, there[0]]})):
        expected = host(*[a.cpu() if isinstance(a, torch.Tensor) else a for a in arguments], **{k: [t.cpu() for t in v] for k, v in keywords.items()})
        for _ in range(2):
            got = net(*arguments, **keywords)
            if isinstance(got, dict):
                assert torch.allclose(got["more"][1].cpu(), expected["more"][1])
                got, wanted = got["y"], expected["y"]
            else:
                wanted = expected
            assert torch.allclose(got.cpu(), wanted, atol=1e-6)
    assert net.calls == 5
    with torch.enable_grad():
        assert net(there).requires_grad
    assert net.calls == 6
    net.clear_cache()
    net(there)
    assert net.calls == 7


def test_strides_and_dtypes_are_part_of_it(nets):
    host, net = nets
    x = torch.randn(6, 5)
    assert torch.allclose(net(x.t().contiguous().to("hpu")).cpu(), host(x.t()), atol=1e-6)
    assert torch.allclose(net(x.to("hpu").t()).cpu(), host(x.t()), atol=1e-6)
    assert net.calls == 2


def test_weights_written_in_place_are_seen(nets):
    host, net = nets
    x = torch.randn(5, 6)
    net(x.to("hpu"))
    for _ in range(2):
        host.layer.weight.mul_(0.5)
        net.layer.weight.mul_(0.5)
        assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    net.load_state_dict(Net().state_dict())
    host.load_state_dict(net.state_dict())
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    assert net.calls == 1


def test_replaced_parameters_and_modules_are_seen(nets):
    host, net = nets
    x = torch.randn(5, 6)
    net(x.to("hpu"))
    host.layer = torch.nn.Linear(6, 3)
    net.layer = copy.deepcopy(host.layer).to("hpu")
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    host.layer.weight = torch.nn.Parameter(torch.randn(3, 6))
    net.layer.weight = torch.nn.Parameter(host.layer.weight.detach().to("hpu"))
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    host.layer.bias.data = torch.randn(3)
    net.layer.bias.data = host.layer.bias.data.to("hpu")
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)


def test_a_model_may_be_wrapped_before_it_is_moved():
    torch.manual_seed(3)
    host = Net()
    net = ht.hpu.wrap_in_hpu_graph(copy.deepcopy(host))
    with torch.no_grad():
        x = torch.randn(5, 6)
        assert torch.equal(net(x), host(x))
        net.to("hpu")
        for _ in range(2):
            x = torch.randn(5, 6)
            assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)


def test_tensors_of_the_host_are_values_of_the_key():
    @torch.no_grad()
    def function(x, table):
        return x + table.to("hpu")

    wrapped = ht.hpu.wrap_in_hpu_graph_func(function)
    x = torch.zeros(2).to("hpu")
    for value in (1.0, 1.0, 5.0):
        assert wrapped(x, torch.full((2,), value)).cpu().tolist() == [value] * 2


def test_more_graphs_than_allowed_run_uncaptured():
    net = Net().to("hpu")
    wrapped = ht.hpu.wrap_in_hpu_graph(net, max_graphs=1)
    with torch.no_grad():
        for size in (1, 2, 2, 1):
            wrapped(torch.ones(size, 6).to("hpu"))
    assert net.calls == 3


def test_bypassing(nets):
    host, net = nets
    x = torch.randn(5, 6)
    for _ in range(2):
        assert torch.allclose(net(x.to("hpu"), bypass_hpu_graphs=True).cpu(), host(x), atol=1e-6)
    assert net.calls == 2


def test_wrapped_modules_nest(nets):
    host, net = nets
    outer = ht.hpu.wrap_in_hpu_graph(torch.nn.Sequential(net, torch.nn.ReLU()))
    for _ in range(3):
        x = torch.randn(5, 6)
        assert torch.allclose(outer(x.to("hpu")).cpu(), torch.relu(host(x)), atol=1e-6)
    assert net.calls == 1


def test_a_call_on_another_stream_is_ordered_with_it(nets):
    host, net = nets
    stream = ht.hpu.Stream()
    for _ in range(3):
        x = torch.randn(5, 6)
        with ht.hpu.stream(stream):
            y = net(x.to("hpu") * 2) + 1
        stream.synchronize()
        assert torch.allclose(y.cpu(), host(x * 2) + 1, atol=1e-6)


def test_named_tuples_and_dicts_keep_their_types():
    Pair = collections.namedtuple("Pair", "a b")

    def function(pair, table):
        return Pair(pair.a + table["x"], pair.b)

    wrapped = ht.hpu.wrap_in_hpu_graph_func(function)
    for value in (1.0, 2.0):
        t = torch.full((2,), value).to("hpu")
        result = wrapped(Pair(t, "name"), {"x": t})
        assert isinstance(result, Pair) and result.b == "name" and result.a.cpu().tolist() == [2 * value] * 2


def test_the_cpu_is_refused_in_a_wrapped_module_by_name():
    wrapped = ht.hpu.wrap_in_hpu_graph_func(torch.lgamma)
    x = torch.ones(3).to("hpu")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cpu fallback is not supported during hpu graph capturing"):
            wrapped(x)
    assert (x + 1).cpu().tolist() == [2.0] * 3


def counted(function):
    def counting(*args, **kwargs):
        counting.calls += 1
        return function(*args, **kwargs)

    counting.calls = 0
    return counting


def test_an_exception_in_a_wrapped_call_restores_everything(nets):
    host, net = nets
    layer, net.layer = net.layer, torch.nn.Identity()

    class Trouble(Exception):
        pass

    def trouble(*_):
        raise Trouble

    net.layer.forward = trouble
    x = torch.randn(5, 6)
    for _ in range(2):
        with pytest.raises(Trouble):
            net(x.to("hpu"))
        assert not ht.hpu.is_current_stream_capturing()
    net.layer = layer
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    assert len(net.forward.cache) == 1


def test_what_a_function_writes_to_its_inputs_reaches_the_caller():
    for release in (False, True):
        wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x, cache: (cache[:1].add_(x), x * 2)[1], disable_tensor_cache=release)
        for value in (1.0, 2.0, 3.0):
            x, cache = torch.full((1, 4), value).to("hpu"), torch.ones(3, 4).to("hpu")
            assert wrapped(x, cache).cpu().tolist() == [[2 * value] * 4]
            assert cache.cpu().tolist() == [[1 + value] * 4, [1.0] * 4, [1.0] * 4]


def test_the_static_tensors_may_be_passed(nets):
    host, net = nets
    net(torch.ones(5, 6).to("hpu"))
    (params,) = net.forward.cache.values()
    assert isinstance(params, ht.hpu.graphs.CachedParams)
    (static,), keywords = params.graph_inputs
    assert keywords == {}
    for _ in range(2):
        x = torch.randn(5, 6)
        static.copy_(x)
        y = net(static)
        assert y is params.graph_outputs and torch.allclose(y.cpu(), host(x), atol=1e-6)
    assert params.graph.segments == 1 and net.calls == 1


def test_outputs_of_released_graphs_belong_to_the_caller():
    torch.manual_seed(3)
    host = Net()
    net = ht.hpu.wrap_in_hpu_graph(copy.deepcopy(host).to("hpu"), disable_tensor_cache=True)
    with torch.no_grad():
        inputs = [torch.randn(5, 6) for _ in range(4)]
        outputs = [net(x.to("hpu"), more=[x.to("hpu")]) for x in inputs]
        for x, y in zip(inputs, outputs):
            assert torch.allclose(y["y"].cpu(), host(x), atol=1e-6) and torch.allclose(y["more"][0].cpu(), x + 1)
        y = outputs[-1]["y"]
        for _ in range(3):  # an output may be an input
            again = net(torch.cat([y, y], 1))
            assert torch.allclose(again.cpu(), host(torch.cat([y, y], 1).cpu()), atol=1e-6)
            y = again
    assert net.calls == 2


def test_outputs_that_are_inputs_or_weights_stay_what_they_are():
    weight = torch.ones(4).to("hpu")
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: (x, x[1:], weight, x + weight), disable_tensor_cache=True)
    for value in (1.0, 2.0):
        x = torch.full((4,), value).to("hpu")
        same, view, state, new = wrapped(x)
        assert same is x and state is weight
        x.add_(1)
        assert view.cpu().tolist() == [value + 1] * 3 and new.cpu().tolist() == [value + 1] * 4


def test_what_was_there_before_a_released_graph_is_not_given_away():
    written = torch.empty(4).to("hpu")  # filled by each call before anything reads it
    for function in (lambda x: (written.copy_(x * 2), x + 1)[1], lambda x: written.copy_(x * 2)):
        wrapped = ht.hpu.wrap_in_hpu_graph_func(function, disable_tensor_cache=True)
        for value in (1.0, 2.0, 3.0):
            wrapped(torch.full((4,), value).to("hpu"))
            assert written.cpu().tolist() == [2 * value] * 4


def test_a_dry_run_captures_without_executing():
    for release in (False, True):
        total = torch.zeros(4).to("hpu")

        def function(x):
            total.add_(x)
            return x * 2

        wrapped = ht.hpu.wrap_in_hpu_graph_func(function, dry_run=True, disable_tensor_cache=release)
        for i in (1, 2, 3):
            assert wrapped(torch.ones(4).to("hpu")).cpu().tolist() == [2.0] * 4
            assert total.cpu().tolist() == [float(i)] * 4


def test_warming_up_does_not_replay():
    total = torch.zeros(4).to("hpu")
    for release, stale in ((False, 2.0), (True, 0.0)):
        total.zero_()
        wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: (total.add_(1), x * 2)[1], disable_tensor_cache=release)
        x = torch.ones(4).to("hpu")
        assert wrapped(x, warmup_mode=True).cpu().tolist() == [2.0] * 4  # a miss captures
        assert wrapped(x * 3, warmup_mode=True).cpu().tolist() == [stale] * 4
        assert total.cpu().tolist() == [1.0] * 4
        assert wrapped(x * 3).cpu().tolist() == [6.0] * 4
        assert total.cpu().tolist() == [2.0] * 4


def test_the_lists_of_tensors_to_cache_are_not_arguments():
    cache = torch.zeros(4).to("hpu")
    function = counted(lambda x: cache.add_(x) * 1)
    for release in (False, True):
        cache.zero_()
        function.calls = 0
        wrapped = ht.hpu.wrap_in_hpu_graph_func(function, disable_tensor_cache=release)
        for i in (1, 2, 3):
            assert wrapped(torch.ones(4).to("hpu"), cache_tensors_list=[cache]).cpu().tolist() == [float(i)] * 4
        assert function.calls == 1
        wrapped(torch.ones(4).to("hpu"))
        assert function.calls == 2


def test_the_environment_overrides_the_arguments(monkeypatch):
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: x * 2)
    x = torch.ones(4).to("hpu")
    assert wrapped(x) is wrapped(x)
    monkeypatch.setenv("PT_HPUGRAPH_DISABLE_TENSOR_CACHE", "1")
    assert wrapped(x) is not wrapped(x)
    monkeypatch.setenv("PT_HPUGRAPH_DISABLE_TENSOR_CACHE", "0")
    released = ht.hpu.wrap_in_hpu_graph_func(lambda x: x * 3, disable_tensor_cache=True)
    assert released(x) is released(x)
    monkeypatch.setenv("PT_HPUGRAPH_ENABLE_DRY_RUN", "1")
    total = torch.zeros(4).to("hpu")
    dry = ht.hpu.wrap_in_hpu_graph_func(lambda x: total.add_(x))
    assert dry(x).cpu().tolist() == [1.0] * 4


def test_modes_have_graphs_of_their_own():
    net = ht.hpu.wrap_in_hpu_graph(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Dropout(0.0))).to("hpu").eval())
    x = torch.ones(2, 4).to("hpu")

    def graphs():
        net(x)
        return len(net.forward.cache)

    with torch.no_grad():
        assert graphs() == graphs() == 1
        net[1][0].train()  # of a submodule alone
        assert graphs() == 2
        net.eval()
        assert graphs() == 2
        with torch.inference_mode():
            assert graphs() == 3
    assert graphs() == 4
    net[0].weight.requires_grad_(False)
    assert graphs() == 5
    net[0].bias.requires_grad = False
    assert graphs() == graphs() == 6


def test_only_a_real_replacement_captures_again(nets):
    host, net = nets
    x = torch.randn(5, 6)
    net(x.to("hpu"))
    other = torch.nn.Linear(3, 3)  # elsewhere
    other.weight.data = torch.zeros(3, 3)
    net.layer.weight = net.layer.weight  # by itself
    net.load_state_dict(net.state_dict())
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    assert net.calls == 1


def replacements():
    new = lambda: torch.nn.Parameter(torch.randn(3, 6).to("hpu"))  # noqa: E731

    def delete_and_register(net):
        del net.layer.weight
        net.layer.register_parameter("weight", new())

    def move(net):
        net.cpu()
        net.layer.weight.data.mul_(3)
        net.to("hpu")

    return {
        "attribute": lambda net: setattr(net.layer, "weight", new()),
        "data": lambda net: setattr(net.layer.weight, "data", new().data),
        "set_": lambda net: net.layer.weight.detach().set_(new().data) is None or net.layer.weight.data.copy_(new()),
        "delete": delete_and_register,
        "apply": move,
        "bias": lambda net: setattr(net.layer, "bias", None),
        "add_module": lambda net: net.add_module("layer", torch.nn.Linear(6, 3).to("hpu")),
    }


@pytest.mark.parametrize("how", sorted(replacements()))
def test_a_replaced_parameter_is_seen_however_it_is_replaced(nets, how):
    _, net = nets
    x = torch.randn(5, 6)
    first = net(x.to("hpu")).cpu()
    for _ in range(2):
        replacements()[how](net)
        got = net(x.to("hpu")).cpu()
        assert torch.allclose(got, torch.relu(torch.nn.functional.linear(x, net.layer.weight.cpu(), None if net.layer.bias is None else net.layer.bias.cpu())), atol=1e-5)
        assert len(net.forward.cache) == 1  # the stale graph went
    assert not torch.equal(first, got)


def test_replaced_entries_of_containers_are_seen():
    layers = lambda: torch.nn.Linear(4, 4).to("hpu")  # noqa: E731

    class Stack(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.list, self.table = torch.nn.ModuleList([layers(), layers()]), torch.nn.ModuleDict({"a": layers(), "b": layers()})

        def forward(self, x):
            for layer in (*self.list, *self.table.values()):
                x = layer(x)
            return x

    net = ht.hpu.wrap_in_hpu_graph(Stack())
    changes = [
        lambda: net.list.append(layers()),
        lambda: net.list.insert(0, layers()),
        lambda: net.list.__delitem__(0),
        lambda: net.list.__setitem__(0, layers()),
        lambda: net.table.pop("a"),
        lambda: net.table.update({"b": layers()}),
        lambda: net.table.clear(),
    ]
    x = torch.ones(2, 4).to("hpu")
    with torch.no_grad():
        for change in changes:
            net(x)
            change()
            assert torch.allclose(net(x).cpu(), net(x, bypass_hpu_graphs=True).cpu(), atol=1e-6)


def test_modules_of_a_wrapped_function_are_watched():
    layer = torch.nn.Linear(4, 4).to("hpu")
    wrapped = {"closure": ht.hpu.wrap_in_hpu_graph_func(lambda x: layer(x)), "argument": ht.hpu.wrap_in_hpu_graph_func(lambda m, x: m(x))}
    x = torch.ones(2, 4).to("hpu")
    with torch.no_grad():
        for _ in range(3):
            layer.weight = torch.nn.Parameter(torch.randn(4, 4).to("hpu"))
            for how, function in wrapped.items():
                got = function(x) if how == "closure" else function(layer, x)
                assert torch.equal(got.cpu(), layer(x).cpu())


def test_hooks_run_at_every_call(nets):
    _, net = nets
    seen = []
    x = torch.ones(5, 6).to("hpu")
    net(x)
    net.register_forward_hook(lambda *_: seen.append("after"))
    net.register_forward_pre_hook(lambda *_: seen.append("before"))
    for _ in range(2):
        net(x)
    assert seen == ["before", "after"] * 2


def test_a_wrapped_forward_looks_like_the_original(nets):
    host, net = nets
    assert inspect.signature(net.forward) == inspect.signature(host.forward)
    assert net.forward.__name__ == "forward"


def test_copies_of_a_wrapped_module_are_their_own(nets):
    host, net = nets
    x = torch.randn(5, 6)
    net(x.to("hpu"))
    other = copy.deepcopy(net)
    other.layer.weight.zero_()
    other.layer.bias.zero_()
    assert other(x.to("hpu")).cpu().abs().max() == 0
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-6)
    other.clear_cache()
    assert len(net.forward.cache) == 1


def test_wrapped_modules_are_pickled_without_their_graphs():
    net = ht.hpu.wrap_in_hpu_graph(Net())
    net.to("hpu")
    with torch.no_grad():
        net(torch.ones(5, 6).to("hpu"))
        net.cpu()
        again = pickle.loads(pickle.dumps(net)).to("hpu")
        net.to("hpu")
        x = torch.randn(5, 6).to("hpu")
        assert len(again.forward.cache) == 0
        assert torch.equal(again(x).cpu(), net(x).cpu())


def test_users_caches_work():
    cache = {}
    layer = torch.nn.Linear(4, 4).to("hpu")
    function = counted(lambda x, scale=1.0: layer(x) * scale)
    for scale in (1.0, 1.0, 2.0, 2.0):
        x = torch.randn(2, 4).to("hpu")
        with torch.no_grad():
            y = ht.hpu.graphs.wrapped_hpugraph_forward(cache, ht.hpu.default_stream(), function, (x,), {"scale": scale})
            assert torch.allclose(y.cpu(), (layer(x) * scale).cpu())
    assert len(cache) == 2 and function.calls == 2
    for params in cache.values():
        assert params.graph_outputs.shape == (2, 4) and params.graph_inputs[0][0].shape == (2, 4)


def test_programs_that_build_on_the_parts():
    layer = torch.nn.Linear(4, 4).to("hpu")
    cache = {}

    @torch.no_grad()
    def forward(*args, **kwargs):
        inputs = (args, kwargs)
        h = ht.hpu.graphs.input_hash(inputs)
        cached = cache.get(h)
        if cached is None:
            with ht.hpu.stream(ht.hpu.default_stream()):
                graph = ht.hpu.HPUGraph()
                graph.capture_begin()
                outputs = layer(*args, **kwargs)
                graph.capture_end()
                cache[h] = ht.hpu.graphs.CachedParams(inputs, outputs, graph)
            return outputs
        ht.hpu.graphs.copy_to(cached.graph_inputs, inputs)
        cached.graph.replay()
        ht.core.hpu.default_stream().synchronize()
        return cached.graph_outputs

    for size in (2, 2, 3, 2, 3):
        x = torch.randn(size, 4)
        assert torch.allclose(forward(x.to("hpu")).cpu(), layer(x.to("hpu")).cpu(), atol=1e-6)
    assert len(cache) == 2
