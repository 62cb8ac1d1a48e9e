#include "testing/conformance/addresses.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"

namespace openhpu::conformance {
namespace {

namespace gaudi = hal::abi::gaudi;
namespace gaudi2 = hal::abi::gaudi2;

bool IsGaudi2(const hal::Chip& chip) { return chip.dialect() == "gaudi2"; }

int UserManager(const hal::Chip& chip) {
  return static_cast<int>(chip.sync().user_manager().value());
}

// Which DMA of the chip is number `index` of those in the mask.
int DmaOf(uint64_t mask, int index) {
  int dma = 0;
  for (; index >= 0; ++dma) {
    if ((mask >> dma) & 1) --index;
  }
  return dma - 1;
}

}  // namespace

SyncAddresses SyncAddressesOf(const hal::Chip& chip) {
  if (IsGaudi2(chip)) {
    namespace sm = gaudi2::sync_manager;
    const uint64_t objs = gaudi2::SyncManagerObjsBase(UserManager(chip));
    return {objs + sm::SOB_OBJ::kOffset, objs + sm::MON_PAY_ADDRL::kOffset,
            objs + sm::MON_PAY_ADDRH::kOffset, objs + sm::MON_PAY_DATA::kOffset,
            objs + sm::MON_ARM::kOffset};
  }
  namespace sm = gaudi::sync_manager;
  const uint64_t objs = gaudi::SyncManagerObjsBase(UserManager(chip));
  return {objs + sm::SOB_OBJ::kOffset, objs + sm::MON_PAY_ADDRL::kOffset,
          objs + sm::MON_PAY_ADDRH::kOffset, objs + sm::MON_PAY_DATA::kOffset,
          objs + sm::MON_ARM::kOffset};
}

uint64_t HostDmaFence(const hal::Chip& chip, int host_dma, int fence, uint32_t stream) {
  const int dma = DmaOf(chip.dma().host_facing_mask().value(), host_dma);
  const int cp = static_cast<int>(stream);
  return IsGaudi2(chip) ? gaudi2::PdmaQmanBase(dma) + gaudi2::qman::CpFenceRdata(fence, cp)
                        : gaudi::DmaQmanBase(dma) + gaudi::qman::CpFenceRdata(fence, cp);
}

std::vector<uint64_t> KernelsRegisters(const hal::Chip& chip) {
  const uint64_t cfg = chip.address_map().cfg_base().value();
  if (IsGaudi2(chip)) {
    namespace sm = gaudi2::sync_manager;
    const uint64_t objs = gaudi2::SyncManagerObjsBase(0);
    return {cfg, gaudi2::PdmaQmanBase(0), gaudi2::kPsocGlobalConfBase, objs + sm::SOB_OBJ::At(0),
            objs + sm::MON_ARM::At(0)};
  }
  namespace sm = gaudi::sync_manager;
  const uint64_t objs = gaudi::SyncManagerObjsBase(gaudi::kWestSouth);
  return {cfg, gaudi::DmaQmanBase(0), gaudi::kPsocGlobalConfBase, objs + sm::SOB_OBJ::At(0),
          objs + sm::MON_ARM::At(0)};
}

std::vector<RegisterWrite> BadSyncWrites(const hal::Chip& chip) {
  const auto sobs = static_cast<uint32_t>(chip.sync().sobs().value());
  const auto monitors = static_cast<uint32_t>(chip.sync().monitors().value());
  // The first monitor that is the user's, whichever manager is.
  const auto monitor = static_cast<int>(chip.sync().first_user_monitor().value());
  if (IsGaudi2(chip)) {
    namespace sm = gaudi2::sync_manager;
    const uint64_t objs = gaudi2::SyncManagerObjsBase(UserManager(chip));
    std::vector<RegisterWrite> writes = {{objs + sm::MON_STATUS::At(monitor), 1},
                                         {objs + sm::kGlbl - 8, 1}};
    if (sobs < sm::kNumSobs) writes.push_back({objs + sm::SOB_OBJ::At(sobs), 1});
    if (monitors < sm::kNumMonitors) writes.push_back({objs + sm::MON_PAY_DATA::At(monitors), 1});
    return writes;
  }
  namespace sm = gaudi::sync_manager;
  const uint64_t objs = gaudi::SyncManagerObjsBase(UserManager(chip));
  std::vector<RegisterWrite> writes = {{objs + sm::MON_STATUS::At(monitor), 1}, {objs + 0xFF8, 1}};
  if (sobs < sm::kNumSobs) {
    writes.push_back({objs + sm::SOB_OBJ::At(sobs), 1});
    writes.push_back({objs + sm::MON_ARM::At(monitor), sm::ArmAtLeast(sobs, 1)});
  }
  if (monitors < sm::kNumMonitors) writes.push_back({objs + sm::MON_PAY_DATA::At(monitors), 1});
  return writes;
}

std::string EngineName(const hal::Chip& chip, hal::Engine engine) {
  const bool gaudi2 = IsGaudi2(chip);
  const auto dcores = static_cast<int>(chip.sync().count().value());
  switch (engine.kind) {
    case hal::EngineKind::kTpc: {
      if (!gaudi2) return absl::StrCat("TPC", engine.index);
      const auto at =
          gaudi2::PlaceOfTpc(engine.index, static_cast<int>(chip.tpc().count().value()), dcores);
      return absl::StrCat("DCORE", at.dcore, "_TPC", at.index);
    }
    case hal::EngineKind::kMme: {
      if (!gaudi2) return absl::StrCat("MME", engine.index);
      const auto mmes = static_cast<int>(chip.mme().count().value());
      return absl::StrCat("DCORE", gaudi2::MmeMasterDcore(engine.index, mmes, dcores), "_MME");
    }
    case hal::EngineKind::kHostDma:
    case hal::EngineKind::kDma:
      break;
  }
  const bool host = engine.kind == hal::EngineKind::kHostDma;
  const int dma =
      DmaOf(host ? chip.dma().host_facing_mask().value() : chip.dma().compute_mask().value(),
            engine.index);
  if (!gaudi2) return absl::StrCat("DMA", dma);
  if (host) return absl::StrCat("PDMA", dma);
  const gaudi2::Place at =
      gaudi2::PlaceOfEdma(dma - static_cast<int>(chip.dma().pdma_count().value()));
  return absl::StrCat("DCORE", at.dcore, "_EDMA", at.index);
}

uint64_t KernelsQueue(const hal::Chip& chip) {
  return IsGaudi2(chip) ? gaudi2::kCpuQueue : gaudi::kCpuQueue;
}

std::vector<uint64_t> MissingQueues(const hal::Chip& chip) {
  const auto tpcs = static_cast<uint32_t>(chip.tpc().count().value());
  const auto mmes = static_cast<uint32_t>(chip.mme().count().value());
  const auto dmas = static_cast<uint32_t>(chip.dma().count().value());
  if (IsGaudi2(chip)) {
    std::vector<uint64_t> queues = {gaudi2::kStudyQueuesEnd, 1000, uint64_t{1} << 32, ~uint64_t{0}};
    // The slaves of MMEs, rotators, and the spare TPC.
    if (!chip.studies_only()) {
      queues.push_back(gaudi2::MmeQueue(1, 0));
      queues.push_back(gaudi2::TpcQueue(0, gaudi2::kSpareTpc, 0));
    }
    queues.push_back(gaudi2::RotatorQueue(0, 0));
    return queues;
  }
  std::vector<uint64_t> queues = {gaudi::kNumQueues, 1000, uint64_t{1} << 32, ~uint64_t{0}};
  if (tpcs < gaudi::kNumTpcs) queues.push_back(gaudi::TpcQueue(tpcs, 0));
  if (mmes < gaudi::kNumMmePairs) queues.push_back(gaudi::MmeQueue(mmes, 0));
  if (dmas < gaudi::kNumDmas) queues.push_back(gaudi::DmaQueue(dmas, 3));
  if (chip.nic().ports().value() == 0) queues.push_back(gaudi::NicQueue(0, 0));
  return queues;
}

}  // namespace openhpu::conformance
