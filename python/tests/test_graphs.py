"""HPU Graphs: capture and replay, and modules wrapped in them."""

import collections
import copy

import pytest
import torch

import habana_frameworks.torch as ht


def captured(function):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = function()
    graph.capture_end()
    return graph, result


# --- capture and replay


def test_a_capture_runs_once_and_each_replay_again():
    x = torch.ones(4).to("hpu")
    graph, _ = captured(lambda: x.add_(1))
    assert x.cpu().tolist() == [2.0] * 4
    graph.replay()
    assert x.cpu().tolist() == [3.0] * 4


def test_inputs_are_refreshed_and_outputs_stay_where_they_are():
    x = torch.ones(4).to("hpu")
    graph, y = captured(lambda: x * 2)
    address = y.data_ptr()
    for value in (5.0, 7.0):
        x.copy_(torch.full((4,), value))
        graph.replay()
        assert y.cpu().tolist() == [2 * value] * 4 and y.data_ptr() == address


def test_mark_step_splits_a_capture():
    x = torch.ones(4).to("hpu")

    def function():
        y = x + 1
        ht.core.mark_step()
        return y * 3

    graph, z = captured(function)
    assert graph.segments == 2
    x.copy_(torch.full((4,), 9.0))
    graph.replay()
    assert z.cpu().tolist() == [30.0] * 4


def test_the_context_captures_on_a_stream_of_its_own():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    assert not ht.hpu.is_current_stream_capturing()
    with ht.hpu.graph(graph):
        assert ht.hpu.is_current_stream_capturing()
        assert ht.hpu.current_stream() != ht.hpu.default_stream()
        y = x + 1
    assert not ht.hpu.is_current_stream_capturing()
    ht.hpu.synchronize()
    x.add_(1)
    ht.hpu.synchronize()
    graph.replay()
    ht.hpu.synchronize()
    assert y.cpu().tolist() == [3.0] * 4


def test_an_exception_abandons_a_capture():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    with pytest.raises(ZeroDivisionError):
        with ht.hpu.graph(graph):
            x.add_(1)
            raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="The capture was discarded"):
        graph.replay()
    with ht.hpu.graph(ht.hpu.HPUGraph()):
        y = x + 1
    ht.hpu.synchronize()
    assert y.cpu().tolist() == [3.0] * 4


def test_the_vendors_messages():
    x = torch.ones(4).to("hpu")
    graph, other, stream = ht.hpu.HPUGraph(), ht.hpu.HPUGraph(), ht.hpu.Stream()
    graph.capture_end()  # nothing
    graph.capture_begin()
    with pytest.raises(RuntimeError, match="GRAPH:: graph Capture already in progress"):
        graph.capture_begin()
    with pytest.raises(RuntimeError, match="GRAPH:: graph Capture already in progress"):
        other.capture_begin()
    with pytest.raises(RuntimeError, match="GRAPH:: Capture in progress"):
        graph.replay()
    with ht.hpu.stream(stream):
        with pytest.raises(RuntimeError, match="GRAPH:: Capture must end on the same stream it began on."):
            graph.capture_end()
    y = x + 1
    graph.capture_end()
    graph.replay()
    assert y.cpu().tolist() == [2.0] * 4


def test_dropping_a_graph_leaves_another_ones_capture_alone():
    x = torch.ones(4).to("hpu")
    old, _ = captured(lambda: x + 1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 5
    old.reset()
    del old
    graph.capture_end()
    x.add_(1)
    graph.replay()
    assert y.cpu().tolist() == [10.0] * 4


def test_values_for_the_host_are_refused_in_a_capture():
    x = torch.ones(4).to("hpu")
    for read in (lambda: x[0].item(), lambda: x.cpu(), lambda: bool(x[0] > 0), lambda: x.tolist()):
        graph = ht.hpu.HPUGraph()
        graph.capture_begin()
        with pytest.raises(RuntimeError, match=r"is not supported during HPU Graph capturing \(test_graphs.py:\d+\)"):
            read()
        assert x.cpu().tolist() == [1.0] * 4


def test_values_from_the_host_are_constants_of_the_capture():
    x = torch.zeros(2).to("hpu")

    def function():
        table = torch.tensor([1.0, 2.0]).to("hpu")
        table.add_(x)
        return table

    graph, y = captured(function)
    for _ in range(3):
        graph.replay()
        assert y.cpu().tolist() == [1.0, 2.0]


def test_recipes_are_saved(tmp_path):
    x = torch.ones(4).to("hpu")
    graph, _ = captured(lambda: x + 1)
    path = tmp_path / "recipe"
    graph.save(str(path))
    assert path.read_bytes().startswith(b"OHPURCP\n")
    with pytest.raises(RuntimeError, match="the graph is empty"):
        ht.hpu.HPUGraph().save(str(path))


def test_two_graphs_on_two_streams():
    graphs = []
    for factor in (2, 3):
        stream = ht.hpu.Stream()
        with ht.hpu.stream(stream):
            x = torch.ones(128, 128).to("hpu")
            graph, y = captured(lambda: (x @ x) * factor)
        graphs.append((graph, y, factor))
    for order in ((0, 1), (1, 0), (1, 1, 0)):
        for i in order:
            graphs[i][0].replay()
        ht.hpu.synchronize()
        for _, y, factor in graphs:
            assert torch.equal(y.cpu(), torch.full((128, 128), 128.0 * factor))


# --- wrapped modules


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


def test_what_is_not_supported_yet_says_so():
    for keyword in ("disable_tensor_cache", "dry_run"):
        with pytest.raises(NotImplementedError, match=keyword):
            ht.hpu.wrap_in_hpu_graph(Net(), **{keyword: True})


def test_the_cpu_is_refused_in_a_wrapped_module_by_name():
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: torch.sort(x).values)
    x = torch.ones(3).to("hpu")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cpu fallback is not supported during hpu graph capturing"):
            wrapped(x)
    assert (x + 1).cpu().tolist() == [2.0] * 3
