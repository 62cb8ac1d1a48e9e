"""The backend "hccl" of torch.distributed, for one rank: `init_process_group("hccl")`.

A collective of one rank is a copy, or nothing; it is ordered on the current stream like any other work. Inside a graph capture it needs
PT_HPU_ENABLE_LAZY_COLLECTIVES=true, as the vendor's does. More ranks are refused by name: simulated cards are not connected.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

from habana_frameworks.torch import _native
from habana_frameworks.torch.internal.bridge_config import get_flag

__all__ = ["HcclProcessGroup", "initialize_distributed_hpu"]

NOT_CAPTURABLE = "collective nonSFG is not supported during hpu graph capturing"

Tensors = List[torch.Tensor]


def _environment(names: Tuple[str, ...], default: int) -> int:
    for name in names:
        if os.environ.get(name):
            return int(os.environ[name])
    return default


def initialize_distributed_hpu(world_size: Optional[int] = None, rank: Optional[int] = None, local_rank: Optional[int] = None) -> Tuple[int, int, int]:
    """(world size, rank, rank on this machine): as given, else from WORLD_SIZE, RANK and LOCAL_RANK, else from Open MPI's, else (1, 0, 0).

    Sets those variables for torch.distributed, and HLS_MODULE_ID, when there is something to set.
    """
    given = world_size is not None or rank is not None or local_rank is not None
    known = given or any(name in os.environ for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"))
    size = _environment(("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"), 1) if world_size is None else world_size
    mine = _environment(("RANK", "OMPI_COMM_WORLD_RANK"), 0) if rank is None else rank
    local = _environment(("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"), mine) if local_rank is None else local_rank
    if known:
        os.environ["WORLD_SIZE"], os.environ["RANK"], os.environ["LOCAL_RANK"] = str(size), str(mine), str(local)
        os.environ["HLS_MODULE_ID"] = str(local)
    return size, mine, local


def _done(result: Any) -> Any:
    """Work that the device has been given: later work on the stream comes after it."""
    future: Any = torch.futures.Future()
    future.set_result(result)
    tensors = [result] if isinstance(result, torch.Tensor) else [t for item in result for t in (item if isinstance(item, list) else [item])]
    return _native.done_work(tensors, future)


def _collective(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method that does the work and gives back its result."""

    @functools.wraps(function)
    def called(self: "HcclProcessGroup", *args: Any, **kwargs: Any) -> Any:
        if not get_flag("PT_HPU_ENABLE_LAZY_COLLECTIVES"):
            _native.refuse_during_capture(f"hccl {function.__name__}", NOT_CAPTURABLE + "; set PT_HPU_ENABLE_LAZY_COLLECTIVES=true")
        with torch.no_grad():
            return _done(function(self, *args, **kwargs))

    return called


def _copy_all(targets: Tensors, sources: Tensors) -> Tensors:
    for target, source in zip(targets, sources):
        if target.data_ptr() != source.data_ptr():
            target.copy_(source)
    return targets


class HcclProcessGroup(dist.ProcessGroup):
    """A group of one: what it sends, it receives."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__(rank, size)

    def getBackendName(self) -> str:  # noqa: N802  PyTorch's name
        return "hccl"

    @_collective
    def allreduce(self, tensors: Tensors, opts: Any = None) -> Tensors:
        return tensors

    @_collective
    def allreduce_coalesced(self, tensors: Tensors, opts: Any = None) -> Tensors:
        return tensors

    @_collective
    def broadcast(self, tensors: Tensors, opts: Any = None) -> Tensors:
        return tensors

    @_collective
    def reduce(self, tensors: Tensors, opts: Any = None) -> Tensors:
        return tensors

    @_collective
    def allgather(self, outputs: List[Tensors], inputs: Tensors, opts: Any = None) -> List[Tensors]:
        for gathered, tensor in zip(outputs, inputs):
            _copy_all(gathered, [tensor])
        return outputs

    @_collective
    def _allgather_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> torch.Tensor:  # noqa: A002  PyTorch's name
        output.view(-1).copy_(input.reshape(-1))
        return output

    @_collective
    def gather(self, outputs: List[Tensors], inputs: Tensors, opts: Any = None) -> List[Tensors]:
        for gathered, tensor in zip(outputs, inputs):
            _copy_all(gathered, [tensor])
        return outputs

    @_collective
    def scatter(self, outputs: Tensors, inputs: List[Tensors], opts: Any = None) -> Tensors:
        return _copy_all(outputs, [scattered[0] for scattered in inputs])

    @_collective
    def reduce_scatter(self, outputs: Tensors, inputs: List[Tensors], opts: Any = None) -> Tensors:
        return _copy_all(outputs, [scattered[0] for scattered in inputs])

    @_collective
    def _reduce_scatter_base(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> torch.Tensor:  # noqa: A002
        output.view(-1).copy_(input.reshape(-1))
        return output

    @_collective
    def alltoall(self, outputs: Tensors, inputs: Tensors, opts: Any = None) -> Tensors:
        return _copy_all(outputs, inputs)

    @_collective
    def alltoall_base(self, output: torch.Tensor, input: torch.Tensor, output_split: Any = None, input_split: Any = None, opts: Any = None) -> torch.Tensor:  # noqa: A002
        output.view(-1).copy_(input.reshape(-1))
        return output

    @_collective
    def barrier(self, opts: Any = None) -> Tensors:
        return []

    def send(self, tensors: Tensors, destination: int, tag: int = 0) -> Any:
        raise NotImplementedError("hccl send is not supported: a group of one rank has nobody to send to")

    def recv(self, tensors: Tensors, source: int, tag: int = 0) -> Any:
        raise NotImplementedError("hccl recv is not supported: a group of one rank has nobody to receive from")

    def recv_anysource(self, tensors: Tensors, tag: int = 0) -> Any:
        raise NotImplementedError("hccl recv is not supported: a group of one rank has nobody to receive from")


def _create(store: Any, rank: int, size: int, timeout: Any) -> HcclProcessGroup:
    del store, timeout
    if size > 1:
        raise NotImplementedError(f"hccl with {size} ranks is not supported: simulated cards are not connected; run one rank")
    return HcclProcessGroup(rank, size)


# Groups by (ranks, backend): asking again for the same ranks gives the same group, as PT_ENABLE_COMM_GROUP_CACHE (default true) says.
_groups: Dict[Tuple[Tuple[int, ...], str], Any] = {}


def _overwrite_torch_functions() -> None:
    host_new_group, host_init, host_destroy = dist.new_group, dist.init_process_group, dist.destroy_process_group

    @functools.wraps(host_new_group)
    def new_group(ranks: Any = None, timeout: Any = distributed_c10d.default_pg_timeout, backend: Any = None, pg_options: Any = None) -> Any:
        name = str(backend or dist.get_backend()).lower()
        if name != "hccl" or not get_flag("PT_ENABLE_COMM_GROUP_CACHE"):
            return host_new_group(ranks, timeout, backend, pg_options)
        key = (tuple(sorted(ranks)) if ranks is not None else tuple(range(dist.get_world_size())), name)
        if key not in _groups:
            _groups[key] = host_new_group(ranks, timeout, backend, pg_options)
        return _groups[key]

    @functools.wraps(host_init)
    def init_process_group(backend: Any, *args: Any, **kwargs: Any) -> None:
        host_init(backend, *args, **kwargs)
        if str(backend).lower() == "hccl" and get_flag("PT_ENABLE_COMM_GROUP_CACHE"):
            _groups[(tuple(range(dist.get_world_size())), "hccl")] = distributed_c10d._get_default_group()

    @functools.wraps(host_destroy)
    def destroy_process_group(group: Any = None) -> None:
        whole = group is None or group is distributed_c10d.GroupMember.WORLD
        gone = None if whole else group
        for key in [key for key, known in _groups.items() if whole or known is gone]:
            del _groups[key]
        host_destroy(group)

    for module in (dist, distributed_c10d):
        module.new_group, module.init_process_group, module.destroy_process_group = new_group, init_process_group, destroy_process_group


if dist.is_available() and "HCCL" not in dist.Backend._plugins:
    dist.Backend.register_backend("hccl", _create)
    _overwrite_torch_functions()
initialize_distributed_hpu()
