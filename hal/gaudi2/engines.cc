#include "hal/gaudi2/engines.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/base/status_macros.h"
#include "hal/engine_numbers.h"

namespace openhpu::hal::gaudi2 {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi2;

// Where an engine that exists is.
struct Where {
  int dcore = 0;
  int index = 0;  // in the DCORE; of a PDMA, of the chip
};

Where WhereIs(const Chip& chip, Engine engine) {
  const int dcores = static_cast<int>(chip.sync().count().value());
  switch (engine.kind) {
    case EngineKind::kHostDma:
      return {0, static_cast<int>(DmaNumber(chip, engine))};
    case EngineKind::kDma: {
      // The EDMAs follow the PDMAs.
      const auto edma = static_cast<int>(DmaNumber(chip, engine) - chip.dma().pdma_count().value());
      const abi::Place place = abi::PlaceOfEdma(edma);
      return {place.dcore, place.index};
    }
    case EngineKind::kMme:
      return {
          abi::MmeMasterDcore(engine.index, static_cast<int>(chip.mme().count().value()), dcores),
          0};
    case EngineKind::kTpc: {
      const abi::Place place =
          abi::PlaceOfTpc(engine.index, static_cast<int>(chip.tpc().count().value()), dcores);
      return {place.dcore, place.index};
    }
  }
  return {};
}

}  // namespace

absl::StatusOr<std::string> EngineName(const Chip& chip, Engine engine) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  const Where where = WhereIs(chip, engine);
  const std::string dcore = absl::StrCat("DCORE", where.dcore, "_");
  switch (engine.kind) {
    case EngineKind::kHostDma:
      return absl::StrCat("PDMA", where.index);
    case EngineKind::kDma:
      return absl::StrCat(dcore, "EDMA", where.index);
    case EngineKind::kMme:
      return absl::StrCat(dcore, "MME");
    case EngineKind::kTpc:
      return absl::StrCat(dcore, "TPC", where.index);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  if (stream >= abi::kStreamsPerQueue || stream >= chip.qman().streams().value()) {
    return absl::InvalidArgumentError(absl::StrCat("stream ", stream, " of a queue of ",
                                                   chip.qman().streams().value(), " streams"));
  }
  const Where where = WhereIs(chip, engine);
  const auto dcore = static_cast<uint32_t>(where.dcore), index = static_cast<uint32_t>(where.index);
  switch (engine.kind) {
    case EngineKind::kHostDma:
      return abi::PdmaQueue(index, stream);
    case EngineKind::kDma:
      return abi::EdmaQueue(dcore, index, stream);
    case EngineKind::kMme:
      return abi::MmeQueue(dcore, stream);
    case EngineKind::kTpc:
      return abi::TpcQueue(dcore, index, stream);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

absl::StatusOr<uint64_t> QmanBaseOf(const Chip& chip, Engine engine) {
  RETURN_IF_ERROR(CheckEngine(chip, engine));
  const Where where = WhereIs(chip, engine);
  switch (engine.kind) {
    case EngineKind::kHostDma:
      return abi::PdmaQmanBase(where.index);
    case EngineKind::kDma:
      return abi::EdmaQmanBase(where.dcore, where.index);
    case EngineKind::kMme:
      return abi::MmeQmanBase(where.dcore);
    case EngineKind::kTpc:
      return abi::TpcQmanBase(where.dcore, where.index);
  }
  return absl::InvalidArgumentError("an engine of an unknown kind");
}

}  // namespace openhpu::hal::gaudi2
