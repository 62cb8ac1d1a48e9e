#include "simulator/engine/sync_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

namespace sm = hal::abi::gaudi::sync_manager;

using Kind = SyncRegister::Kind;

// Of the global block, alike in all dialects.
constexpr uint32_t kSeiCauseOffset = 0x4;
constexpr uint32_t kSeiUnaligned = 1 << 1;
// Of Gaudi2's: long values, and what holds their targets.
constexpr int kPartsOfLong = 4;
constexpr int kBitsOfPart = sm::SOB_OBJ::VAL::kWidth;

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
  security_.assign(config_.dialect->security_words, config_.dialect->security_at_rest);
  config_.dialect->reset_sync_globals(globals_);
}

void SyncManager::Refuse(const std::string& what, const char* why, const Message& message) {
  environment_.faults.Raise(hal::HealthEvent::Kind::kUndefinedOpcode, message.origin,
                            absl::StrCat(what, " of ", label(), ": ", why));
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
  const SyncRegister found = config_.dialect->sync_register(offset);
  const uint32_t i = found.index;
  if (found.kind == Kind::kSob) {
    if (!Allowed("SOB", i, config_.first_user_sob, config_.sobs, message)) return;
    return config_.dialect->writes_long(message.value) ? WriteLongSob(i, message)
                                                       : WriteSob(i, message);
  }
  const auto monitor = [&]() -> Monitor* {
    return Allowed("monitor", i, config_.first_user_monitor, config_.monitors, message)
               ? &monitors_[i]
               : nullptr;
  };
  switch (found.kind) {
    case Kind::kPayloadLow:
      if (Monitor* m = monitor()) m->address = (m->address >> 32 << 32) | message.value;
      return;
    case Kind::kPayloadHigh:
      if (Monitor* m = monitor()) {
        m->address = (uint64_t{message.value} << 32) | (m->address & 0xFFFFFFFF);
      }
      return;
    case Kind::kPayloadData:
      if (Monitor* m = monitor()) m->data = message.value;
      return;
    case Kind::kConfig:
      if (Monitor* m = monitor()) m->config = message.value;
      return;
    case Kind::kArm:
      if (monitor() != nullptr) Arm(i, message);
      return;
    case Kind::kStatus:
      if (message.value != 0 && !message.privileged) break;
      if (monitor() != nullptr && message.value == 0) Disarm(i);
      return;
    case Kind::kSecurity:
      if (!message.privileged) break;
      security_[i] = message.value;
      return;
    case Kind::kGlobal:
      return WriteGlobalWord(i, message);
    case Kind::kSob:
    case Kind::kNone:
      break;
  }
  environment_.faults.Raise(
      hal::HealthEvent::Kind::kRazwi, message.origin,
      absl::StrCat("write to offset 0x", absl::Hex(offset), " of sync manager ", label(),
                   ", where no register can be written"));
}

void SyncManager::WriteSob(uint32_t index, const Message& message) {
  const uint32_t value = sm::SOB_OBJ::VAL::Get(message.value);
  const bool add = sm::SOB_OBJ::INC::Get(message.value) != 0;
  values_[index] = static_cast<uint16_t>((add ? values_[index] + value : value) & sm::kMaxSobValue);
  if (!clocks_.empty()) {
    clocks_[index] = add ? Joined(clocks_[index], message.clock) : message.clock;
  }
  FireSatisfied(index / sm::kSobsPerGroup);
}

void SyncManager::WriteLongSob(uint32_t index, const Message& message) {
  if (index % kPartsOfLong != 0) {
    return Refuse(absl::StrCat("SOB ", index), "LONG_SOB begins at every fourth", message);
  }
  const bool add = sm::SOB_OBJ::INC::Get(message.value) != 0;
  uint64_t value = sm::SOB_OBJ::VAL::Get(message.value);
  if (add) value += LongValue(index);
  for (int part = 0; part < kPartsOfLong; ++part) {
    values_[index + part] = static_cast<uint16_t>(value >> (kBitsOfPart * part) & sm::kMaxSobValue);
    if (clocks_.empty()) continue;
    SharedClock& clock = clocks_[index + part];
    clock = add ? Joined(clock, message.clock) : message.clock;
  }
  FireSatisfied(index / sm::kSobsPerGroup);
}

uint64_t SyncManager::LongValue(uint32_t index) const {
  uint64_t value = 0;
  for (int part = kPartsOfLong - 1; part >= 0; --part) {
    value = value << kBitsOfPart | values_[index + part];
  }
  return value;
}

void SyncManager::FireSatisfied(uint32_t group) {
  std::vector<uint16_t>& armed = armed_[group];
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

void SyncManager::WriteGlobalWord(uint32_t word, const Message& message) {
  if (!message.privileged && !message.origin.kernel) {
    const int queue = QueueOfGlobal(word);
    if (queue < 0 || config_.queues == 0) {
      return environment_.faults.Raise(
          hal::HealthEvent::Kind::kRazwi, message.origin,
          absl::StrCat("write to word ", word, " of the global registers of sync manager ", label(),
                       ", which is not the user's"));
    }
    if (!Allowed("completion queue", static_cast<uint32_t>(queue), config_.first_user_queue,
                 config_.queues, message)) {
      return;
    }
  }
  globals_[word] = message.value;
}

bool SyncManager::Has(uint32_t offset) const {
  const SyncRegister found = config_.dialect->sync_register(offset);
  switch (found.kind) {
    case Kind::kNone:
      return false;
    case Kind::kSob:
      return found.index < config_.sobs;
    case Kind::kSecurity:
    case Kind::kGlobal:
      return true;
    case Kind::kPayloadLow:
    case Kind::kPayloadHigh:
    case Kind::kPayloadData:
    case Kind::kConfig:
    case Kind::kArm:
    case Kind::kStatus:
      break;
  }
  return found.index < config_.monitors;
}

uint32_t SyncManager::Read(uint32_t offset) const {
  if (!Has(offset)) return 0;
  const SyncRegister found = config_.dialect->sync_register(offset);
  const uint32_t i = found.index;
  switch (found.kind) {
    case Kind::kNone:
      break;
    case Kind::kSob:
      return values_[i];
    case Kind::kPayloadLow:
      return static_cast<uint32_t>(monitors_[i].address);
    case Kind::kPayloadHigh:
      return static_cast<uint32_t>(monitors_[i].address >> 32);
    case Kind::kPayloadData:
      return monitors_[i].data;
    case Kind::kConfig:
      return monitors_[i].config;
    case Kind::kArm:
      return monitors_[i].arm;
    case Kind::kStatus:
      if (!monitors_[i].armed) return config_.dialect->monitor_at_rest;
      return config_.dialect->monitor_at_rest |
             sm::MON_STATUS::PENDING::Set(sm::MON_STATUS::VALID::Set(0, 1), Missing(monitors_[i]));
    case Kind::kSecurity:
      return security_[i];
    case Kind::kGlobal:
      return globals_[i];
  }
  return 0;
}

uint64_t SyncManager::Value(const Monitor& monitor, int i) const {
  const uint32_t index = monitor.group * sm::kSobsPerGroup + i;
  return monitor.is_long ? LongValue(index) : values_[index];
}

uint32_t SyncManager::Missing(const Monitor& monitor) const {
  uint32_t missing = 0;
  for (int i = 0; i < sm::kSobsPerGroup; ++i) {
    if ((monitor.mask >> i) & 1) continue;
    const uint64_t value = Value(monitor, i);
    if (monitor.equal ? value != monitor.value : value < monitor.value) missing |= 1u << i;
  }
  return missing;
}

bool SyncManager::Satisfied(const Monitor& monitor) const { return Missing(monitor) == 0; }

void SyncManager::Arm(uint32_t index, const Message& message) {
  const uint32_t config = monitors_[index].config;
  if (const char* why = config_.dialect->refuses_monitor(config); why != nullptr) {
    return Refuse(absl::StrCat("monitor ", index), why, message);
  }
  const MonitorMode mode = config_.dialect->monitor_mode(config);
  const uint32_t group = sm::MON_ARM::SID::Get(message.value) | mode.high_group;
  if ((group + 1) * sm::kSobsPerGroup > config_.sobs) {
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, message.origin,
        absl::StrCat("monitor ", index, " armed on group ", group, ", sync manager ", label(),
                     " has ", config_.sobs / sm::kSobsPerGroup));
    return;
  }
  const uint32_t behind = mode.is_long && index % kPartsOfLong == 0
                              ? std::max<uint32_t>(mode.writes, kPartsOfLong)
                              : mode.writes;
  if (index + behind > config_.monitors) {
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, message.origin,
        absl::StrCat("monitor ", index, " armed with ", behind - 1, " behind it, sync manager ",
                     label(), " has ", config_.monitors, " monitors"));
    return;
  }
  Disarm(index);
  Monitor& monitor = monitors_[index];
  monitor.arm = message.value;
  // Holds bits of another one's target.
  if (mode.is_long && index % kPartsOfLong != 0) return;
  monitor.armed = true;
  monitor.group = static_cast<uint16_t>(group);
  monitor.mask = static_cast<uint8_t>(sm::MON_ARM::MASK::Get(message.value));
  monitor.equal = sm::MON_ARM::SOP::Get(message.value) != 0;
  monitor.value = sm::MON_ARM::SOD::Get(message.value);
  monitor.is_long = mode.is_long;
  if (mode.is_long) {
    const uint32_t watched = 1u << (mode.high_half ? kPartsOfLong : 0);
    monitor.mask |= static_cast<uint8_t>(~watched);
    for (int part = 1; part < kPartsOfLong; ++part) {
      const Monitor& next = monitors_[index + part];
      if (!config_.dialect->monitor_mode(next.config).is_long) continue;
      monitor.value |= uint64_t{sm::MON_ARM::SOD::Get(next.arm)} << (kBitsOfPart * part);
    }
  }
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
  Message message;
  message.at = Now() + environment_.timing.message_latency;
  message.from_monitor = true;
  message.origin = monitor.armed_by;
  if (!clocks_.empty()) {
    message.clock = monitor.clock;
    for (int i = 0; i < sm::kSobsPerGroup; ++i) {
      if ((monitor.mask >> i) & 1) continue;
      for (int part = 0; part < (monitor.is_long ? kPartsOfLong : 1); ++part) {
        message.clock =
            Joined(message.clock, clocks_[monitor.group * sm::kSobsPerGroup + i + part]);
      }
    }
  }
  const uint32_t writes = config_.dialect->monitor_mode(monitor.config).writes;
  const uint32_t end = std::min(index + writes, config_.monitors);
  for (uint32_t i = index; i < end && !environment_.faults.failed(); ++i) WritePayload(i, message);
}

void SyncManager::WritePayload(uint32_t index, Message message) {
  const Monitor& monitor = monitors_[index];
  if (const char* why = config_.dialect->refuses_monitor(monitor.config); why != nullptr) {
    return Refuse(absl::StrCat("monitor ", index), why, message);
  }
  const MonitorMode mode = config_.dialect->monitor_mode(monitor.config);
  if (!mode.to_queue) {
    Post(index, {monitor.address, monitor.data}, std::move(message));
    return;
  }
  const auto queue = static_cast<uint32_t>(monitor.address);
  if (!Allowed("completion queue", queue, config_.first_user_queue, config_.queues, message)) {
    return;
  }
  if (Post(index, AddToQueue(globals_, queue, monitor.data), message) && mode.interrupt) {
    Post(index, InterruptOfQueue(globals_, queue), std::move(message));
  }
}

bool SyncManager::Post(uint32_t index, const QueueWrite& write, Message message) {
  if (write.address % sizeof(uint32_t) != 0) {
    globals_[kSeiCauseOffset / 4] = kSeiUnaligned | (index << config_.dialect->sync_error_log_lsb);
    environment_.faults.Raise(
        hal::HealthEvent::Kind::kRazwi, message.origin,
        absl::StrCat("payload address 0x", absl::Hex(write.address), " of monitor ", index, " of ",
                     label(), " is not aligned to 4 bytes"));
    return false;
  }
  message.address = write.address;
  message.value = write.value;
  environment_.network->Post(std::move(message));
  return true;
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
    const uint64_t value = Value(monitor, i);
    const bool holds = monitor.equal ? value == monitor.value : value >= monitor.value;
    absl::StrAppend(&text, first ? " " : ", ", monitor.is_long ? "long SOB " : "SOB ", sob,
                    monitor.equal ? " = " : " >= ", monitor.value, " (is ", value,
                    holds ? ", holds)" : ")");
    first = false;
  }
  return text;
}

}  // namespace openhpu::simulator
