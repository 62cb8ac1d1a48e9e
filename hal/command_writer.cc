#include "hal/command_writer.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "hal/engine_numbers.h"
#include "hal/gaudi/command_writer.h"
#include "hal/gaudi/engines.h"
#include "hal/gaudi2/command_writer.h"
#include "hal/gaudi2/engines.h"

namespace openhpu::hal {
namespace {

absl::Status UnknownDialect(const Chip& chip) {
  return absl::InvalidArgumentError(
      absl::StrCat("chip ", chip.name(), ": no commands for dialect \"", chip.dialect(), "\""));
}

bool IsGaudi(const Chip& chip) { return chip.dialect() == "gaudi"; }
bool IsGaudi2(const Chip& chip) { return chip.dialect() == "gaudi2"; }

}  // namespace

absl::StatusOr<std::unique_ptr<CommandWriter>> CommandWriter::Create(const Chip& chip,
                                                                     Engine engine, Role role) {
  if (IsGaudi(chip)) return gaudi::GaudiCommandWriter::Create(chip, engine, role);
  if (IsGaudi2(chip)) return gaudi2::Gaudi2CommandWriter::Create(chip, engine, role);
  return UnknownDialect(chip);
}

absl::StatusOr<uint32_t> QueueOf(const Chip& chip, Engine engine, uint32_t stream) {
  if (IsGaudi(chip)) return gaudi::QueueOf(chip, engine, stream);
  if (IsGaudi2(chip)) return gaudi2::QueueOf(chip, engine, stream);
  return UnknownDialect(chip);
}

int CountEngines(const Chip& chip, EngineKind kind) {
  return IsGaudi(chip) || IsGaudi2(chip) ? EnginesOfKind(chip, kind) : 0;
}

absl::Status Relocate(absl::Span<const Relocation> relocations, const RelocationValues& values,
                      absl::Span<std::byte> bytes) {
  const uint64_t words = bytes.size() / 4;
  for (size_t i = 0; i < relocations.size(); ++i) {
    const Relocation& r = relocations[i];
    const auto bad = [&](const std::string& what) {
      return absl::OutOfRangeError(absl::StrCat("relocation ", i, " of word ", r.word, ": ", what));
    };
    if (r.word >= words) return bad(absl::StrCat("there are ", words, " words"));
    if (r.width == 0 || r.lsb + r.width > 32 || r.shift > 63) {
      return bad(absl::StrCat("no field of a word: lsb ", r.lsb, ", width ", r.width, ", shift ",
                              r.shift));
    }
    uint64_t value = 0;
    switch (r.kind) {
      case RelocationKind::kSymbol:
        if (r.symbol >= values.symbols.size()) {
          return bad(absl::StrCat("symbol ", r.symbol, " of ", values.symbols.size()));
        }
        value = values.symbols[r.symbol];
        break;
      case RelocationKind::kSobBase:
      case RelocationKind::kSobBasePart:
        value = values.first_sob;
        break;
      case RelocationKind::kMonitorBase:
        value = values.first_monitor;
        break;
      case RelocationKind::kStream:
        value = values.stream;
        break;
      default:
        return bad("of an unknown kind");
    }
    value = (value * r.scale + r.addend) >> r.shift;
    const uint64_t mask = r.width == 32 ? 0xFFFFFFFFu : (uint64_t{1} << r.width) - 1;
    // A whole word takes one half of an address; any other field but a part must hold the value.
    const bool part = (r.kind == RelocationKind::kSymbol && r.width == 32) ||
                      r.kind == RelocationKind::kSobBasePart;
    if (!part && value > mask) {
      return bad(absl::StrCat("0x", absl::Hex(value), " has over ", r.width, " bits"));
    }
    uint32_t word;
    std::memcpy(&word, bytes.data() + 4 * uint64_t{r.word}, 4);
    word = static_cast<uint32_t>((word & ~(mask << r.lsb)) | (value & mask) << r.lsb);
    std::memcpy(bytes.data() + 4 * uint64_t{r.word}, &word, 4);
  }
  return absl::OkStatus();
}

}  // namespace openhpu::hal
