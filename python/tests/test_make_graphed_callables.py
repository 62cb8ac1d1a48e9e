"""make_graphed_callables: training with a forward and a backward graph."""

import copy

import pytest
import torch

import habana_frameworks.torch as ht


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(8, 16), torch.nn.Linear(16, 4)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.second(torch.relu(self.first(x)))


@pytest.fixture
def nets():
    torch.manual_seed(5)
    host = Net()
    return host, copy.deepcopy(host).to("hpu")


def gradients(net):
    return [p.grad.cpu() for p in net.parameters()]


def close(a, b):
    assert len(a) == len(b) and all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b))


def square_loss(y, wanted):
    difference = y - wanted
    return (difference * difference).mean()


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_training_for_100_steps_gives_the_cpus_losses(nets, optimizer):
    host, net = nets
    xs, ys = torch.randn(10, 6, 8), torch.randn(10, 6, 4)
    net = ht.hpu.make_graphed_callables(net, (xs[0].to("hpu"),))
    calls = net.calls
    make = {"SGD": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), "AdamW": lambda p: torch.optim.AdamW(p, 0.01)}[optimizer]
    optimizers = [make(m.parameters()) for m in (host, net)]
    seen = []
    for step in range(100):
        losses = [square_loss(m(x), y) for m, x, y in ((host, xs[step % 10], ys[step % 10]), (net, xs[step % 10].to("hpu"), ys[step % 10].to("hpu")))]
        for o, loss in zip(optimizers, losses):
            o.zero_grad()
            loss.backward()
            o.step()
        expected, got = losses[0].item(), losses[1].item()
        assert abs(expected - got) <= 1e-3
        seen.append(expected)
    assert sum(seen[-10:]) < sum(seen[:10]) and net.calls == calls


def test_gradients_accumulate(nets):
    host, net = nets
    net = ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),))
    for to_none in (True, False):
        for _ in range(3):
            x = torch.randn(6, 8)
            host(x).sum().backward()
            net(x.to("hpu")).sum().backward()
        close(gradients(net), gradients(host))
        for m in nets:
            m.zero_grad(set_to_none=to_none)


def test_inputs_get_gradients_and_are_only_read(nets):
    host, net = nets
    sample = torch.ones(6, 8).to("hpu").requires_grad_()
    net = ht.hpu.make_graphed_callables(net, (sample,))
    for _ in range(2):
        x = torch.randn(6, 8, requires_grad=True)
        there = x.detach().to("hpu").requires_grad_()
        host(x * 2).sum().backward()
        net(there * 2).sum().backward()
        assert torch.allclose(there.grad.cpu(), x.grad, atol=1e-5)
    assert torch.equal(sample.detach().cpu(), torch.ones(6, 8))


def test_several_callables_chain():
    torch.manual_seed(5)
    host = [torch.nn.Linear(8, 8), Net()]
    nets = tuple(copy.deepcopy(m).to("hpu") for m in host)
    sample = torch.ones(6, 8).to("hpu")
    a, b, f = ht.hpu.make_graphed_callables((*nets, lambda x: x * 3), ((sample,), (sample.clone().requires_grad_(),), (torch.ones(6, 4).to("hpu").requires_grad_(),)))
    assert a is nets[0] and b is nets[1]
    for _ in range(2):
        x = torch.randn(6, 8)
        (host[1](host[0](x)) * 3).sum().backward()
        f(b(a(x.to("hpu")))).sum().backward()
    for mine, theirs in zip(nets, host):
        close(gradients(mine), gradients(theirs))


def test_functions_may_return_tuples():
    f = ht.hpu.make_graphed_callables(lambda x, y: (x * y, x + y), (torch.ones(3).to("hpu").requires_grad_(), torch.ones(3).to("hpu").requires_grad_()))
    x, y = (torch.tensor(v).to("hpu").requires_grad_() for v in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    product, total = f(x, y)
    assert product.cpu().tolist() == [4.0, 10.0, 18.0] and total.cpu().tolist() == [5.0, 7.0, 9.0]
    product.sum().backward()  # the other output takes no part
    assert x.grad.cpu().tolist() == [4.0, 5.0, 6.0] and y.grad.cpu().tolist() == [1.0, 2.0, 3.0]


def test_another_training_mode_runs_the_original_forward(nets):
    host, net = nets
    net = ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),))
    calls = net.calls
    net.eval()
    x = torch.randn(3, 8)
    assert torch.allclose(net(x.to("hpu")).cpu(), host(x), atol=1e-5)  # of any shape
    assert net.calls == calls + 1
    net.train()
    net(torch.ones(6, 8).to("hpu"))
    assert net.calls == calls + 1


def test_a_replaced_parameter_is_captured_again(nets):
    host, net = nets
    net = ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),))
    for _ in range(2):
        host.first = torch.nn.Linear(8, 16)
        net.first = copy.deepcopy(host.first).to("hpu")
        x = torch.randn(6, 8)
        for m, given in ((host, x), (net, x.to("hpu"))):
            m.zero_grad()
            m(given).sum().backward()
        close(gradients(net), gradients(host))


def test_unused_parameters_keep_no_gradient(nets):
    _, net = nets
    net.unused = torch.nn.Parameter(torch.ones(3).to("hpu"))
    sample = (torch.ones(6, 8).to("hpu"),)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        ht.hpu.make_graphed_callables(net, sample)
    assert not ht.hpu.is_current_stream_capturing()
    net = ht.hpu.make_graphed_callables(net, sample, allow_unused_input=True)
    net(*sample).sum().backward()
    assert net.unused.grad is None and net.first.weight.grad is not None


def test_a_backward_that_is_not_the_last_calls_is_refused(nets):
    _, net = nets
    net = ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),))
    first = net(torch.ones(6, 8).to("hpu"))
    net(torch.zeros(6, 8).to("hpu"))
    with pytest.raises(RuntimeError, match="not its last"):
        first.sum().backward()


def test_with_released_caches_results_belong_to_the_caller(nets):
    host, net = nets
    net = ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),), disable_tensor_cache=True)
    xs = [torch.randn(6, 8) for _ in range(3)]
    kept = []
    for x in xs:
        kept.append(net(x.to("hpu")))
        kept[-1].sum().backward()
        host(x).sum().backward()
    for x, y in zip(xs, kept):
        assert torch.allclose(y.detach().cpu(), host(x), atol=1e-5)
    close(gradients(net), gradients(host))


def test_a_dry_run_changes_nothing():
    class Counting(torch.nn.Linear):
        def forward(self, x):
            self.total.add_(1)
            return super().forward(x)

    net = Counting(4, 4)
    net.register_buffer("total", torch.zeros(2))
    net.to("hpu")
    x = torch.ones(8, 4).to("hpu")
    graphed = ht.hpu.make_graphed_callables(net, (x,), dry_run=True)
    assert net.total.cpu().tolist() == [0.0, 0.0]
    for i in (1, 2):
        net.zero_grad()
        graphed(x).sum().backward()
        assert net.total.cpu().tolist() == [float(i)] * 2 and net.bias.grad.cpu().tolist() == [8.0] * 4


def test_warming_up_runs_before_the_capture(nets):
    _, net = nets
    ht.hpu.make_graphed_callables(net, (torch.ones(6, 8).to("hpu"),), warmups=3)
    assert net.calls == 4


def test_what_is_not_taken_is_refused_as_pytorch_does(nets):
    _, net = nets
    x = torch.ones(6, 8).to("hpu")
    hook = net.register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError, match="Modules must not have hooks registered"):
        ht.hpu.make_graphed_callables(net, (x,))
    hook.remove()
    with pytest.raises(AssertionError, match="sample_args for each callable must be a tuple of Tensors"):
        ht.hpu.make_graphed_callables(net, (x, 1.0))
    net.register_buffer("trained", torch.ones(1).to("hpu").requires_grad_())
    with pytest.raises(AssertionError, match="only parameters may be trainable"):
        ht.hpu.make_graphed_callables(net, (x,))
    with pytest.raises(AssertionError, match="Outputs of graphed callables must require grad."):
        ht.hpu.make_graphed_callables(lambda a: a * 2, (x,))
    with pytest.raises(RuntimeError, match=r"captured as torch.float32 \(3,\).*given as torch.float32 \(4,\)"):
        ht.hpu.make_graphed_callables(lambda a: a * 2, (torch.ones(3).to("hpu").requires_grad_(),))(torch.ones(4).to("hpu"))
