#include "hal/gaudi/engines.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/base/status_macros.h"

namespace openhpu::hal::gaudi {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi;

const char* KindName(EngineKind kind) {
  switch (kind) {
    case EngineKind::kHostDma:
      return "host DMA";
    case EngineKind::kDma:
      return "compute DMA";
    case EngineKind::kMme:
      return "MME";
    case EngineKind::kTpc:
      return "TPC";
  }
  return "engine of an unknown kind";
}

int CountBits(uint64_t mask) {
  int bits = 0;
  for (; mask != 0; mask &= mask - 1) ++bits;
  return bits;
}

// The position of the set bit number `index` of `mask`.
uint32_t SetBit(uint64_t mask, uint32_t index) {
  for (; index > 0; --index) mask &= mask - 1;
  uint32_t position = 0;
  while (((mask >> position) & 1) == 0) ++position;
  return position;
}

absl::Status CheckEngine(const Chip& chip, Engine engine) {
  const int count = CountEngines(chip, engine.kind);
  if (engine.index < count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(chip.name(), " has ", count, " engines of kind ",
                                                 KindName(engine.kind), "; asked for number ",
                                                 engine.index));
}

// The hardware's number of a DMA engine that exists.
uint32_t DmaNumber(const Chip& chip, Engine engine) {
  return SetBit(engine.kind == EngineKind::kHostDma ? chip.dma().host_facing_mask().value()
                                                    : chip.dma().compute_mask().value(),
                engine.index);
}

}  // namespace

int CountEngines(const Chip& chip, EngineKind kind) {
  switch (kind) {
    case EngineKind::kHostDma:
      return CountBits(chip.dma().host_facing_mask().value());
    case EngineKind::kDma:
      return CountBits(chip.dma().compute_mask().value());
    case EngineKind::kMme:
      return static_cast<int>(chip.mme().count().value());
    case EngineKind::kTpc:
      return static_cast<int>(chip.tpc().count().value());
  }
  return 0;
}

absl::StatusOr<std::string> EngineName(const Chip& chip, Engine engine) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  switch (engine.kind) {
    case EngineKind::kHostDma:
    case EngineKind::kDma:
      return absl::StrCat("DMA", DmaNumber(chip, engine));
    case EngineKind::kMme:
      return absl::StrCat("MME", engine.index);
    case EngineKind::kTpc:
      return absl::StrCat("TPC", engine.index);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  if (stream >= abi::kStreamsPerQueue || stream >= chip.qman().streams().value()) {
    return absl::InvalidArgumentError(absl::StrCat("stream ", stream, " of a queue of ",
                                                   chip.qman().streams().value(), " streams"));
  }
  switch (engine.kind) {
    case EngineKind::kHostDma:
    case EngineKind::kDma:
      return abi::DmaQueue(DmaNumber(chip, engine), stream);
    case EngineKind::kMme:
      return abi::MmeQueue(engine.index, stream);
    case EngineKind::kTpc:
      return abi::TpcQueue(engine.index, stream);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

absl::StatusOr<uint64_t> QmanBaseOf(const Chip& chip, Engine engine) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  switch (engine.kind) {
    case EngineKind::kHostDma:
    case EngineKind::kDma:
      return abi::DmaQmanBase(static_cast<int>(DmaNumber(chip, engine)));
    case EngineKind::kMme:
      return abi::MmeQmanBase(abi::MmeMaster(engine.index));
    case EngineKind::kTpc:
      return abi::TpcQmanBase(engine.index);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

}  // namespace openhpu::hal::gaudi
