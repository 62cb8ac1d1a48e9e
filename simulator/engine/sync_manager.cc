#include "simulator/engine/sync_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

namespace sm = hal::abi::gaudi::sync_manager;

// The index of the register that `offset` is, or -1.
template <typename Register>
int IndexIn(uint32_t offset) {
  if (offset < Register::kOffset || offset >= Register::At(Register::kCount) || offset % 4 != 0)
    return -1;
  return static_cast<int>((offset - Register::kOffset) / 4);
}

// SM_SEC: which objects are the kernel driver's, a bit each; the vendor's block_sob_objs.
constexpr uint32_t kSecurityOffset = 0x5800, kSecurityWords = 256;
// Of the global block: the vendor's block_sob_glbl.
constexpr uint32_t kSeiMaskOffset = 0x0, kSeiCauseOffset = 0x4;
constexpr uint32_t kSeiUnaligned = 1 << 1;
constexpr int kSeiLogLsb = 16;

}  // namespace

SyncManager::SyncManager(sc_core::sc_module_name name, Environment& environment,
                         const Config& config)
    : sc_module(name), environment_(environment), config_(config) {
  Reset();
}

void SyncManager::Reset() {
  values_.assign(config_.sobs, 0);
  clocks_.assign(environment_.hazards ? config_.sobs : 0, nullptr);
  monitors_.assign(config_.monitors, Monitor());
  armed_.assign(config_.sobs / sm::kSobsPerGroup + 1, {});
  security_.assign(kSecurityWords, 0);
  sei_mask_ = sei_cause_ = 0;
}

const char* SyncManager::label() const {
  static constexpr const char* kLabels[] = {"W_S", "E_S", "W_N", "E_N"};
  return kLabels[config_.index % 4];
}

bool SyncManager::Allowed(const char* what, uint32_t index, uint32_t first, uint32_t count,
                          const Message& message) {
  const bool kernels = message.privileged || message.origin.kernel;
  if ((index >= first || kernels) && index < count) return true;
  environment_.faults.Raise(
      hal::HealthEvent::Kind::kRazwi, message.origin,
      absl::StrCat(
          "write to ", what, " ", index, " of sync manager ", label(),
          index >= count ? absl::StrCat(", which has ", count) : ", which is the kernel driver's"));
  return false;
}

void SyncManager::Write(uint32_t offset, const Message& message) {
  if (const int i = IndexIn<sm::SOB_OBJ>(offset); i >= 0) {
    if (Allowed("SOB", i, config_.first_user_sob, config_.sobs, message)) WriteSob(i, message);
    return;
  }
  const auto monitor = [&](int i) -> Monitor* {
    return Allowed("monitor", i, config_.first_user_monitor, config_.monitors, message)
               ? &monitors_[i]
               : nullptr;
  };
  if (const int i = IndexIn<sm::MON_PAY_ADDRL>(offset); i >= 0) {
    if (Monitor* m = monitor(i)) m->address = (m->address >> 32 << 32) | message.value;
  } else if (const int i = IndexIn<sm::MON_PAY_ADDRH>(offset); i >= 0) {
    if (Monitor* m = monitor(i)) {
      m->address = (uint64_t{message.value} << 32) | (m->address & 0xFFFFFFFF);
    }
  } else if (const int i = IndexIn<sm::MON_PAY_DATA>(offset); i >= 0) {
    if (Monitor* m = monitor(i)) m->data = message.value;
  } else if (const int i = IndexIn<sm::MON_ARM>(offset); i >= 0) {
    if (monitor(i) != nullptr) Arm(i, message);
  } else if (const int i = IndexIn<sm::MON_STATUS>(offset);
             i >= 0 && (message.value == 0 || message.privileged)) {
    if (monitor(i) != nullptr && message.value == 0) Disarm(i);
  } else if (message.privileged && offset % 4 == 0 && offset >= kSecurityOffset &&
             offset < kSecurityOffset + 4 * kSecurityWords) {
    security_[(offset - kSecurityOffset) / 4] = message.value;
  } else {
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, message.origin,
        absl::StrCat("write to offset 0x", absl::Hex(offset), " of sync manager ", label(),
                     ", where no register can be written"));
  }
}

void SyncManager::WriteSob(uint32_t index, const Message& message) {
  const uint32_t value = sm::SOB_OBJ::VAL::Get(message.value);
  const bool add = sm::SOB_OBJ::INC::Get(message.value) != 0;
  values_[index] = static_cast<uint16_t>((add ? values_[index] + value : value) & sm::kMaxSobValue);
  if (!clocks_.empty()) {
    clocks_[index] = add ? Joined(clocks_[index], message.clock) : message.clock;
  }
  std::vector<uint16_t>& armed = armed_[index / sm::kSobsPerGroup];
  for (size_t i = 0; i < armed.size();) {
    const uint16_t monitor = armed[i];
    if (Satisfied(monitors_[monitor])) {
      armed.erase(armed.begin() + i);
      Fire(monitor);
    } else {
      ++i;
    }
  }
}

bool SyncManager::Has(uint32_t offset) const {
  if (const int i = IndexIn<sm::SOB_OBJ>(offset); i >= 0) return i < static_cast<int>(config_.sobs);
  // Five arrays, one a monitor's register each.
  constexpr uint32_t kArrayBytes = sm::MON_PAY_ADDRH::kOffset - sm::MON_PAY_ADDRL::kOffset;
  return offset >= kSecurityOffset ||
         (offset - sm::MON_PAY_ADDRL::kOffset) % kArrayBytes / 4 < config_.monitors;
}

uint32_t SyncManager::Read(uint32_t offset) const {
  const auto in = [](int i, size_t count) { return i >= 0 && static_cast<size_t>(i) < count; };
  if (const int i = IndexIn<sm::SOB_OBJ>(offset); in(i, values_.size())) return values_[i];
  const size_t monitors = monitors_.size();
  if (const int i = IndexIn<sm::MON_PAY_ADDRL>(offset); in(i, monitors)) {
    return static_cast<uint32_t>(monitors_[i].address);
  }
  if (const int i = IndexIn<sm::MON_PAY_ADDRH>(offset); in(i, monitors)) {
    return static_cast<uint32_t>(monitors_[i].address >> 32);
  }
  if (const int i = IndexIn<sm::MON_PAY_DATA>(offset); in(i, monitors)) return monitors_[i].data;
  if (const int i = IndexIn<sm::MON_ARM>(offset); in(i, monitors)) return monitors_[i].arm;
  if (const int i = IndexIn<sm::MON_STATUS>(offset); in(i, monitors)) {
    if (!monitors_[i].armed) return 0;
    return sm::MON_STATUS::PENDING::Set(sm::MON_STATUS::VALID::Set(0, 1), Missing(monitors_[i]));
  }
  if (offset >= kSecurityOffset && (offset - kSecurityOffset) / 4 < kSecurityWords) {
    return security_[(offset - kSecurityOffset) / 4];
  }
  return 0;
}

uint32_t SyncManager::ReadGlobal(uint32_t offset) const {
  return offset == kSeiMaskOffset ? sei_mask_ : offset == kSeiCauseOffset ? sei_cause_ : 0;
}

void SyncManager::WriteGlobal(uint32_t offset, uint32_t value) {
  if (offset == kSeiMaskOffset) sei_mask_ = value;
  if (offset == kSeiCauseOffset) sei_cause_ = value;
}

uint32_t SyncManager::Missing(const Monitor& monitor) const {
  const uint16_t* const values = &values_[monitor.group * sm::kSobsPerGroup];
  uint32_t missing = 0;
  for (int i = 0; i < sm::kSobsPerGroup; ++i) {
    if ((monitor.mask >> i) & 1) continue;
    if (monitor.equal ? values[i] != monitor.value : values[i] < monitor.value) missing |= 1u << i;
  }
  return missing;
}

bool SyncManager::Satisfied(const Monitor& monitor) const {
  const uint16_t* const values = &values_[monitor.group * sm::kSobsPerGroup];
  for (int i = 0; i < sm::kSobsPerGroup; ++i) {
    if ((monitor.mask >> i) & 1) continue;
    if (monitor.equal ? values[i] != monitor.value : values[i] < monitor.value) return false;
  }
  return true;
}

void SyncManager::Arm(uint32_t index, const Message& message) {
  const uint32_t group = sm::MON_ARM::SID::Get(message.value);
  if ((group + 1) * sm::kSobsPerGroup > config_.sobs) {
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, message.origin,
        absl::StrCat("monitor ", index, " armed on group ", group, ", sync manager ", label(),
                     " has ", config_.sobs / sm::kSobsPerGroup));
    return;
  }
  Disarm(index);
  Monitor& monitor = monitors_[index];
  monitor.arm = message.value;
  monitor.armed = true;
  monitor.group = static_cast<uint16_t>(group);
  monitor.mask = static_cast<uint8_t>(sm::MON_ARM::MASK::Get(message.value));
  monitor.equal = sm::MON_ARM::SOP::Get(message.value) != 0;
  monitor.value = static_cast<uint16_t>(sm::MON_ARM::SOD::Get(message.value));
  monitor.armed_by = message.origin;
  monitor.clock = message.clock;
  if (Satisfied(monitor)) {
    Fire(index);
  } else {
    armed_[group].push_back(static_cast<uint16_t>(index));
  }
}

void SyncManager::Disarm(uint32_t index) {
  Monitor& monitor = monitors_[index];
  if (!monitor.armed) return;
  monitor.armed = false;
  std::vector<uint16_t>& armed = armed_[monitor.group];
  armed.erase(std::remove(armed.begin(), armed.end(), index), armed.end());
}

void SyncManager::Fire(uint32_t index) {
  Monitor& monitor = monitors_[index];
  monitor.armed = false;
  if (monitor.address % sizeof(uint32_t) != 0) {
    sei_cause_ = kSeiUnaligned | (index << kSeiLogLsb);
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, monitor.armed_by,
        absl::StrCat("payload address 0x", absl::Hex(monitor.address), " of monitor ", index,
                     " of ", label(), " is not aligned to 4 bytes"));
    return;
  }
  Message message;
  message.at = Now() + environment_.timing.message_latency;
  message.from_monitor = true;
  message.address = monitor.address;
  message.value = monitor.data;
  message.origin = monitor.armed_by;
  if (!clocks_.empty()) {
    message.clock = monitor.clock;
    for (int i = 0; i < sm::kSobsPerGroup; ++i) {
      if ((monitor.mask >> i) & 1) continue;
      message.clock = Joined(message.clock, clocks_[monitor.group * sm::kSobsPerGroup + i]);
    }
  }
  environment_.network->Post(std::move(message));
}

std::string SyncManager::DescribeMonitor(uint32_t index) const {
  const Monitor& monitor = monitors_[index];
  std::string text = absl::StrCat("monitor ", index, " of ", label());
  if (!monitor.armed) return text + " (not armed)";
  absl::StrAppend(&text, " (armed) waits for");
  bool first = true;
  for (int i = 0; i < sm::kSobsPerGroup; ++i) {
    if ((monitor.mask >> i) & 1) continue;
    const uint32_t sob = monitor.group * sm::kSobsPerGroup + i;
    const bool holds =
        monitor.equal ? values_[sob] == monitor.value : values_[sob] >= monitor.value;
    absl::StrAppend(&text, first ? " " : ", ", "SOB ", sob,
                    monitor.equal ? " = " : " >= ", monitor.value, " (is ", values_[sob],
                    holds ? ", holds)" : ")");
    first = false;
  }
  return text;
}

}  // namespace openhpu::simulator
