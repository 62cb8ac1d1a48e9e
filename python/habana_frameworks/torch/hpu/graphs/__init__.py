"""HPU Graphs: capture a region's work once, replay it without dispatching an operator again. Everything here is also `ht.hpu`'s."""

from .cacher import GraphModel, ModuleCacher
from .callables import make_graphed_callables
from .capture import GraphSummary, HPUGraph, graph, is_current_stream_capturing
from .keys import copy_to, extract_tensors, get_tensor_info, get_user_input_tensor_list, input_hash
from .packer import TensorPacker
from .wrapping import CachedParams, wrap_in_hpu_graph, wrap_in_hpu_graph_func, wrapped_hpugraph_forward

__all__ = [
    "CachedParams",
    "GraphModel",
    "GraphSummary",
    "HPUGraph",
    "ModuleCacher",
    "TensorPacker",
    "copy_to",
    "extract_tensors",
    "get_tensor_info",
    "get_user_input_tensor_list",
    "graph",
    "input_hash",
    "is_current_stream_capturing",
    "make_graphed_callables",
    "wrap_in_hpu_graph",
    "wrap_in_hpu_graph_func",
    "wrapped_hpugraph_forward",
]
