"""torch.distributed with the backend "hccl", at one rank."""

import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

import habana_frameworks.torch as ht
from habana_frameworks.torch.distributed.hccl import initialize_distributed_hpu


@pytest.fixture(scope="module", autouse=True)
def group(tmp_path_factory):
    dist.init_process_group("hccl", init_method=f"file://{tmp_path_factory.mktemp('rendezvous')}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def run(program, **environment):
    return subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True)


def test_the_backend_is_there():
    assert dist.get_backend() == "hccl" and dist.get_world_size() == 1 and dist.get_rank() == 0


def test_collectives_of_one_rank():
    x = torch.arange(4.0).to("hpu")
    for op in (dist.ReduceOp.SUM, dist.ReduceOp.MAX, dist.ReduceOp.PRODUCT):
        dist.all_reduce(x, op=op)
    dist.broadcast(x, 0)
    dist.reduce(x, 0)
    assert x.cpu().tolist() == [0, 1, 2, 3]
    gathered = [torch.zeros(4).to("hpu")]
    dist.all_gather(gathered, x)
    assert torch.equal(gathered[0].cpu(), x.cpu())
    flat = torch.zeros(4).to("hpu")
    dist._all_gather_base(flat, x)
    assert torch.equal(flat.cpu(), x.cpu())
    scattered = torch.zeros(4).to("hpu")
    dist.reduce_scatter(scattered, [x + 1])
    assert scattered.cpu().tolist() == [1, 2, 3, 4]
    dist.scatter(scattered, [x], src=0)
    assert torch.equal(scattered.cpu(), x.cpu())
    outputs = [torch.zeros(4).to("hpu")]
    dist.all_to_all(outputs, [x])
    assert torch.equal(outputs[0].cpu(), x.cpu())
    dist.all_to_all_single(flat, x * 2)
    assert flat.cpu().tolist() == [0, 2, 4, 6]
    dist.barrier()


def test_asynchronous_work_can_be_waited_for():
    x = torch.ones(3).to("hpu")
    work = dist.all_reduce(x, async_op=True)
    assert work.wait() and work.is_completed()
    assert work.get_future().wait()[0] is x


def test_sending_to_oneself_is_refused_by_name():
    from torch.distributed import distributed_c10d

    group = distributed_c10d._get_default_group()
    with pytest.raises(NotImplementedError, match="hccl send"):
        group.send([torch.ones(1).to("hpu")], 0, 0)
    with pytest.raises(NotImplementedError, match="hccl recv"):
        group.recv([torch.ones(1).to("hpu")], 0, 0)


def test_the_same_ranks_give_the_same_group():
    assert dist.new_group([0]) is dist.new_group([0])
    assert dist.new_group() is dist.group.WORLD


def test_a_collective_in_a_capture_needs_lazy_collectives():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    with pytest.raises(RuntimeError, match="collective nonSFG is not supported during hpu graph capturing") as error:
        with ht.hpu.graph(graph):
            y = x + 1
            dist.all_reduce(y)
    assert "test_hccl.py:" in str(error.value)
    assert not ht.hpu.is_current_stream_capturing()
    assert (x + 1).cpu().tolist() == [2, 2, 2, 2]


def test_lazy_collectives_are_captured(monkeypatch):
    monkeypatch.setenv("PT_HPU_ENABLE_LAZY_COLLECTIVES", "true")
    x = torch.ones(4).to("hpu")
    gathered = [torch.zeros(4).to("hpu")]
    graph = ht.hpu.HPUGraph()
    with ht.hpu.graph(graph):
        y = x + 1
        dist.all_reduce(y)
        dist.all_gather(gathered, y)
    ht.hpu.synchronize()  # the capture ran on a stream of its own
    x.fill_(5)
    ht.hpu.synchronize()
    graph.replay()
    ht.hpu.synchronize()
    assert gathered[0].cpu().tolist() == [6, 6, 6, 6]


def test_more_ranks_are_refused_by_name(tmp_path):
    program = (
        "import torch.distributed as dist, habana_frameworks.torch\n"
        f"store = dist.FileStore({str(tmp_path / 'store')!r}, 2)\n"
        "dist.init_process_group('hccl', store=store, rank=0, world_size=2)\n"
    )
    done = run(program)
    assert "NotImplementedError: hccl with 2 ranks is not supported" in done.stderr, done.stderr


def test_who_am_i():
    program = (
        "import os\n"
        "from habana_frameworks.torch.distributed.hccl import initialize_distributed_hpu as who\n"
        "print(who(), os.environ.get('HLS_MODULE_ID'), os.environ.get('RANK'))\n"
    )
    clean = {name: "" for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK")}
    names = [name for name in clean if name in os.environ]
    for name in names:
        del os.environ[name]
    assert run(program).stdout == "(1, 0, 0) None None\n"
    assert run(program, WORLD_SIZE="4", RANK="3", LOCAL_RANK="1").stdout == "(4, 3, 1) 1 3\n"
    assert run(program, OMPI_COMM_WORLD_SIZE="8", OMPI_COMM_WORLD_RANK="5", OMPI_COMM_WORLD_LOCAL_RANK="2").stdout == "(8, 5, 2) 2 5\n"


def test_arguments_come_first(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "HLS_MODULE_ID"):
        monkeypatch.setenv(name, "7")
    assert initialize_distributed_hpu(2, 1, 0) == (2, 1, 0)
    assert os.environ["HLS_MODULE_ID"] == "0"


def test_a_data_parallel_model_trains_as_a_plain_one():
    torch.manual_seed(1)
    plain = torch.nn.Linear(3, 2)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 2).to("hpu"))
    model.module.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3)
    plain(x).pow(2).sum().backward()
    model(x.to("hpu")).pow(2).sum().backward()
    assert torch.allclose(model.module.weight.grad.cpu(), plain.weight.grad, rtol=1e-3, atol=1e-4)
