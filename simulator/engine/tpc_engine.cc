#include "simulator/engine/tpc_engine.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/tpc.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace tpc = hal::abi::gaudi::tpc;
namespace abi2 = hal::abi::gaudi2;
namespace tpc2 = hal::abi::gaudi2::tpc;

constexpr size_t kCachedCommands = 16384;

absl::StatusOr<DType> TypeOf(uint32_t code) {
  switch (static_cast<tpc::DataType>(code)) {
    case tpc::DataType::kInt8:
      return DType::kInt8;
    case tpc::DataType::kInt16:
      return DType::kInt16;
    case tpc::DataType::kInt32:
      return DType::kInt32;
    case tpc::DataType::kUInt8:
      return DType::kUInt8;
    case tpc::DataType::kBFloat16:
      return DType::kBFloat16;
    case tpc::DataType::kFloat32:
      return DType::kFloat32;
    case tpc::DataType::kUInt16:
    case tpc::DataType::kUInt32:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat("data type ", code, " has no kernels"));
}

}  // namespace

TpcEngine::TpcEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
                     KernelStore& kernels)
    : Engine(name, environment, config),
      kernels_(kernels),
      gaudi2_(config.block == RegisterBlock::kGaudi2Tpc) {
  ResetCommands();
}

void TpcEngine::ResetCommands() {
  commands_.clear();
  cache_.clear();
  front_ = nullptr;
  tensors_ = tensors_written_ = 0;
  // The kernel driver points it at the configuration space.
  if (gaudi2_) {
    registers_[tpc2::SM_BASE_ADDRESS_HIGH::kOffset / 4] =
        static_cast<uint32_t>(abi2::SyncManagerGlblBase(0) >> 32);
  } else {
    registers_[tpc::SM_BASE_ADDRESS_HIGH::kOffset / 4] =
        static_cast<uint32_t>(abi::SyncManagerGlblBase(0) >> 32);
  }
}

void TpcEngine::Written(uint32_t offset, uint32_t words) {
  const uint32_t end = offset + 4 * words;
  const uint32_t first = gaudi2_ ? tpc2::QM_TENSOR::kOffset : tpc::QM_TENSOR::kOffset;
  const uint32_t behind = gaudi2_ ? tpc2::QM_SYNC_OBJECT::kOffset : tpc::QM_SYNC_OBJECT::kOffset;
  if (end <= first || offset >= behind) return;
  const uint32_t each = gaudi2_ ? sizeof(abi2::TpcTensor) : sizeof(abi::TpcTensor);
  const uint32_t last = (std::min(end, behind) - first - 1) / each;
  tensors_written_ = std::max(tensors_written_, last + 1);
}

void TpcEngine::Capture() {
  if (tensors_written_ != 0) tensors_ = tensors_written_;
  tensors_written_ = 0;
  commands_.emplace_back();
  Command& command = commands_.back();
  command.tensors = tensors_;
  while (command.tensors > 0 && Unused(command.tensors - 1)) --command.tensors;
  if (gaudi2_) return CaptureGaudi2(command);
  std::memcpy(static_cast<void*>(&command.descriptor), registers(tpc::QM_TENSOR::kOffset),
              sizeof command.descriptor);
  command.signal_address = (uint64_t{reg(tpc::SM_BASE_ADDRESS_HIGH::kOffset)} << 32) |
                           command.descriptor.sync_object.addr;
}

bool TpcEngine::Unused(uint32_t index) const {
  // Both chips' tensors begin alike, and their configurations have the dims in the same bits.
  const uint32_t offset = gaudi2_
                              ? tpc2::QM_TENSOR::kOffset + index * uint32_t{sizeof(abi2::TpcTensor)}
                              : tpc::QM_TENSOR::kOffset + index * uint32_t{sizeof(abi::TpcTensor)};
  abi::TpcTensor tensor;
  std::memcpy(static_cast<void*>(&tensor), registers(offset), sizeof tensor);
  return tensor.base_addr_low == 0 && tensor.base_addr_high == 0 &&
         tpc::TENSOR_CONFIG::VALID_DIM_MASK::Get(tensor.tensor_config) == 0;
}

void TpcEngine::CaptureGaudi2(Command& command) const {
  abi2::TpcDescriptor from;
  std::memcpy(static_cast<void*>(&from), registers(tpc2::QM_TENSOR::kOffset), sizeof from);
  abi::TpcDescriptor& to = command.descriptor;
  for (uint32_t t = 0; t < command.tensors; ++t) {
    const abi2::TpcTensor& tensor = from.tensor[t];
    to.tensor[t].base_addr_low = tensor.base_addr_low;
    to.tensor[t].base_addr_high = tensor.base_addr_high;
    to.tensor[t].padding_value = tensor.padding_value;
    to.tensor[t].tensor_config = tensor.tensor_config;
    const uint32_t type = tpc2::TENSOR_CONFIG::DATA_TYPE::Get(tensor.tensor_config);
    if (type > tpc::TENSOR_CONFIG::DATA_TYPE::kMax) command.refused = "this DATA_TYPE of a tensor";
    for (int d = 0; d < abi::kTpcMaxDims; ++d) {
      to.tensor[t].dim[d] = {tensor.dim[d].size, tensor.dim[d].stride};
      if (tensor.dim_size_stride_high[d] != 0) command.refused = "a tensor of more than 32 bits";
    }
  }
  to.sync_object = {from.sync_object.message, from.sync_object.addr};
  to.kernel.kernel_base_address_low = from.kernel.kernel_base_address_low;
  to.kernel.kernel_base_address_high = from.kernel.kernel_base_address_high;
  for (int d = 0; d < abi::kTpcMaxDims; ++d) {
    to.kernel.tid[d] = {from.kernel.tid[d].base, from.kernel.tid[d].size};
    if (from.kernel.tid_base_size_high[d] != 0) command.refused = "a box of more than 32 bits";
  }
  to.kernel.kernel_config = tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Set(
      0, tpc2::KERNEL_CONFIG::NUM_VALID_SRFS::Get(from.kernel.kernel_config));
  to.kernel.kernel_id = from.kernel.kernel_id;
  std::copy(std::begin(from.kernel.srf), std::end(from.kernel.srf), to.kernel.srf);
  command.signal_address =
      (uint64_t{reg(tpc2::SM_BASE_ADDRESS_HIGH::kOffset)} << 32) | from.sync_object.addr;
}

// Of what makes a Prepared: tensors in use, and the kernel block. What is signalled does not.
uint64_t TpcEngine::Hash(const Command& command) {
  uint64_t hash = 0xCBF29CE484222325u + command.tensors;
  const auto mix = [&hash](const void* data, size_t bytes) {
    const auto* words = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i + sizeof(uint64_t) <= bytes; i += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, words + i, sizeof word);
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
  };
  mix(command.descriptor.tensor, command.tensors * sizeof(abi::TpcTensor));
  mix(&command.descriptor.kernel, sizeof command.descriptor.kernel);
  return hash;
}

bool TpcEngine::Same(const Command& a, const Command& b) {
  return a.tensors == b.tensors &&
         std::memcmp(a.descriptor.tensor, b.descriptor.tensor,
                     a.tensors * sizeof(abi::TpcTensor)) == 0 &&
         std::memcmp(&a.descriptor.kernel, &b.descriptor.kernel, sizeof a.descriptor.kernel) == 0;
}

absl::Status TpcEngine::Derive(const Command& command, Prepared& prepared) {
  prepared.command = command;
  BoundLaunch& launch = prepared.launch;
  for (uint32_t i = 0; i < command.tensors; ++i) {
    const abi::TpcTensor& tensor = command.descriptor.tensor[i];
    hal::KernelTensor operand;
    ASSIGN_OR_RETURN(operand.dtype,
                     TypeOf(tpc::TENSOR_CONFIG::DATA_TYPE::Get(tensor.tensor_config)));
    const uint32_t valid = tpc::TENSOR_CONFIG::VALID_DIM_MASK::Get(tensor.tensor_config);
    for (int d = 0; d < abi::kTpcMaxDims; ++d) {
      if ((valid >> d & 1) == 0) continue;
      operand.sizes[d] = tensor.dim[d].size;
      operand.strides[d] = tensor.dim[d].stride;
    }
    launch.tensors.push_back(operand);
    launch.addresses.push_back(
        DeviceAddress((uint64_t{tensor.base_addr_high} << 32) | tensor.base_addr_low));
  }
  const abi::TpcKernel& kernel = command.descriptor.kernel;
  const uint32_t scalars = std::min<uint32_t>(
      tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Get(kernel.kernel_config), abi::kTpcMaxScalars);
  launch.scalars.assign(kernel.srf, kernel.srf + scalars);
  for (int d = 0; d < abi::kTpcMaxDims; ++d) {
    prepared.box.base[d] = kernel.tid[d].base;
    prepared.box.size[d] = kernel.tid[d].size;
  }
  const Kernel& code = *prepared.kernel->kernel;
  if (absl::Status status = code.Prepare(launch); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("kernel ", prepared.kernel->guid, ": ",
                                                    std::string(status.message())));
  }
  prepared.boxes = code.Footprint(launch, prepared.box);
  RETURN_IF_ERROR(CheckBoxes(environment(), prepared.boxes));
  ASSIGN_OR_RETURN(const Traffic traffic, environment().fabric->Measure(prepared.boxes));
  const KernelCost cost = code.Cost(launch, prepared.box);
  const Timing& timing = environment().timing;
  const uint64_t cycles =
      std::max(cost.bundles, timing.cycles_per_vector_access * cost.vector_accesses);
  prepared.steps = cycles;
  prepared.arithmetic = CyclesToTime(cycles, timing.tpc_clock_mhz);
  prepared.latency = environment().fabric->Latency(traffic);
  prepared.plan = environment().fabric->MakePlan(config().port, traffic, prepared.arithmetic);
  return absl::OkStatus();
}

absl::Status TpcEngine::Prepare(Work& work) {
  const Command& command = commands_.front();
  if (command.refused != nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("TPC descriptor with ", command.refused, ", which is not modelled"));
  }
  const abi::TpcKernel& block = command.descriptor.kernel;
  const DeviceAddress code((uint64_t{block.kernel_base_address_high} << 32) |
                           block.kernel_base_address_low);
  ASSIGN_OR_RETURN(std::shared_ptr<const StoredKernel> kernel, kernels_.Find(code));
  if (cache_.size() >= kCachedCommands) cache_.clear();
  std::unique_ptr<Prepared>& slot = cache_[Hash(command)];
  if (slot == nullptr || slot->kernel != kernel || !Same(slot->command, command)) {
    slot = std::make_unique<Prepared>();
    slot->kernel = std::move(kernel);
    if (absl::Status status = Derive(command, *slot); !status.ok()) {
      slot.reset();
      return status;
    }
  } else {
    // Mappings come and go.
    RETURN_IF_ERROR(CheckBoxes(environment(), slot->boxes));
  }
  front_ = slot.get();
  if (environment().timing.timed) {
    work.launch = environment().timing.tpc_launch + front_->latency;
    work.arithmetic = front_->arithmetic;
  }
  work.steps = front_->steps;
  work.plan = &front_->plan;
  work.boxes = &front_->boxes;
  work.what = front_->kernel->guid.c_str();
  return absl::OkStatus();
}

absl::Status TpcEngine::Execute() {
  return front_->kernel->kernel->Run(front_->launch, front_->box, *environment().memory);
}

void TpcEngine::Complete() {
  const Command& command = commands_.front();
  Signal(command.signal_address, command.descriptor.sync_object.message);
  commands_.pop_front();
  front_ = nullptr;
}

}  // namespace openhpu::simulator
