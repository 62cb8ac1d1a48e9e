"""Random numbers on hpu: one generator of the device's own, an ordinary CPU torch.Generator that starts in the state of the CPU's default one.

Seeding PyTorch (torch.manual_seed, torch.seed) seeds it too; torch.hpu.manual_seed leaves the CPU's alone.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Iterable, Iterator, List, Optional, Union

import torch

from habana_frameworks.torch import _native

from ._utils import DeviceLike, _get_device_index

__all__ = [
    "default_generators",
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
]


def _new_default() -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(torch.default_generator.get_state())
    return generator


default_generators: List[torch.Generator] = [_new_default()]
_native.set_default_generator(default_generators[0])


def _generator(device: DeviceLike, caller: str) -> torch.Generator:
    if _get_device_index(device, optional=True) != 0:
        raise RuntimeError(f"hpu {caller} supports only device 0")
    return default_generators[0]


def get_rng_state(device: Union[int, str, torch.device] = "hpu") -> torch.Tensor:
    """The generator's state, as a ByteTensor on the CPU."""
    return _generator(device, "get_rng_state").get_state()


def get_rng_state_all() -> List[torch.Tensor]:
    """The state of every device's generator: one."""
    return [get_rng_state(0)]


def set_rng_state(new_state: torch.Tensor, device: Union[int, str, torch.device] = "hpu") -> None:
    """Sets what `get_rng_state` gave."""
    _generator(device, "set_rng_state").set_state(new_state.cpu())


def set_rng_state_all(new_states: Iterable[torch.Tensor]) -> None:
    """Sets what `get_rng_state_all` gave."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


def manual_seed(seed: int) -> torch.Generator:
    """Seeds the current device's generator, and gives it back."""
    return default_generators[0].manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seeds every device's generator."""
    for generator in default_generators:
        generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the current device's generator with a number that differs from run to run, and gives that back."""
    return default_generators[0].seed()


def seed_all() -> None:
    """Seeds every device's generator with one number that differs from run to run."""
    manual_seed_all(seed())


def initial_seed() -> int:
    """The seed of the current device's generator."""
    return default_generators[0].initial_seed()


def overwrite_torch_functions() -> None:
    """torch.manual_seed, torch.seed and torch.random.fork_rng reach hpu too."""
    host_manual_seed, host_seed, host_fork = torch.random.manual_seed, torch.random.seed, torch.random.fork_rng

    @functools.wraps(host_manual_seed)
    def torch_manual_seed(seed: Any) -> torch.Generator:
        seed = int(seed)
        generator = host_manual_seed(seed)
        manual_seed_all(seed)
        return generator

    @functools.wraps(host_seed)
    def torch_seed() -> int:
        chosen = host_seed()
        manual_seed_all(chosen)
        return chosen

    @functools.wraps(host_fork)
    @contextlib.contextmanager
    def fork_rng(devices: Optional[Iterable[Any]] = None, enabled: bool = True, *args: Any, **kwargs: Any) -> Iterator[None]:
        kept = get_rng_state_all() if enabled else []
        # What names hpu is done here: the CUDA part of PyTorch's own takes the rest.
        others = devices if devices is None else [d for d in devices if not _names_hpu(d)]
        try:
            with host_fork(others, enabled, *args, **kwargs):
                yield
        finally:
            set_rng_state_all(kept)

    torch.manual_seed = torch.random.manual_seed = torch_manual_seed
    torch.seed = torch.random.seed = torch_seed
    torch.random.fork_rng = fork_rng


def _names_hpu(device: Any) -> bool:
    if isinstance(device, str):
        return torch.device(device).type == "hpu"
    if isinstance(device, int):
        return not torch.cuda.is_available()  # numbers are the cards of this process
    return getattr(device, "type", None) == "hpu"
