#include "simulator/device_node/chip_kernel.h"

#include <misc/habanalabs.h>

#include <cerrno>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/submission.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::simulator {
namespace {

// The number behind the first `skip` characters.
uint32_t NumberBehind(std::string_view name, size_t skip) {
  uint32_t number = 0;
  return name.size() > skip && absl::SimpleAtoi(std::string(name.substr(skip)), &number) ? number
                                                                                         : 0;
}

namespace gaudi {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;

// "DMA2", "MME0" (a queue: its master block), "TPC7".
uint32_t EngineId(std::string_view name) {
  const uint32_t index = NumberBehind(name, 3);
  if (name.substr(0, 3) == "DMA") return GAUDI_ENGINE_ID_DMA_0 + index;
  if (name.substr(0, 3) == "TPC") return GAUDI_ENGINE_ID_TPC_0 + index;
  if (name.substr(0, 3) != "MME") return 0;
  return GAUDI_ENGINE_ID_MME_0 + static_cast<uint32_t>(abi::MmeMaster(static_cast<int>(index)));
}

int SyncStream(uint32_t queue) {
  return abi::IsExternalQueue(queue) ? static_cast<int>(queue) : -1;
}

uint64_t Fence(uint32_t queue) {
  const abi::QueueTarget target = abi::TargetOf(queue);
  return abi::DmaQmanBase(static_cast<int>(target.engine)) +
         abi::qman::CpFenceRdata(abi::kKernelFence, static_cast<int>(target.stream));
}

ChipKernel Make() {
  ChipKernel kernel;
  kernel.device_type = "GAUDI";
  kernel.card_name = "HL205";
  kernel.hardware_events = 656;
  kernel.timeout_seconds = 600;
  kernel.plls = HL_GAUDI_PLL_MAX;
  kernel.tpc_pll = HL_GAUDI_TPC_PLL;
  kernel.dma_pll = HL_GAUDI_DMA_PLL;
  kernel.page_orders = (1u << 12) | (1u << 21);  // of host mappings
  kernel.kernels_manager = HL_GAUDI_WS_DCORE;
  kernel.interrupt_error = -EPERM;  // Gaudi gives users none
  kernel.block_error = -EPERM;      // and maps no block
  kernel.engine_id = EngineId;
  SyncStreamPlan& plan = kernel.sync_streams;
  plan.count = 8;
  plan.index = SyncStream;
  plan.first_sob = 128;
  plan.first_monitor = 64;
  plan.monitor_base = 2;  // of host DMAs' queues alone
  plan.sob_base = 3;
  plan.high = sm::MON_PAY_ADDRH::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.data = sm::MON_PAY_DATA::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.arm = sm::MON_ARM::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.objects = abi::SyncManagerObjsBase(abi::kWestSouth) + sm::SOB_OBJ::kOffset;
  plan.fence = Fence;
  plan.header_bits = abi::Header(abi::Opcode{}, true);
  return kernel;
}

}  // namespace gaudi

namespace gaudi2 {

namespace abi = hal::abi::gaudi2;
namespace sm = hal::abi::gaudi2::sync_manager;
using Target = abi::QueueTarget::Kind;

// "PDMA1", "DCORE0_EDMA1", "DCORE2_MME", "DCORE1_TPC3".
uint32_t EngineId(std::string_view name) {
  if (name.substr(0, 4) == "PDMA") return GAUDI2_ENGINE_ID_PDMA_0 + NumberBehind(name, 4);
  if (name.size() < 10 || name.substr(0, 5) != "DCORE") return 0;
  constexpr uint32_t kEach = GAUDI2_DCORE1_ENGINE_ID_EDMA_0 - GAUDI2_DCORE0_ENGINE_ID_EDMA_0;
  const uint32_t first = kEach * static_cast<uint32_t>(name[5] - '0');
  const std::string_view unit = name.substr(7);
  if (unit.substr(0, 4) == "EDMA") {
    return first + GAUDI2_DCORE0_ENGINE_ID_EDMA_0 + NumberBehind(unit, 4);
  }
  if (unit == "MME") return first + GAUDI2_DCORE0_ENGINE_ID_MME;
  return unit.substr(0, 3) == "TPC" ? first + GAUDI2_DCORE0_ENGINE_ID_TPC_0 + NumberBehind(unit, 3)
                                    : 0;
}

// All but those of NICs and the kernel's.
constexpr uint32_t kFirstNicQueue = abi::NicQueue(0, 0);
constexpr uint32_t kFirstRotatorQueue = abi::RotatorQueue(0, 0);

int SyncStream(uint32_t queue) {
  if (queue < kFirstNicQueue) return static_cast<int>(queue);
  const bool rotates = queue >= kFirstRotatorQueue && queue < abi::kCpuQueue;
  return rotates ? static_cast<int>(queue - kFirstRotatorQueue + kFirstNicQueue) : -1;
}

uint64_t QmanOf(const abi::QueueTarget& target) {
  const auto dcore = static_cast<int>(target.dcore), engine = static_cast<int>(target.engine);
  switch (target.kind) {
    case Target::kPdma:
      return abi::PdmaQmanBase(engine);
    case Target::kEdma:
      return abi::EdmaQmanBase(dcore, engine);
    case Target::kMme:
      return abi::MmeQmanBase(dcore);
    case Target::kTpc:
      return abi::TpcQmanBase(dcore, engine);
    case Target::kRotator:
      return abi::RotatorQmanBase(engine);
    case Target::kNic:
    case Target::kCpu:
    case Target::kNone:
      break;
  }
  return 0;
}

uint64_t Fence(uint32_t queue) {
  const abi::QueueTarget target = abi::TargetOf(queue);
  return QmanOf(target) +
         abi::qman::CpFenceRdata(abi::kKernelFence, static_cast<int>(target.stream));
}

ChipKernel Make() {
  ChipKernel kernel;
  kernel.device_type = "GAUDI2";
  kernel.card_name = "HL225";
  kernel.hardware_events = 1325;
  kernel.timeout_seconds = 30;
  kernel.plls = HL_GAUDI2_PLL_MAX;
  kernel.tpc_pll = HL_GAUDI2_TPC_PLL;
  kernel.dma_pll = HL_GAUDI2_DMA_PLL;
  kernel.page_orders = 0;  // there is one size, which is no power of two (inferred)
  kernel.first_interrupt = 257;
  kernel.mme_master_slave = 1;
  kernel.kernels_manager = 0;
  kernel.interrupt_error = -EOPNOTSUPP;
  kernel.block_error = -EOPNOTSUPP;
  kernel.queues_report = true;
  kernel.maps_dram = true;
  kernel.engine_id = EngineId;
  SyncStreamPlan& plan = kernel.sync_streams;
  plan.count = abi::kCpuQueue - (kFirstRotatorQueue - kFirstNicQueue);
  plan.index = SyncStream;
  plan.first_sob = 85;       // behind those of submissions, the KDMA and decoders
  plan.first_monitor = 125;  // behind theirs
  plan.monitor_base = abi::qman::kMonitorMsgBase;
  plan.sob_base = abi::qman::kSobMsgBase;
  plan.high = sm::MON_PAY_ADDRH::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.data = sm::MON_PAY_DATA::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.arm = sm::MON_ARM::kOffset - sm::MON_PAY_ADDRL::kOffset;
  plan.objects = abi::SyncManagerObjsBase(0) + sm::SOB_OBJ::kOffset;
  plan.fence = Fence;
  return kernel;
}

}  // namespace gaudi2

}  // namespace

absl::StatusOr<const ChipKernel*> ChipKernelOf(const hal::Chip& chip) {
  static const ChipKernel gaudi_kernel = gaudi::Make(), gaudi2_kernel = gaudi2::Make();
  if (chip.dialect() == "gaudi") return &gaudi_kernel;
  if (chip.pci_device_id().value() == hal::habanalabs::kGaudi2Id) return &gaudi2_kernel;
  return absl::UnimplementedError(
      absl::StrCat(chip.name(), ": there is no device node for it, only for Gaudi and Gaudi2"));
}

}  // namespace openhpu::simulator
