#include "hal/gaudi/engines.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/base/status_macros.h"
#include "hal/engine_numbers.h"

namespace openhpu::hal::gaudi {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi;

}  // namespace

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
