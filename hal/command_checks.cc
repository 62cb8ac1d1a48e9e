#include "hal/command_checks.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/kernel/launch.h"

namespace openhpu::hal {
namespace {

using Role = CommandWriter::Role;

constexpr uint32_t kMaxSobValue = 0x7FFF;
constexpr uint32_t kSobsPerGroup = 8;

}  // namespace

CommandChecks::CommandChecks(const Chip& chip, Engine engine, Role role, std::string name)
    : chip_(chip), engine_(engine), role_(role), name_(std::move(name)) {}

absl::Status CommandChecks::RoleFits() const {
  if ((role_ == Role::kExternal) == (engine_.kind == EngineKind::kHostDma)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(name_, ": external commands are for host DMA engines, and they take no other"));
}

absl::Status CommandChecks::Require(const char* call, bool allowed) const {
  if (allowed) return absl::OkStatus();
  const char* role = role_ == Role::kExternal ? "an external buffer"
                     : role_ == Role::kUpper  ? "an upper buffer"
                                              : "a body";
  return absl::FailedPreconditionError(absl::StrCat(name_, ": ", role, " has no ", call));
}

absl::Status CommandChecks::RequireBody(const char* call, EngineKind kind) const {
  return Require(call, role_ == Role::kBody && engine_.kind == kind);
}

absl::Status CommandChecks::Sobs(Sob first, uint32_t count) const {
  const uint64_t sobs = chip_.sync().sobs().value();
  if (uint64_t{first.index} + count <= sobs) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name_, ": sync object ", first.index, " of a bank in a manager of ", sobs));
}

absl::Status CommandChecks::SobValue(const char* call, uint32_t value) const {
  if (value <= kMaxSobValue) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name_, ": ", call, ": value ", value));
}

absl::Status CommandChecks::Monitors(uint32_t first, uint32_t count) const {
  const uint64_t monitors = chip_.sync().monitors().value();
  if (uint64_t{first} + count <= monitors) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name_, ": monitors ", first, " to ", uint64_t{first} + count, " of a manager of ", monitors));
}

absl::Status CommandChecks::Conditions(absl::Span<const SyncCondition> conditions,
                                       uint32_t first_monitor, uint32_t begin, uint32_t end) const {
  if (first_monitor < begin || first_monitor + conditions.size() > end) {
    return absl::FailedPreconditionError(absl::StrCat(name_, ": Await on monitors ", first_monitor,
                                                      " to ", first_monitor + conditions.size(),
                                                      "; set up are ", begin, " to ", end));
  }
  for (size_t i = 0; i < conditions.size(); ++i) {
    const SyncCondition& condition = conditions[i];
    const auto bad = [&](const char* field, uint32_t value) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": Await condition ", i, ": ", field, " = ", value));
    };
    if (condition.value == 0 || condition.value > kMaxSobValue) {
      return bad("value", condition.value);
    }
    if (condition.watch == 0) return bad("watch", condition.watch);
    if (condition.group >= chip_.sync().sobs().value() / kSobsPerGroup) {
      return bad("group", condition.group);
    }
  }
  return absl::OkStatus();
}

absl::Status CommandChecks::Body(SymbolicAddress body, uint32_t bytes) const {
  if (bytes != 0 && bytes % 8 == 0 && body.offset % 8 == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name_, ": Run of ", bytes, " bytes at ", body.offset, " of a body"));
}

absl::Status CommandChecks::Copy(const DmaCopy& copy) const {
  bool empty = copy.run == 0;
  for (uint32_t size : copy.sizes) empty = empty || size == 0;
  if (!empty) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name_, ": DmaCopy of 0 bytes"));
}

absl::Status CommandChecks::Fill(const DmaFill& fill) const {
  if (fill.bytes != 0 && fill.bytes % 4 == 0 && fill.destination.offset % 4 == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(name_, ": DmaFill of ", fill.bytes,
                                                 " bytes at offset ", fill.destination.offset,
                                                 ": neither 0 nor unaligned to 4"));
}

absl::Status CommandChecks::Box(const TpcBox& box) const {
  const auto bad = [this](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": TpcBox: ", what));
  };
  if (box.tensors.size() > kTpcMaxTensors) {
    return bad(absl::StrCat(box.tensors.size(), " tensors of at most ", kTpcMaxTensors));
  }
  if (box.addresses.size() != box.tensors.size()) {
    return bad(
        absl::StrCat(box.addresses.size(), " addresses for ", box.tensors.size(), " tensors"));
  }
  if (box.scalars.size() > kTpcMaxScalars) {
    return bad(absl::StrCat(box.scalars.size(), " scalars of at most ", kTpcMaxScalars));
  }
  for (int i = 0; i < kTpcMaxDims; ++i) {
    if (box.box.size[i] == 0) return bad(absl::StrCat("box.size[", i, "] = 0"));
  }
  for (size_t t = 0; t < box.tensors.size(); ++t) {
    if (box.tensors[t].strides[0] != 1) {
      return bad(absl::StrCat("tensor ", t, ": stride of dim 0 is ", box.tensors[t].strides[0],
                              ", must be 1"));
    }
  }
  return absl::OkStatus();
}

DmaCopy Collapse(const DmaCopy& copy) {
  DmaCopy out = copy;
  out.sizes = {1, 1, 1, 1};
  out.source_strides = out.destination_strides = {0, 0, 0, 0};
  int dims = 0;
  for (int i = 0; i < 4; ++i) {
    if (copy.sizes[i] == 1) continue;
    const uint64_t run = uint64_t{out.run} * copy.sizes[i];
    if (dims == 0 && copy.source_strides[i] == out.run && copy.destination_strides[i] == out.run &&
        run <= kMaxLinearBytes) {
      out.run = static_cast<uint32_t>(run);
      continue;
    }
    out.sizes[dims] = copy.sizes[i];
    out.source_strides[dims] = copy.source_strides[i];
    out.destination_strides[dims] = copy.destination_strides[i];
    ++dims;
  }
  return out;
}

bool IsLinear(const DmaCopy& copy) { return copy.sizes == std::array<uint32_t, 4>{1, 1, 1, 1}; }

}  // namespace openhpu::hal
