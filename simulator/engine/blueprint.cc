#include "simulator/engine/blueprint.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/dma_core.h"
#include "hal/abi/gaudi2/mme.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/abi/gaudi2/tpc.h"

namespace openhpu::simulator {
namespace {

using Kind = Blueprint::Kind;

namespace gaudi {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;

Blueprint Draw(const hal::Chip& chip) {
  Blueprint plan;
  plan.timestamp_base = abi::kPsocTimestampBase;
  plan.kernels_sync_manager = abi::kWestSouth;
  for (uint64_t i = 0; i < chip.sync().count().value(); ++i) {
    const auto index = static_cast<uint16_t>(i);
    plan.sync_blocks.push_back(
        {RegisterBlock::kSyncGlobal, abi::SyncManagerGlblBase(index), abi::kBlockBytes, index});
    plan.sync_blocks.push_back({RegisterBlock::kSyncObjects, abi::SyncManagerObjsBase(index),
                                abi::kSyncManagerObjsBytes, index});
  }
  const auto add = [&](Blueprint::Unit unit) {
    const auto bases = [&](int manager, int first) {
      const uint64_t objs = abi::SyncManagerObjsBase(manager);
      unit.message_bases[first] = objs + sm::MON_PAY_ADDRL::kOffset;
      unit.message_bases[first + 1] = objs + sm::SOB_OBJ::kOffset;
    };
    bases(static_cast<int>(chip.sync().user_manager().value()), 0);
    // The kernel driver's own manager, for the queues that it uses.
    if (unit.name == "DMA0" || unit.name == "DMA1" || unit.name == "DMA5" || unit.name == "TPC7") {
      bases(abi::kWestSouth, 2);
    }
    plan.units.push_back(unit);
  };
  for (uint32_t i = 0; i < chip.dma().count().value(); ++i) {
    Blueprint::Unit unit;
    unit.kind = Kind::kDma;
    unit.name = absl::StrCat("DMA", i);
    unit.block = RegisterBlock::kDmaCore;
    unit.engine_base = abi::DmaCoreBase(static_cast<int>(i));
    unit.qman_base = abi::DmaQmanBase(static_cast<int>(i));
    unit.launch_register = abi::dma_core::COMMIT::kOffset;
    unit.first_queue = abi::DmaQueue(i, 0);
    unit.external = ((chip.dma().host_facing_mask().value() >> i) & 1) != 0;
    unit.corner = i;
    add(unit);
  }
  for (uint32_t i = 0; i < chip.mme().count().value(); ++i) {
    const int master = abi::MmeMaster(static_cast<int>(i));
    Blueprint::Unit unit;
    unit.kind = Kind::kMme;
    unit.name = absl::StrCat("MME", i);
    unit.block = RegisterBlock::kMme;
    unit.engine_base = abi::MmeCtrlBase(master);
    unit.qman_base = abi::MmeQmanBase(master);
    unit.launch_register = abi::mme::CMD::kOffset;
    unit.first_queue = abi::MmeQueue(i, 0);
    unit.corner = i;
    add(unit);
    plan.idle_blocks.push_back(
        {RegisterBlock::kMme, abi::MmeCtrlBase(master + 1), abi::kBlockBytes, 0});
    plan.idle_blocks.push_back(
        {RegisterBlock::kQueueManager, abi::MmeQmanBase(master + 1), abi::kBlockBytes, 0});
  }
  for (uint32_t i = 0; i < chip.tpc().count().value(); ++i) {
    Blueprint::Unit unit;
    unit.kind = Kind::kTpc;
    unit.name = absl::StrCat("TPC", i);
    unit.block = RegisterBlock::kTpc;
    unit.engine_base = abi::TpcCfgBase(static_cast<int>(i));
    unit.qman_base = abi::TpcQmanBase(static_cast<int>(i));
    unit.launch_register = abi::tpc::TPC_EXECUTE::kOffset;
    unit.first_queue = abi::TpcQueue(i, 0);
    unit.corner = i;
    add(unit);
  }
  for (uint64_t i = 0; i < chip.nic().ports().value() && i < abi::kNumNics; ++i) {
    plan.idle_blocks.push_back(
        {RegisterBlock::kQueueManager, abi::NicQmanBase(static_cast<int>(i)), abi::kBlockBytes, 0});
  }
  return plan;
}

std::string WhyNoQueue(const hal::Chip& chip, uint32_t queue) {
  using Target = abi::QueueTarget::Kind;
  switch (abi::TargetOf(queue).kind) {
    case Target::kDma:
      return absl::StrCat("the chip has ", chip.dma().count().value(), " DMAs");
    case Target::kMme:
      return absl::StrCat("the chip has ", chip.mme().count().value(), " MMEs");
    case Target::kTpc:
      return absl::StrCat("the chip has ", chip.tpc().count().value(), " TPCs");
    case Target::kCpu:
      return "is the kernel driver's";
    case Target::kNic:
      return "NICs are not modelled";
    case Target::kNone:
      break;
  }
  return "there is no such queue";
}

}  // namespace gaudi

namespace gaudi2 {

namespace abi = hal::abi::gaudi2;
namespace sm = hal::abi::gaudi2::sync_manager;

Blueprint Draw(const hal::Chip& chip) {
  Blueprint plan;
  plan.timestamp_base = abi::kPsocTimestampBase;
  const int dcores = static_cast<int>(chip.sync().count().value());
  for (int i = 0; i < dcores; ++i) {
    plan.sync_blocks.push_back({RegisterBlock::kGaudi2SyncManager, abi::SyncManagerObjsBase(i),
                                abi::kSyncManagerBytes, static_cast<uint16_t>(i)});
  }
  const auto add = [&](Blueprint::Unit unit) {
    // Bases 0 and 1 of every queue (recollected; hal/abi/gaudi2/qman.h).
    const uint64_t objs =
        abi::SyncManagerObjsBase(static_cast<int>(chip.sync().user_manager().value()));
    unit.message_bases[0] = objs + sm::MON_PAY_ADDRL::kOffset;
    unit.message_bases[1] = objs + sm::SOB_OBJ::kOffset;
    plan.units.push_back(unit);
  };
  const uint64_t pdmas = chip.dma().pdma_count().value();
  for (uint64_t i = 0; i < chip.dma().count().value(); ++i) {
    Blueprint::Unit unit;
    unit.kind = Kind::kDma;
    unit.block = RegisterBlock::kGaudi2DmaCore;
    unit.launch_register = abi::dma_core::COMMIT::kOffset;
    if (i < pdmas) {
      const int pdma = static_cast<int>(i);
      unit.name = absl::StrCat("PDMA", pdma);
      unit.engine_base = abi::PdmaCoreBase(pdma);
      unit.qman_base = abi::PdmaQmanBase(pdma);
      unit.first_queue = abi::PdmaQueue(static_cast<uint32_t>(pdma), 0);
      unit.external = ((chip.dma().host_facing_mask().value() >> i) & 1) != 0;
      unit.corner = static_cast<uint32_t>(pdma);
    } else {
      const abi::Place at = abi::PlaceOfEdma(static_cast<int>(i - pdmas));
      const auto dcore = static_cast<uint32_t>(at.dcore);
      unit.name = absl::StrCat("DCORE", dcore, "_EDMA", at.index);
      unit.engine_base = abi::EdmaCoreBase(at.dcore, at.index);
      unit.qman_base = abi::EdmaQmanBase(at.dcore, at.index);
      unit.first_queue = abi::EdmaQueue(dcore, static_cast<uint32_t>(at.index), 0);
      unit.corner = dcore;
    }
    add(unit);
  }
  const auto mmes = static_cast<int>(chip.mme().count().value());
  for (int i = 0; i < mmes; ++i) {
    const int master = abi::MmeMasterDcore(i, mmes, dcores);
    Blueprint::Unit unit;
    unit.kind = Kind::kMme;
    unit.name = absl::StrCat("DCORE", master, "_MME");
    unit.block = RegisterBlock::kGaudi2Mme;
    unit.engine_base = abi::MmeCtrlLoBase(master);
    unit.qman_base = abi::MmeQmanBase(master);
    unit.launch_register = abi::mme::CMD::kOffset;
    unit.first_queue = abi::MmeQueue(static_cast<uint32_t>(master), 0);
    unit.corner = static_cast<uint32_t>(master);
    add(unit);
    if (2 * mmes > dcores) continue;  // studies: every DCORE has a master
    plan.idle_blocks.push_back(
        {RegisterBlock::kGaudi2Mme, abi::MmeCtrlLoBase(master + 1), abi::kBlockBytes, 0});
    plan.idle_blocks.push_back(
        {RegisterBlock::kGaudi2QueueManager, abi::MmeQmanBase(master + 1), abi::kBlockBytes, 0});
  }
  const auto tpcs = static_cast<int>(chip.tpc().count().value());
  for (int i = 0; i < tpcs; ++i) {
    const abi::Place at = abi::PlaceOfTpc(i, tpcs, dcores);
    const auto dcore = static_cast<uint32_t>(at.dcore);
    Blueprint::Unit unit;
    unit.kind = Kind::kTpc;
    unit.name = absl::StrCat("DCORE", dcore, "_TPC", at.index);
    unit.block = RegisterBlock::kGaudi2Tpc;
    unit.engine_base = abi::TpcCfgBase(at.dcore, at.index);
    unit.qman_base = abi::TpcQmanBase(at.dcore, at.index);
    unit.launch_register = abi::tpc::TPC_EXECUTE::kOffset;
    unit.first_queue = abi::TpcQueue(dcore, static_cast<uint32_t>(at.index), 0);
    unit.corner = dcore;
    add(unit);
  }
  for (uint64_t i = 0; i < chip.nic().ports().value() && i < abi::kNumNics; ++i) {
    plan.idle_blocks.push_back({RegisterBlock::kGaudi2QueueManager,
                                abi::NicQmanBase(static_cast<int>(i)), abi::kBlockBytes, 0});
  }
  return plan;
}

std::string WhyNoQueue(const hal::Chip& chip, uint32_t queue) {
  using Target = abi::QueueTarget::Kind;
  switch (abi::TargetOf(queue).kind) {
    case Target::kPdma:
      return absl::StrCat("the chip has ", chip.dma().pdma_count().value(), " PDMAs");
    case Target::kEdma:
      return absl::StrCat("the chip has ", chip.dma().edma_count().value(), " EDMAs");
    case Target::kMme:
      return absl::StrCat("the chip has ", chip.mme().count().value(),
                          " MMEs, and masters have the work");
    case Target::kTpc:
      return absl::StrCat("the chip has ", chip.tpc().count().value(), " TPCs");
    case Target::kCpu:
      return "is the kernel driver's";
    case Target::kNic:
      return "NICs are not modelled";
    case Target::kRotator:
      return "rotators are not modelled";
    case Target::kNone:
      break;
  }
  return "there is no such queue";
}

}  // namespace gaudi2

}  // namespace

Blueprint DrawBlueprint(const hal::Chip& chip) {
  return chip.dialect() == "gaudi2" ? gaudi2::Draw(chip) : gaudi::Draw(chip);
}

std::string WhyNoQueue(const hal::Chip& chip, uint64_t queue_id) {
  const auto queue = static_cast<uint32_t>(std::min<uint64_t>(queue_id, 0xFFFFFFFF));
  return chip.dialect() == "gaudi2" ? gaudi2::WhyNoQueue(chip, queue)
                                    : gaudi::WhyNoQueue(chip, queue);
}

}  // namespace openhpu::simulator
