#include "hal/engine_numbers.h"

#include "absl/strings/str_cat.h"

namespace openhpu::hal {
namespace {

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

}  // namespace

int EnginesOfKind(const Chip& chip, EngineKind kind) {
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

absl::Status CheckEngine(const Chip& chip, Engine engine) {
  const int count = EnginesOfKind(chip, engine.kind);
  if (engine.index < count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(chip.name(), " has ", count, " engines of kind ",
                                                 KindName(engine.kind), "; asked for number ",
                                                 engine.index));
}

uint32_t DmaNumber(const Chip& chip, Engine engine) {
  return SetBit(engine.kind == EngineKind::kHostDma ? chip.dma().host_facing_mask().value()
                                                    : chip.dma().compute_mask().value(),
                engine.index);
}

}  // namespace openhpu::hal
