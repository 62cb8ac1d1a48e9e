"""The bridge's settings, by the vendor's names: `get_pt_hpu_lazy_mode()`, `set_pt_hpu_lazy_mode(0)`, `with env_setting("PT_HPU_LAZY_MODE", 0):`.

A setting is an environment variable with a default; every variable can be asked for, also one that nothing here reads. The native module reads the same
environment. What is read once (PT_HPU_LAZY_MODE, PT_HPU_PLACE_ON_CPU's kind says so in the README) does not change when it is set later.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Dict, Iterator, Optional, Union

__all__ = ["FLAGS", "env_setting", "get_flag", "set_flag"]

Value = Union[None, bool, int, str]

_INT64_MAX = 2**63 - 1
_UINT64_MAX = 2**64 - 1

# The flags that the vendor documents, with their defaults in lazy mode.
FLAGS: Dict[str, Value] = {
    "PT_CACHE_FOLDER_SIZE_MB": 1024,
    "PT_COMPILE_ONLY_MODE": False,
    "PT_ENABLE_COMM_GROUP_CACHE": True,
    "PT_ENABLE_HABANA_CACHING": True,
    "PT_ENABLE_HABANA_STREAMASYNC": True,
    "PT_ENABLE_INT64_SUPPORT": False,
    "PT_ENABLE_MEMORY_DEFRAGMENTATION": True,
    "PT_ENABLE_WORKSPACE_MEMORY_SHRINK": True,
    "PT_HABANA_POOL_SIZE": 24,
    "PT_HPUGRAPH_DISABLE_TENSOR_CACHE": None,
    "PT_HPUGRAPH_ENABLE_DRY_RUN": None,
    "PT_HPU_AUTOCAST_FP32_OPS_LIST": "",
    "PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST": "",
    "PT_HPU_AUTOLOAD": None,
    "PT_HPU_CLEAR_SCALAR_MAP_ON_MARKSTEP": False,
    "PT_HPU_DISABLE_HPUGRAPH_REPLAY_HASHCHECK": True,
    "PT_HPU_ENABLE_CACHE_METRICS": False,
    "PT_HPU_ENABLE_D2H_ASYNC_THREAD": True,
    "PT_HPU_ENABLE_EXECUTION_THREAD": True,
    "PT_HPU_ENABLE_GENERIC_STREAM": True,
    "PT_HPU_ENABLE_HPUGRAPH_THREAD": True,
    "PT_HPU_ENABLE_LAZY_COLLECTIVES": False,
    "PT_HPU_ENABLE_RECORD_STREAM": False,
    "PT_HPU_ENABLE_REFINE_DYNAMIC_SHAPES": False,
    "PT_HPU_ENABLE_SFG": False,
    "PT_HPU_ENABLE_STAGE_SUBMISSION": True,
    "PT_HPU_ENABLE_VALID_DATA_RANGE_CHECK": True,
    "PT_HPU_EVENT_TABLE_SIZE": 10000000,
    "PT_HPU_FORCE_USE_DEFAULT_STREAM": False,
    "PT_HPU_GPU_MIGRATION": False,
    "PT_HPU_H2D_COPY_MIN_TENSOR_SIZE": 1048576,
    "PT_HPU_INFERENCE_MODE": False,
    "PT_HPU_LAZY_ACC_PAR_MODE": 1,
    "PT_HPU_LAZY_MODE": 1,
    "PT_HPU_MAX_ACCUM_SIZE": _UINT64_MAX,
    "PT_HPU_MAX_COMPOUND_OP_SIZE": _INT64_MAX,
    "PT_HPU_MAX_COMPOUND_OP_SYNC": False,
    "PT_HPU_METRICS_FILE": "",
    "PT_HPU_METRICS_GC_DETAILS": False,
    "PT_HPU_PLACE_ON_CPU": "",
    "PT_HPU_POOL_MEM_ACQUIRE_PERC": 100,
    "PT_HPU_POOL_STRATEGY": 4,
    "PT_HPU_QUEUE_SYNLAUNCHES": True,
    "PT_HPU_RECIPE_CACHE_CONFIG": "",
    "PT_HPU_REPLACE_ADAM_ADAMW": False,
    "PT_HPU_SCALAR_MAP_MAXSIZE": 500,
    "PT_HPU_STAGE_SUBMISSION_MODE": 2,
    "PT_HPU_WEIGHT_SHARING": True,
    "PT_RECIPE_CACHE_PATH": "",
}


def _parse(text: str, default: Value) -> Value:
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    if isinstance(default, int):
        return int(text, 0)
    return text


def get_flag(name: str) -> Value:
    """The value of the flag `name` ("PT_HPU_LAZY_MODE"): the environment's, else the default; False for a flag without one."""
    default = FLAGS.get(name, False)
    text = os.environ.get(name)
    if text is None:
        return default
    if name not in FLAGS:  # its kind is not known: what the text looks like
        if text.strip().lower() in ("true", "false", "yes", "no", "on", "off", ""):
            return _parse(text, False)
        return int(text) if text.strip().lstrip("-").isdigit() else text
    return _parse(text, default)


def set_flag(name: str, value: Value) -> None:
    """Sets the flag `name` for this process and those that it starts; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(int(value)) if isinstance(value, bool) else str(value)


@contextlib.contextmanager
def env_setting(name: str, value: Value) -> Iterator[None]:
    """Sets the flag `name` for a region."""
    before: Optional[str] = os.environ.get(name)
    set_flag(name, value)
    try:
        yield
    finally:
        set_flag(name, before)


def _accessor(attribute: str) -> Callable[..., Any]:
    prefix, _, flag = attribute.partition("_")
    name = flag.upper()
    if prefix == "get":

        def get() -> Value:
            return get_flag(name)

        return get

    def set_(value: Value) -> None:
        set_flag(name, value)

    return set_


def __getattr__(attribute: str) -> Callable[..., Any]:
    if not attribute.startswith(("get_", "set_", "unset_")) or attribute != attribute.lower():
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    if attribute.startswith("unset_"):
        return lambda: set_flag(attribute[len("unset_") :].upper(), None)
    return _accessor(attribute)
