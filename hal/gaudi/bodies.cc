// The half of GaudiCommandWriter that writes bodies: descriptors of DMA, MME and TPC, and their
// launch.
#include <algorithm>
#include <array>
#include <cstddef>

#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/base/status_macros.h"
#include "hal/dialect_packets.h"
#include "hal/gaudi/command_writer.h"

namespace openhpu::hal::gaudi {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi;
namespace dma = abi::dma_core;
namespace sync = abi::sync_manager;
namespace tpc = abi::tpc;

constexpr uint32_t kSobHigh =
    static_cast<uint32_t>(abi::SyncManagerObjsBase(abi::kEastNorth) >> 32);

}  // namespace

void GaudiCommandWriter::WriteCompletion(Sob sob) {
  RelocateSob(packets_.WriteRegister(dma::WR_COMP_ADDR_LO::kOffset, 0, {}), sob);
  packets_.WriteRegister(dma::WR_COMP_ADDR_HI::kOffset, kSobHigh, {});
  packets_.WriteRegister(dma::WR_COMP_WDATA::kOffset, sync::SobAdd(1), {});
}

void GaudiCommandWriter::WriteLinear(SymbolicAddress source, SymbolicAddress destination,
                                     uint64_t bytes, std::optional<Sob> signal) {
  if (signal.has_value()) WriteCompletion(*signal);
  AppendLinear<abi::PacketLinDma, abi::PacketLinDma::WR_COMP_EN>(source, destination, bytes,
                                                                 signal.has_value(), packets_);
}

absl::Status GaudiCommandWriter::Dma(const DmaCopy& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("DmaCopy", EngineKind::kDma));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 1));
  RETURN_IF_ERROR(checks_.Copy(command));
  const DmaCopy copy = Collapse(command);
  if (IsLinear(copy)) {
    WriteLinear(copy.source, copy.destination, copy.run, signal);
    return absl::OkStatus();
  }
  if (signal.has_value()) WriteCompletion(*signal);
  // SRC_BASE_LO, SRC_BASE_HI, DST_BASE_LO, DST_BASE_HI.
  packets_.BeginBulk(dma::SRC_BASE_LO::kOffset, 4);
  const uint32_t word = packets_.Append(std::array<uint32_t, 4>{});
  packets_.RelocateAddress(word, word + 1, copy.source);
  packets_.RelocateAddress(word + 2, word + 3, copy.destination);
  // TSIZE_1, STRIDE_1, .. TSIZE_4, STRIDE_4, then TSIZE_0, of both ends.
  const auto write_end = [&](const std::array<uint32_t, 4>& strides, uint32_t first,
                             uint32_t run_register) {
    packets_.BeginBulk(first, 8);
    std::array<uint32_t, 8> dims;
    for (int i = 0; i < 4; ++i) {
      dims[2 * i] = copy.sizes[i];
      dims[2 * i + 1] = strides[i];
    }
    packets_.Append(dims);
    packets_.WriteRegister(run_register, copy.run, {});
  };
  write_end(copy.source_strides, dma::SRC_TSIZE_1::kOffset, dma::SRC_TSIZE_0::kOffset);
  write_end(copy.destination_strides, dma::DST_TSIZE_1::kOffset, dma::DST_TSIZE_0::kOffset);
  packets_.WriteRegister(dma::COMMIT::kOffset,
                         dma::COMMIT::WR_COMP_EN::Set(0, signal.has_value() ? 1 : 0),
                         Barriers{false, true, false});
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::Dma(const DmaFill& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("DmaFill", EngineKind::kDma));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 1));
  RETURN_IF_ERROR(checks_.Fill(command));
  if (signal.has_value()) WriteCompletion(*signal);
  using Packet = abi::PacketLinDma;
  AppendFill<Packet, Packet::MEM_SET, Packet::WR_COMP_EN>(command, signal.has_value(), packets_);
  return absl::OkStatus();
}

void GaudiCommandWriter::WriteDescriptors(const std::vector<MmePart>& parts, SymbolicAddress s,
                                          SymbolicAddress l, SymbolicAddress o,
                                          std::optional<Sob> signal) {
  for (size_t i = 0; i < parts.size(); ++i) {
    abi::MmeDescriptor d = parts[i].descriptor;
    // The engine runs descriptors in order, so the last one speaks for all.
    const bool signals = signal.has_value() && i + 1 == parts.size();
    if (signals) {
      d.header_low = abi::mme::HEADER_LOW::SIGNAL_EN::Set(d.header_low, 1);
      d.sync_object_addr_high = kSobHigh;
      d.sync_object_data = sync::SobAdd(1);
    }
    packets_.BeginBulk(abi::mme::ARCH::kOffset, abi::kMmeDescriptorWords);
    const uint32_t first = packets_.Append(d);
    const auto word = [first](size_t offset) { return first + static_cast<uint32_t>(offset / 4); };
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, base_addr_low_s)),
                             word(offsetof(abi::MmeDescriptor, base_addr_high_s)),
                             {s.symbol, s.offset + parts[i].offset_s});
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, base_addr_low_l)),
                             word(offsetof(abi::MmeDescriptor, base_addr_high_l)),
                             {l.symbol, l.offset + parts[i].offset_l});
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, base_addr_low_o)),
                             word(offsetof(abi::MmeDescriptor, base_addr_high_o)),
                             {o.symbol, o.offset + parts[i].offset_o});
    if (signals) {
      RelocateSob(word(offsetof(abi::MmeDescriptor, sync_object_addr_low_local)), *signal);
      RelocateSob(word(offsetof(abi::MmeDescriptor, sync_object_addr_low_remote)),
                  Sob{signal->index + 1});
    }
    packets_.WriteRegister(abi::mme::CMD::kOffset, abi::mme::CMD::EXECUTE::Set(0, 1),
                           Barriers{false, true, false});
  }
}

absl::Status GaudiCommandWriter::Mme(const MmeGemm& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("MmeGemm", EngineKind::kMme));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 2));
  ASSIGN_OR_RETURN(const std::vector<MmePart> parts, LowerGemm(chip_, command));
  WriteDescriptors(parts, command.a, command.b, command.c, signal);
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::Mme(const MmeConvolution& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("MmeConvolution", EngineKind::kMme));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 2));
  ASSIGN_OR_RETURN(const std::vector<MmePart> parts, LowerConvolution(chip_, command));
  WriteDescriptors(parts, command.x, command.w, command.y, signal);
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::Tpc(const TpcBox& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("TpcBox", EngineKind::kTpc));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 1));
  RETURN_IF_ERROR(checks_.Box(command));

  if (!caches_invalidated_) {
    // What the caches hold may be older than the memory, written by other engines and by loads of
    // new code.
    uint32_t caches = tpc::TPC_CMD::ICACHE_INVALIDATE::Set(0, 1);
    caches = tpc::TPC_CMD::DCACHE_INVALIDATE::Set(caches, 1);
    caches = tpc::TPC_CMD::LCACHE_INVALIDATE::Set(caches, 1);
    caches = tpc::TPC_CMD::TCACHE_INVALIDATE::Set(caches, 1);
    packets_.WriteRegister(tpc::TPC_CMD::kOffset, caches, Barriers{true, true, false});
    caches_invalidated_ = true;
  }

  if (!command.tensors.empty()) {
    packets_.BeginBulk(tpc::QM_TENSOR::kOffset,
                       static_cast<uint32_t>(command.tensors.size() * sizeof(abi::TpcTensor) / 4));
  }
  for (size_t t = 0; t < command.tensors.size(); ++t) {
    const uint32_t word = packets_.Append(
        TpcTensorOf<abi::TpcTensor, tpc::TENSOR_CONFIG, tpc::DataType>(command.tensors[t]));
    packets_.RelocateAddress(word, word + 1, command.addresses[t]);
  }

  // Sync object and kernel block follow each other.
  struct {
    abi::TpcSyncObject sync_object;
    abi::TpcKernel kernel;
  } rest;
  // Without a signal: add 0, as the vendor's compiler writes for all but the last box.
  rest.sync_object.message = sync::SobAdd(signal.has_value() ? 1 : 0);
  for (int i = 0; i < kTpcMaxDims; ++i) {
    rest.kernel.tid[i] = {command.box.base[i], command.box.size[i]};
  }
  uint32_t config = tpc::KERNEL_CONFIG::ASO_EVICT_L0::Set(0, 1);
  config = tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Set(config,
                                                   static_cast<uint32_t>(command.scalars.size()));
  config = tpc::KERNEL_CONFIG::RD_RATE_LIMIT_RST_TOKEN::Set(config, 8);
  config = tpc::KERNEL_CONFIG::WR_RATE_LIMIT_RST_TOKEN::Set(config, 6);
  rest.kernel.kernel_config = config;
  std::copy(command.scalars.begin(), command.scalars.end(), rest.kernel.srf);
  packets_.BeginBulk(tpc::QM_SYNC_OBJECT::kOffset, sizeof(rest) / 4);
  const uint32_t word = packets_.Append(rest);
  RelocateSob(word + 1, signal.value_or(Sob{0}));
  packets_.RelocateAddress(word + 2, word + 3, command.kernel);
  packets_.WriteRegister(tpc::TPC_EXECUTE::kOffset, tpc::TPC_EXECUTE::V::Set(0, 1),
                         Barriers{false, true, false});
  return absl::OkStatus();
}

}  // namespace openhpu::hal::gaudi
