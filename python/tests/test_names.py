"""Every name that programs of the field import: it is there, in a fresh process and as the first thing imported."""

import importlib
import os
import subprocess
import sys

import pytest

# Below habana_frameworks.torch.
NAMES = """
_core_C.TensorExtraMeta
_core_C._hb_get_default_device
activity_profiler
core
core.add_step_closure
core.hpu_inference_initialize
core.hpu_initialize
core.hpu_reset_env
core.hpu_set_env
core.hpu_set_inference_env
core.hpu_teardown_inference_env
core.iter_mark_step
core.mark_step
core.observer
core.pattern_matcher
core.quantization
core.quantization._check_params_as_const
core.quantization._mark_params_as_const
core.quantize_pt2e
core.quantizer
core.torch_overwrites
core.torch_overwrites._name_stack
core.weight_sharing
distributed
distributed.hccl
distributed.hccl.initialize_distributed_hpu
dynamo
dynamo.compile_backend
dynamo.compile_backend.config
dynamo.compile_backend.config.configuration_flags
dynamo.compile_backend.shared_layer
dynamo.compile_backend.shared_layer.hpu_fallback_op_list
dynamo.debug_utils
dynamo.debug_utils.logger
dynamo.debug_utils.logger.get_compile_backend_logger
hpex
hpex.experimental
hpex.experimental.transformer_engine
hpex.experimental.transformer_engine.fp8
hpex.experimental.transformer_engine.fp8.FP8GlobalStateManager
hpex.experimental.transformer_engine.recipe
hpex.experimental.transformer_engine.recipe.DelayedScaling
hpex.experimental.transformer_engine.recipe.Format
hpex.experimental.transformer_engine.recipe.Format.E5M2
hpex.experimental.transformer_engine.recipe.Format.HYBRID
hpex.kernels
hpex.kernels.CTCLoss
hpex.kernels.CustomSoftmax
hpex.kernels.FusedSDPA
hpex.kernels.PySDPA
hpex.kernels.PySDPAHinted
hpex.kernels.RotaryPosEmbeddingHelperV1
hpex.kernels.RotaryPosEmbeddingHelperV2
hpex.kernels.RotaryPosEmbeddingHelperV3
hpex.kernels.RotaryPosEmbeddingMode
hpex.kernels.apply_rotary_pos_emb
hpex.kernels.fbgemm
hpex.kernels.fbgemm.bounds_check_indices
hpex.kernels.fbgemm.expand_into_jagged_permute
hpex.kernels.fp8_fused_sdpa
hpex.movingavrg
hpex.movingavrg.FusedEMA
hpex.normalization
hpex.normalization.FusedRMSNorm
hpex.normalization.RmsNormBwdMode
hpex.normalization.RmsNormBwdMode.DEFAULT
hpex.normalization.RmsNormBwdMode.STATIC_CASE_WIDTH_PARTITIONING
hpex.optimizers
hpex.optimizers.FusedAdagrad
hpex.optimizers.FusedAdamW
hpex.optimizers.FusedLamb
hpex.optimizers.FusedLars
hpex.optimizers.FusedResourceApplyMomentum
hpex.optimizers.distributed
hpex.optimizers.distributed.FusedAdamW
hpu
hpu.BFloat16Tensor
hpu.BoolTensor
hpu.ByteTensor
hpu.CharTensor
hpu.DoubleTensor
hpu.Event
hpu.FloatTensor
hpu.HPUGraph
hpu.HalfTensor
hpu.IntTensor
hpu.LongTensor
hpu.MetricDumpFormat
hpu.MetricNotFound
hpu.ShortTensor
hpu.Stream
hpu.StreamContext
hpu._extended_memory_summary
hpu._extended_memory_summary_dict
hpu.can_device_access_peer
hpu.current_device
hpu.current_stream
hpu.default_generators
hpu.default_stream
hpu.device
hpu.device_count
hpu.device_of
hpu.disable_const_section_serialization
hpu.disable_dynamic_shape
hpu.disable_inference_mode
hpu.disable_matmul3d_2d_reshape
hpu.disable_optim_output_sif
hpu.disable_quantization
hpu.enable_const_section_serialization
hpu.enable_dynamic_shape
hpu.enable_inference_mode
hpu.enable_matmul3d_2d_reshape
hpu.enable_optim_output_sif
hpu.enable_quantization
hpu.enable_recompute_sdp
hpu.getDeterministic
hpu.get_arch_list
hpu.get_autocast_hpu_dtype
hpu.get_device_capability
hpu.get_device_name
hpu.get_device_properties
hpu.get_dynamic_shape_status
hpu.get_gencode_flags
hpu.get_rng_state
hpu.get_rng_state_all
hpu.get_stream_info
hpu.get_sync_debug_mode
hpu.graph
hpu.graphs.wrap_in_hpu_graph
hpu.init
hpu.initial_seed
hpu.is_autocast_hpu_enabled
hpu.is_available
hpu.is_bf16_supported
hpu.is_current_stream_capturing
hpu.is_initialized
hpu.manual_seed
hpu.manual_seed_all
hpu.max_memory_allocated
hpu.max_memory_cached
hpu.max_memory_reserved
hpu.mem_get_info
hpu.memory_allocated
hpu.memory_cached
hpu.memory_reserved
hpu.memory_stats
hpu.memory_summary
hpu.memory_usage
hpu.metric_global
hpu.metric_localcontext
hpu.metrics_dump
hpu.recompute_sdp_enabled
hpu.record_stream
hpu.reset_accumulated_memory_stats
hpu.reset_peak_memory_stats
hpu.sdp_kernel
hpu.seed
hpu.seed_all
hpu.setDeterministic
hpu.set_autocast_hpu_dtype
hpu.set_autocast_hpu_enabled
hpu.set_device
hpu.set_rng_state
hpu.set_rng_state_all
hpu.set_stream
hpu.set_sync_debug_mode
hpu.stream
hpu.synchronize
hpu.utilization
hpu.wrap_in_hpu_graph
hpu.wrap_in_hpu_graph_func
internal
internal.bridge_config
internal.bridge_config.env_setting
internal.bridge_config.get_pt_hpu_gpu_migration
internal.bridge_config.set_pt_hpu_lazy_mode
profiler.setup_profiler
profiler.start_profiler
profiler.stop_profiler
utils
utils._debug_C
utils.debug
utils.debug._bridge_cleanup
utils.debug._enable_fusion
utils.debug._get_fallback_op_count
utils.debug._hb_print
utils.debug._hg_print
utils.debug._is_enabled_lazy_collectives
utils.debug._mem_log
utils.debug.clear_dynamic_bucket_recipe_info
utils.debug.dynamo_utils
utils.debug.dynamo_utils.FxGraphAnalyzer
utils.debug.logger
utils.debug.logger.enable_logging
utils.debug.logger.get_log_level
utils.distributed_utils.initialize_distributed_hpu
utils.event_dispatcher.EventDispatcher
utils.event_dispatcher.EventId.GRAPH_COMPILATION
utils.experimental
utils.experimental._compute_stream
utils.experimental._data_ptr
utils.experimental._get_device_type
utils.experimental._is_fp16_supported
utils.experimental._record_params
utils.experimental._reset_device_memory
utils.experimental.detect_recompilation
utils.experimental.detect_recompilation.const_shape_dataloader
utils.experimental.detect_recompilation.data_dynamicity
utils.experimental.detect_recompilation.detect_recompilation_auto_model
utils.experimental.detect_recompilation.get_shape
utils.experimental.synDeviceType
utils.experimental.synDeviceType.synDeviceGaudi
utils.internal.Timer
utils.internal.is_lazy
utils.internal.lazy_only
utils.profiler
""".split()


def resolve(name):
    """Imports the longest prefix of `name` that is a module, and takes the rest as attributes."""
    parts = ("habana_frameworks.torch." + name).split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise AssertionError(name)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_there(name):
    assert resolve(name) is not None


@pytest.mark.parametrize("name", NAMES)
def test_from_imports_find_it(name):
    module, _, attribute = ("habana_frameworks.torch." + name).rpartition(".")
    try:
        exec(f"from {module} import {attribute}", {})
    except ModuleNotFoundError:  # a class's member
        assert resolve(name) is not None


@pytest.mark.parametrize(
    "module",
    ["core", "hpu", "utils.internal", "utils.experimental", "hpex.kernels", "distributed.hccl", "internal.bridge_config", "dynamo.compile_backend.config", "core.quantization"],
)
def test_any_module_alone_registers_the_device(module):
    program = f"import habana_frameworks.torch.{module}\nimport torch\nx = torch.ones(2, device='hpu')\nprint(torch.hpu.is_available(), (x + 1).cpu().tolist())"
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True)
    assert done.stdout == "True [2.0, 2.0]\n", done.stderr


@pytest.mark.parametrize(
    "use",
    [
        "ht.utils.debug.dynamo_utils.FxGraphAnalyzer()",
        "ht.utils.experimental.detect_recompilation_auto_model(None)",
        "ht.utils.experimental._reset_device_memory()",
        "ht.hpu.enable_const_section_serialization('folder')",
        "__import__('importlib').import_module('habana_frameworks.torch.core.quantizer').habana_quantizer()",
        "__import__('importlib').import_module('habana_frameworks.torch.gpu_migration')",
    ],
)
def test_what_is_rare_is_refused_by_name_when_it_is_used(use):
    import habana_frameworks.torch as ht

    with pytest.raises(NotImplementedError, match="is not supported"):
        eval(use, {"ht": ht})


def test_the_old_package_warns():
    import torch_hpu

    with pytest.warns(DeprecationWarning, match="torch_hpu.is_available is deprecated"):
        assert torch_hpu.is_available()
    with pytest.warns(DeprecationWarning):
        assert torch_hpu.device_count() == 1 and torch_hpu.get_device_name() == "GAUDI2"


def test_the_wheel_offers_itself_to_later_pytorch():
    from importlib.metadata import entry_points

    (found,) = [point for point in entry_points(group="torch.backends") if point.name == "hpu"]
    assert found.value == "habana_frameworks.autoload:__autoload" and callable(found.load())
