#include "hal/habanalabs/generation.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/submission.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {
namespace {

namespace abi1 = hal::abi::gaudi;
namespace abi2 = hal::abi::gaudi2;

absl::Status NoQueue(uint64_t queue) {
  return absl::InvalidArgumentError(absl::StrCat("no queue ", queue));
}
absl::Status KernelsOwn(uint64_t queue) {
  return absl::InvalidArgumentError(absl::StrCat("queue ", queue, " is the kernel's own"));
}
absl::Status NotThere(uint64_t queue, const std::string& engine) {
  return absl::InvalidArgumentError(
      absl::StrCat("queue ", queue, " is ", engine, "'s, which this card does not have"));
}

bool GaudiTakesCommandMemory(uint32_t queue) { return abi1::IsExternalQueue(queue); }

absl::Status CheckGaudiQueue(uint64_t queue, const Chip& chip) {
  using Kind = abi1::QueueTarget::Kind;
  if (queue >= abi1::kNumQueues) return NoQueue(queue);
  const abi1::QueueTarget target = abi1::TargetOf(static_cast<uint32_t>(queue));
  uint64_t engines = 0;
  const char* name = "";
  switch (target.kind) {
    case Kind::kNone:
      return NoQueue(queue);
    case Kind::kCpu:
      return KernelsOwn(queue);
    case Kind::kDma:
      engines = chip.dma().count().value();
      name = "DMA";
      break;
    case Kind::kMme:
      engines = chip.mme().count().value();
      name = "MME";
      break;
    case Kind::kTpc:
      engines = chip.tpc().count().value();
      name = "TPC";
      break;
    case Kind::kNic:
      engines = chip.nic().ports().value();
      name = "NIC";
      break;
  }
  return target.engine < engines ? absl::OkStatus()
                                 : NotThere(queue, absl::StrCat(name, target.engine));
}

// The kernel counts the corners in another order than their addresses have.
uint32_t GaudiDcore(uint64_t manager) {
  switch (manager) {
    case abi1::kWestSouth:
      return HL_GAUDI_WS_DCORE;
    case abi1::kEastSouth:
      return HL_GAUDI_ES_DCORE;
    case abi1::kWestNorth:
      return HL_GAUDI_WN_DCORE;
    default:
      return HL_GAUDI_EN_DCORE;
  }
}

std::string GaudiEngineName(uint32_t id) {
  if (id <= GAUDI_ENGINE_ID_DMA_7) return absl::StrCat("DMA", id - GAUDI_ENGINE_ID_DMA_0);
  if (id <= GAUDI_ENGINE_ID_MME_3) return absl::StrCat("MME block ", id - GAUDI_ENGINE_ID_MME_0);
  if (id <= GAUDI_ENGINE_ID_TPC_7) return absl::StrCat("TPC", id - GAUDI_ENGINE_ID_TPC_0);
  if (id <= GAUDI_ENGINE_ID_NIC_9) return absl::StrCat("NIC", id - GAUDI_ENGINE_ID_NIC_0);
  return absl::StrCat("engine ", id);
}

// The kernel knows no external queues here. At the seam those are that face the host.
bool Gaudi2TakesCommandMemory(uint32_t queue) {
  return abi2::TargetOf(queue).kind == abi2::QueueTarget::Kind::kPdma;
}

absl::Status CheckGaudi2Queue(uint64_t queue, const Chip& chip) {
  using Kind = abi2::QueueTarget::Kind;
  if (queue >= abi2::kNumQueues) return NoQueue(queue);
  const abi2::QueueTarget target = abi2::TargetOf(static_cast<uint32_t>(queue));
  const auto in_dcore = [&](const char* name) {
    return absl::StrCat("DCORE", target.dcore, "_", name);
  };
  switch (target.kind) {
    case Kind::kNone:
      return NoQueue(queue);
    case Kind::kCpu:
      return KernelsOwn(queue);
    case Kind::kPdma:
      return absl::OkStatus();
    case Kind::kEdma:
      if (target.dcore * abi2::kEdmasPerDcore + target.engine < chip.dma().edma_count().value()) {
        return absl::OkStatus();
      }
      return NotThere(queue, absl::StrCat(in_dcore("EDMA"), target.engine));
    case Kind::kMme: {
      const auto mmes = static_cast<int>(chip.mme().count().value());
      for (int mme = 0; mme < mmes; ++mme) {
        if (abi2::MmeMasterDcore(mme, mmes, abi2::kNumDcores) == static_cast<int>(target.dcore)) {
          return absl::OkStatus();
        }
      }
      return absl::InvalidArgumentError(
          absl::StrCat("queue ", queue, " is of ", in_dcore("MME"), ", which another's drives"));
    }
    case Kind::kTpc:
      if (target.engine < abi2::kTpcsPerDcore &&
          target.dcore * abi2::kTpcsPerDcore + target.engine < chip.tpc().count().value()) {
        return absl::OkStatus();
      }
      return NotThere(queue, absl::StrCat(in_dcore("TPC"), target.engine));
    case Kind::kNic:
      if (target.engine < chip.nic().ports().value()) return absl::OkStatus();
      return NotThere(queue, absl::StrCat("NIC", target.engine));
    case Kind::kRotator:
      // The card has them; no command of ours is for one.
      return absl::InvalidArgumentError(
          absl::StrCat("queue ", queue, " is ROT", target.engine, "'s: rotators are not driven"));
  }
  return NoQueue(queue);
}

uint32_t Gaudi2Dcore(uint64_t manager) { return static_cast<uint32_t>(manager); }

std::string Gaudi2EngineName(uint32_t id) {
  constexpr uint32_t kEach = GAUDI2_DCORE1_ENGINE_ID_EDMA_0;  // engines that every DCORE has
  if (id < 4 * kEach) {
    const std::string dcore = absl::StrCat("DCORE", id / kEach, "_");
    const uint32_t which = id % kEach;
    if (which < GAUDI2_DCORE0_ENGINE_ID_MME) return absl::StrCat(dcore, "EDMA", which);
    if (which == GAUDI2_DCORE0_ENGINE_ID_MME) return absl::StrCat(dcore, "MME");
    if (which < GAUDI2_DCORE0_ENGINE_ID_DEC_0) {
      return absl::StrCat(dcore, "TPC", which - GAUDI2_DCORE0_ENGINE_ID_TPC_0);
    }
    return absl::StrCat(dcore, "DEC", which - GAUDI2_DCORE0_ENGINE_ID_DEC_0);
  }
  if (id == GAUDI2_DCORE0_ENGINE_ID_TPC_6) return "DCORE0_TPC6";
  if (id <= GAUDI2_ENGINE_ID_PDMA_1) return absl::StrCat("PDMA", id - GAUDI2_ENGINE_ID_PDMA_0);
  if (id <= GAUDI2_ENGINE_ID_ROT_1) return absl::StrCat("ROT", id - GAUDI2_ENGINE_ID_ROT_0);
  if (id <= GAUDI2_PCIE_ENGINE_ID_DEC_1) {
    return absl::StrCat("PCIE_DEC", id - GAUDI2_PCIE_ENGINE_ID_DEC_0);
  }
  if (id < GAUDI2_ENGINE_ID_SIZE) {
    const uint32_t nic = id - GAUDI2_ENGINE_ID_NIC0_0;
    return absl::StrCat("NIC", nic / 2, "_", nic % 2);
  }
  return absl::StrCat("engine ", id);
}

constexpr Generation kGaudi = {"gaudi",
                               abi1::kMaxCommandBufferBytes,
                               /*maps_dram=*/false,
                               /*maps_commands=*/false,
                               GaudiTakesCommandMemory,
                               CheckGaudiQueue,
                               GaudiDcore,
                               GaudiEngineName};
// A mapping could be longer than a buffer of the kernel's; one limit for all is easier to hold.
constexpr Generation kGaudi2 = {"gaudi2",
                                abi2::kMaxCommandBufferBytes,
                                /*maps_dram=*/true,
                                /*maps_commands=*/true,
                                Gaudi2TakesCommandMemory,
                                CheckGaudi2Queue,
                                Gaudi2Dcore,
                                Gaudi2EngineName};

}  // namespace

absl::StatusOr<const Generation*> GenerationOf(uint32_t device_id) {
  switch (device_id) {
    case kGaudiId:
    case kGaudiSecuredId:
      return &kGaudi;
    case kGaudi2Id:
      return &kGaudi2;
    case kGaudi3Id:
      return absl::UnimplementedError(
          "the card is a Gaudi3 (0x1060): Gaudi3 is a chip for studies in the simulator only");
    default:
      return absl::UnimplementedError(
          absl::StrCat("the card has device id 0x", absl::Hex(device_id), ", which is unknown"));
  }
}

}  // namespace openhpu::hal::habanalabs
