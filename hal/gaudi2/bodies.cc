// The half of Gaudi2CommandWriter that writes bodies: descriptors of DMA, MME and TPC, and their
// launch.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/gaudi2/tpc.h"
#include "hal/base/status_macros.h"
#include "hal/dialect_packets.h"
#include "hal/gaudi2/command_writer.h"
#include "hal/gaudi2/mme_lowering.h"

namespace openhpu::hal::gaudi2 {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi2;
namespace dma = abi::dma_core;
namespace mme = abi::mme;
namespace sync = abi::sync_manager;
namespace tpc = abi::tpc;

constexpr uint32_t kSobHigh = static_cast<uint32_t>(abi::SyncManagerObjsBase(0) >> 32);

}  // namespace

void Gaudi2CommandWriter::WriteCompletion(Sob sob) {
  packets_.WriteRegister(dma::WR_COMP_ADDR_HI::kOffset, kSobHigh, {});
  RelocateSob(packets_.WriteRegister(dma::WR_COMP_ADDR_LO::kOffset, 0, {}), sob);
  packets_.WriteRegister(dma::WR_COMP_WDATA::kOffset, sync::SobAdd(1), {});
}

void Gaudi2CommandWriter::WriteLinear(SymbolicAddress source, SymbolicAddress destination,
                                      uint64_t bytes, std::optional<Sob> signal) {
  if (signal.has_value()) WriteCompletion(*signal);
  AppendLinear<abi::PacketLinDma, abi::PacketLinDma::WRCOMP>(source, destination, bytes,
                                                             signal.has_value(), packets_);
}

absl::Status Gaudi2CommandWriter::Dma(const DmaCopy& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("DmaCopy", EngineKind::kDma));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 1));
  RETURN_IF_ERROR(checks_.Copy(command));
  const DmaCopy copy = Collapse(command);
  if (IsLinear(copy)) {
    WriteLinear(copy.source, copy.destination, copy.run, signal);
    return absl::OkStatus();
  }
  dma::Context context;
  context.src_tsize_0 = context.dst_tsize_0 = copy.run;
  for (int i = 0; i < 4; ++i) {
    context.src[i] = {copy.sizes[i], copy.source_strides[i]};
    context.dst[i] = {copy.sizes[i], copy.destination_strides[i]};
  }
  if (signal.has_value()) {
    context.wr_comp_addr_hi = kSobHigh;
    context.wr_comp_wdata = sync::SobAdd(1);
    context.commit = dma::COMMIT::WR_COMP_EN::Set(context.commit, 1);
  }
  // Without the first words, which are the kernel's to set; COMMIT, the last one, starts it.
  constexpr size_t kFirst = offsetof(dma::Context, idx_inc);
  struct Words {
    uint32_t word[(sizeof(dma::Context) - kFirst) / 4];
  } words;
  std::memcpy(&words, reinterpret_cast<const char*>(&context) + kFirst, sizeof words);
  packets_.BeginBulk(dma::IDX_INC::kOffset, sizeof words / 4);
  const uint32_t first = packets_.Append(words);
  const auto word = [first](size_t offset) {
    return first + static_cast<uint32_t>((offset - kFirst) / 4);
  };
  packets_.RelocateAddress(word(offsetof(dma::Context, src_base_lo)),
                           word(offsetof(dma::Context, src_base_hi)), copy.source);
  packets_.RelocateAddress(word(offsetof(dma::Context, dst_base_lo)),
                           word(offsetof(dma::Context, dst_base_hi)), copy.destination);
  if (signal.has_value()) RelocateSob(word(offsetof(dma::Context, wr_comp_addr_lo)), *signal);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::Dma(const DmaFill& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("DmaFill", EngineKind::kDma));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 1));
  RETURN_IF_ERROR(checks_.Fill(command));
  if (signal.has_value()) WriteCompletion(*signal);
  using Packet = abi::PacketLinDma;
  AppendFill<Packet, Packet::MEMSET, Packet::WRCOMP>(command, signal.has_value(), packets_);
  return absl::OkStatus();
}

void Gaudi2CommandWriter::WriteDescriptors(const std::vector<MmePart>& parts, SymbolicAddress a,
                                           SymbolicAddress b, SymbolicAddress c,
                                           std::optional<Sob> signal) {
  for (size_t i = 0; i < parts.size(); ++i) {
    abi::MmeDescriptor d = parts[i].descriptor;
    // The engine runs descriptors in order, so the last one speaks for all: once from each core,
    // when every loop is at its end, the slave to the object after the master's.
    const bool signals = signal.has_value() && i + 1 == parts.size();
    if (signals) {
      using Word = mme::SyncObjectDw0;
      uint32_t word = Word::SIGNAL_MASK0::Set(0, Word::SIGNAL_MASK0::kMax);
      word = Word::SIGNAL_EN0::Set(word, 1);
      word = Word::SLAVE_SIGNAL_EN::Set(word, 1);
      d.sync_obj_dw0 = Word::SLAVE0_USE_MASTER_SO_ADDR_PLUS4::Set(word, 1);
      d.sync_obj_val0 = sync::SobAdd(1);
    }
    packets_.BeginBulk(mme::kArch, abi::kMmeDescriptorWords);
    const uint32_t first = packets_.Append(d);
    const auto word = [first](size_t offset) { return first + static_cast<uint32_t>(offset / 4); };
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, a_low)),
                             word(offsetof(abi::MmeDescriptor, a_high)),
                             {a.symbol, a.offset + parts[i].offset_a});
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, b_low)),
                             word(offsetof(abi::MmeDescriptor, b_high)),
                             {b.symbol, b.offset + parts[i].offset_b});
    packets_.RelocateAddress(word(offsetof(abi::MmeDescriptor, cout0_low)),
                             word(offsetof(abi::MmeDescriptor, cout0_high)),
                             {c.symbol, c.offset + parts[i].offset_c});
    if (signals) RelocateSob(word(offsetof(abi::MmeDescriptor, sync_obj_addr0)), *signal);
    packets_.WriteRegister(mme::CMD::kOffset, mme::kGo, {});
  }
}

absl::Status Gaudi2CommandWriter::Mme(const MmeGemm& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("MmeGemm", EngineKind::kMme));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 2));
  ASSIGN_OR_RETURN(const std::vector<MmePart> parts, LowerGemm(command));
  WriteDescriptors(parts, command.a, command.b, command.c, signal);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::Mme(const MmeConvolution& command, std::optional<Sob> signal) {
  RETURN_IF_ERROR(checks_.RequireBody("MmeConvolution", EngineKind::kMme));
  if (signal.has_value()) RETURN_IF_ERROR(checks_.Sobs(*signal, 2));
  ASSIGN_OR_RETURN(const std::vector<MmePart> parts, LowerConvolution(command));
  WriteDescriptors(parts, command.x, command.w, command.y, signal);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::Tpc(const TpcBox& command, std::optional<Sob> signal) {
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
    packets_.WriteRegister(tpc::TPC_CMD::kOffset, caches, Barriers{true, false});
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

  // Sync object and kernel block follow each other: 55 words, of which a WREG_BULK writes 54. The
  // last one, high bits of the last dim, goes alone.
  struct {
    abi::TpcSyncObject sync_object;
    abi::TpcKernel kernel;
  } rest;
  static_assert(sizeof rest % 8 == 4);
  // Without a signal: add 0, as the vendor's compiler writes for all but the last box.
  rest.sync_object.message = sync::SobAdd(signal.has_value() ? 1 : 0);
  for (int i = 0; i < kTpcMaxDims; ++i) {
    rest.kernel.tid[i] = {command.box.base[i], command.box.size[i]};
  }
  uint32_t config = tpc::KERNEL_CONFIG::ASO_EVICT_L0::Set(0, 1);
  config = tpc::KERNEL_CONFIG::NUM_VALID_SRFS::Set(config,
                                                   static_cast<uint32_t>(command.scalars.size()));
  // As after reset.
  config = tpc::KERNEL_CONFIG::RD_RATE_LIMIT_RST_TOKEN::Set(config, 4);
  config = tpc::KERNEL_CONFIG::WR_RATE_LIMIT_RST_TOKEN::Set(config, 4);
  config = tpc::KERNEL_CONFIG::IRF_32BIT_COMPATIBILITY::Set(config, 1);
  rest.kernel.kernel_config = config;
  std::copy(command.scalars.begin(), command.scalars.end(), rest.kernel.srf);
  struct Bulk {
    uint32_t word[sizeof rest / 8 * 2];
  } bulk;
  std::memcpy(&bulk, &rest, sizeof bulk);
  packets_.BeginBulk(tpc::QM_SYNC_OBJECT::kOffset, sizeof bulk / 4);
  const uint32_t word = packets_.Append(bulk);
  RelocateSob(word + 1, signal.value_or(Sob{0}));
  packets_.RelocateAddress(word + 2, word + 3, command.kernel);
  packets_.WriteRegister(tpc::QM::kOffset +
                             static_cast<uint32_t>(offsetof(abi::TpcKernel, tid_base_size_high)) +
                             4 * (kTpcMaxDims - 1),
                         rest.kernel.tid_base_size_high[kTpcMaxDims - 1], {});
  packets_.WriteRegister(tpc::TPC_EXECUTE::kOffset, tpc::TPC_EXECUTE::V::Set(0, 1), {});
  return absl::OkStatus();
}

}  // namespace openhpu::hal::gaudi2
