#include "simulator/fault.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openhpu::simulator {
namespace {

using Kind = InjectedFault::Kind;

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
// Later than that is never: simulated time is 64 bits of picoseconds.
constexpr uint64_t kMostNanoseconds = uint64_t{1} << 53;

struct Shape {
  Kind kind;
  std::string_view name;
  bool unit, address, needs_address;
};

constexpr Shape kShapes[] = {
    {Kind::kEngineHang, "engine_hang", true, false, false},
    {Kind::kLostCompletion, "lost_completion", true, false, false},
    {Kind::kEccCorrected, "ecc_corrected", true, true, false},
    {Kind::kEccUncorrected, "ecc_uncorrected", true, true, false},
    {Kind::kPageFault, "page_fault", true, true, true},
    {Kind::kRazwi, "razwi", true, true, true},
    {Kind::kTpcAssert, "tpc_assert", true, false, false},
    {Kind::kThrottle, "throttle", false, false, false},
    {Kind::kHardReset, "hard_reset", false, false, false},
};

const Shape& ShapeOf(Kind kind) { return kShapes[static_cast<size_t>(kind)]; }

absl::Status Bad(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("fault \"", std::string(text), "\": ", why));
}

absl::StatusOr<Kind> ParseKind(const std::string& name) {
  std::string known;
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return shape.kind;
    absl::StrAppend(&known, known.empty() ? "" : ", ", std::string(shape.name));
  }
  return absl::InvalidArgumentError(absl::StrCat("kind ", name, ": one of ", known));
}

}  // namespace

std::string_view NameOf(Kind kind) { return ShapeOf(kind).name; }

absl::Status CheckFault(const InjectedFault& fault) {
  const Shape& shape = ShapeOf(fault.kind);
  const std::string name(shape.name);
  if (shape.unit && fault.unit.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("unit: ", name, " needs one, as in DMA0"));
  }
  if (!shape.unit && !fault.unit.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("unit: ", name, " is of the whole device"));
  }
  if (!shape.address && fault.address != 0) {
    return absl::InvalidArgumentError(absl::StrCat("address: ", name, " has none"));
  }
  if (fault.kind == Kind::kThrottle) {
    if (fault.permille == 0 || fault.permille > 1000) {
      return absl::InvalidArgumentError(
          absl::StrCat("permille: ", fault.permille, " of the clock: 1 to 1000"));
    }
  } else if (fault.permille != 0) {
    return absl::InvalidArgumentError(absl::StrCat("permille: ", name, " has none"));
  }
  return absl::OkStatus();
}

absl::StatusOr<InjectedFault> ParseFault(std::string_view text) {
  const size_t at = text.rfind('@');
  uint64_t nanoseconds = 0;
  if (at == std::string_view::npos ||
      !absl::SimpleAtoi(std::string(text.substr(at + 1)), &nanoseconds) ||
      nanoseconds > kMostNanoseconds) {
    return Bad(text, "ends with @ and a time in nanoseconds");
  }
  const std::vector<std::string> parts = absl::StrSplit(std::string(text.substr(0, at)), ':');
  InjectedFault fault;
  const absl::StatusOr<Kind> kind = ParseKind(parts[0]);
  if (!kind.ok()) return Bad(text, std::string(kind.status().message()));
  fault.kind = *kind;
  fault.at = Picoseconds(nanoseconds * kPicosecondsPerNanosecond);
  const Shape& shape = ShapeOf(fault.kind);
  bool addressed = false, throttled = false;
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (shape.unit && i == 1) {
      fault.unit = part;
    } else if (shape.address && !addressed && part.rfind("0x", 0) == 0 &&
               absl::SimpleHexAtoi(part, &fault.address)) {
      addressed = true;
    } else if (fault.kind == Kind::kThrottle && !throttled &&
               absl::SimpleAtoi(part, &fault.permille)) {
      throttled = true;
    } else {
      return Bad(text, absl::StrCat("what is ", part, "?"));
    }
  }
  if (shape.needs_address && !addressed) return Bad(text, "needs an address, as in :0x20001000");
  if (const absl::Status status = CheckFault(fault); !status.ok()) {
    return Bad(text, std::string(status.message()));
  }
  return fault;
}

std::string ToString(const InjectedFault& fault) {
  const Shape& shape = ShapeOf(fault.kind);
  std::string text(shape.name);
  if (shape.unit) absl::StrAppend(&text, ":", fault.unit);
  if (shape.needs_address || fault.address != 0) {
    absl::StrAppend(&text, ":0x", absl::Hex(fault.address));
  }
  if (fault.kind == Kind::kThrottle) absl::StrAppend(&text, ":", fault.permille);
  absl::StrAppend(&text, "@", fault.at.value() / kPicosecondsPerNanosecond);
  return text;
}

}  // namespace openhpu::simulator
