#include "simulator/spec.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"

namespace openhpu::simulator {
namespace {

constexpr const char* kUsage =
    "sim:<chip>[,mode=timed|functional][,arithmetic=fast|exact][,hazards=on|off][,fault=<fault>"
    "...][,<field>=<integer>...]";

absl::StatusOr<hal::Chip> LoadChipOrFile(const std::string& name) {
  if (name.find('/') == std::string::npos) return hal::LoadChip(name);
  std::ifstream file(name);
  if (!file) return absl::NotFoundError(absl::StrCat("no chip file ", name));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return hal::ParseChip(text, name);
}

// The index of `value` in `choices`.
absl::StatusOr<int> Choose(const std::string& key, const std::string& value,
                           const std::vector<std::string>& choices) {
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value) return static_cast<int>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(key, "=", value, ": one of ", choices[0], ", ", choices[1]));
}

absl::StatusOr<uint64_t> ParseInteger(const std::string& key, const std::string& value) {
  uint64_t number = 0;
  if (value.rfind("0x", 0) == 0 ? !absl::SimpleHexAtoi(value, &number)
                                : !absl::SimpleAtoi(value, &number)) {
    return absl::InvalidArgumentError(absl::StrCat(key, "=", value, ": not an integer"));
  }
  return number;
}

}  // namespace

absl::StatusOr<Spec> ParseSpec(std::string_view text) {
  const std::string all(text);
  if (all.rfind("sim:", 0) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(all, ": a simulator is opened with ", kUsage));
  }
  const std::vector<std::string> parts = absl::StrSplit(all.substr(4), ',');
  Spec spec;
  ASSIGN_OR_RETURN(spec.chip, LoadChipOrFile(parts[0]));
  bool overridden = false;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(parts[i], ": no value; ", kUsage));
    }
    const std::string key = parts[i].substr(0, equals), value = parts[i].substr(equals + 1);
    if (key == "mode") {
      ASSIGN_OR_RETURN(const int mode, Choose(key, value, {"timed", "functional"}));
      spec.options.timed = mode == 0;
    } else if (key == "arithmetic") {
      ASSIGN_OR_RETURN(const int arithmetic, Choose(key, value, {"fast", "exact"}));
      spec.options.exact_arithmetic = arithmetic == 1;
    } else if (key == "hazards") {
      ASSIGN_OR_RETURN(const int hazards, Choose(key, value, {"on", "off"}));
      spec.options.hazards = hazards == 0;
    } else if (key == "fault") {
      ASSIGN_OR_RETURN(const InjectedFault fault, ParseFault(value));
      spec.faults.push_back(fault);
    } else if (key.find('.') != std::string::npos) {
      ASSIGN_OR_RETURN(const uint64_t number, ParseInteger(key, value));
      RETURN_IF_ERROR(hal::OverrideChip(key, number, spec.chip));
      overridden = true;
    } else {
      return absl::InvalidArgumentError(absl::StrCat(key, ": unknown key; ", kUsage));
    }
  }
  if (overridden) RETURN_IF_ERROR(hal::CheckChip(spec.chip));
  return spec;
}

}  // namespace openhpu::simulator
