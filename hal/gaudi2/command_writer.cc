#include "hal/gaudi2/command_writer.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "hal/base/status_macros.h"
#include "hal/dialect_packets.h"
#include "hal/gaudi2/engines.h"

namespace openhpu::hal::gaudi2 {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi2;
namespace qman = abi::qman;
namespace sync = abi::sync_manager;

constexpr uint32_t kUserFence = 0;  // 2 is the kernel's
constexpr int kUserManager = 0;

constexpr uint32_t MonitorOffset(uint32_t register_offset) {
  return register_offset - sync::MON_PAY_ADDRL::kOffset;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CommandWriter>> Gaudi2CommandWriter::Create(const Chip& chip,
                                                                           Engine engine,
                                                                           Role role) {
  ASSIGN_OR_RETURN(std::string name, EngineName(chip, engine));
  ASSIGN_OR_RETURN(const uint64_t base, QmanBaseOf(chip, engine));
  CommandChecks checks(chip, engine, role, std::move(name));
  RETURN_IF_ERROR(checks.RoleFits());
  if (chip.sync().user_manager().value() != kUserManager) {
    return absl::InvalidArgumentError(
        absl::StrCat("sync.user_manager = ", chip.sync().user_manager().value(),
                     ": every queue reaches manager 0 only"));
  }
  return std::unique_ptr<CommandWriter>(
      new Gaudi2CommandWriter(chip, role, std::move(checks), base));
}

void Gaudi2CommandWriter::RelocateSob(uint32_t low_word, Sob sob) {
  Relocation where;
  where.word = low_word;
  where.kind = RelocationKind::kSobBase;
  where.scale = 4;
  where.addend = (abi::SyncManagerObjsBase(kUserManager) & 0xFFFFFFFF) + sync::SOB_OBJ::At(0) +
                 uint64_t{4} * sob.index;
  packets_.Add(where);
}

void Gaudi2CommandWriter::RelocateGroup(uint32_t config_word, uint32_t arm_word, uint32_t group) {
  Relocation high;
  high.word = config_word;
  high.kind = RelocationKind::kSobBase;
  high.lsb = sync::MON_CONFIG::MSB_SID::kLsb;
  high.width = sync::MON_CONFIG::MSB_SID::kWidth;
  high.shift = 3 + sync::MON_ARM::SID::kWidth;  // eight objects a group
  high.addend = uint64_t{sync::kSobsPerGroup} * group;
  packets_.Add(high);
  Relocation low = high;
  low.word = arm_word;
  low.kind = RelocationKind::kSobBasePart;
  low.lsb = sync::MON_ARM::SID::kLsb;
  low.width = sync::MON_ARM::SID::kWidth;
  low.shift = 3;
  packets_.Add(low);
}

absl::Status Gaudi2CommandWriter::SetUpMonitors(uint32_t first, uint32_t count) {
  RETURN_IF_ERROR(checks_.Require("SetUpMonitors", role_ != Role::kBody));
  RETURN_IF_ERROR(checks_.Monitors(first, count));
  const uint64_t fence = qman_ + qman::CpFenceRdata(kUserFence, 0);
  const auto message = [this](uint32_t reg, uint32_t monitor, uint32_t value) {
    return packets_.Message(qman::kMonitorMsgBase, RelocationKind::kMonitorBase, MonitorOffset(reg),
                            monitor, value, {});
  };
  for (uint32_t i = first; i < first + count; ++i) {
    Relocation stream;  // the fence counter of the stream that runs this
    stream.word = message(sync::MON_PAY_ADDRL::kOffset, i, 0);
    stream.kind = RelocationKind::kStream;
    stream.scale = 4;
    stream.addend = fence & 0xFFFFFFFF;
    packets_.Add(stream);
    message(sync::MON_PAY_ADDRH::kOffset, i, static_cast<uint32_t>(fence >> 32));
    message(sync::MON_PAY_DATA::kOffset, i, 1);
  }
  monitors_begin_ = first;
  monitors_end_ = first + count;
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::Await(absl::Span<const SyncCondition> conditions,
                                        uint32_t first_monitor) {
  RETURN_IF_ERROR(checks_.Require("Await", role_ != Role::kBody));
  if (conditions.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(checks_.Conditions(conditions, first_monitor, monitors_begin_, monitors_end_));
  for (size_t i = 0; i < conditions.size(); ++i) {
    const uint32_t monitor = first_monitor + static_cast<uint32_t>(i);
    const sync::MonitorWords words =
        sync::Watch(0, conditions[i].watch, /*equal=*/false, conditions[i].value);
    const uint32_t config =
        packets_.Message(qman::kMonitorMsgBase, RelocationKind::kMonitorBase,
                         MonitorOffset(sync::MON_CONFIG::kOffset), monitor, words.config, {});
    // The barrier: what the monitor is must be there before it is armed.
    const uint32_t arm = packets_.Message(qman::kMonitorMsgBase, RelocationKind::kMonitorBase,
                                          MonitorOffset(sync::MON_ARM::kOffset), monitor, words.arm,
                                          Barriers{false, true});
    RelocateGroup(config, arm, conditions[i].group);
  }
  AppendFences<abi::PacketFence>(kUserFence, conditions.size(), packets_);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::WriteSob(Sob sob, uint32_t message, bool after_engine) {
  RETURN_IF_ERROR(checks_.Sobs(sob, 1));
  packets_.Message(qman::kSobMsgBase, RelocationKind::kSobBase, 0, sob.index, message,
                   Barriers{after_engine, true});
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::SetSob(Sob sob, uint32_t value, bool after_engine) {
  RETURN_IF_ERROR(checks_.SobValue("SetSob", value));
  return WriteSob(sob, sync::SobSet(value), after_engine);
}

absl::Status Gaudi2CommandWriter::AddSob(Sob sob, uint32_t value, bool after_engine) {
  RETURN_IF_ERROR(checks_.SobValue("AddSob", value));
  return WriteSob(sob, sync::SobAdd(value), after_engine);
}

absl::Status Gaudi2CommandWriter::Run(SymbolicAddress body, uint32_t bytes) {
  RETURN_IF_ERROR(checks_.Require("Run", role_ == Role::kUpper));
  RETURN_IF_ERROR(checks_.Body(body, bytes));
  AppendRun<abi::PacketCpDma, abi::PacketArbPoint>(body, bytes, packets_);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::HostCopy(SymbolicAddress source, SymbolicAddress destination,
                                           uint64_t bytes) {
  RETURN_IF_ERROR(checks_.Require("HostCopy", role_ == Role::kExternal));
  if (bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat(checks_.name(), ": HostCopy of 0 bytes"));
  }
  WriteLinear(source, destination, bytes, std::nullopt);
  return absl::OkStatus();
}

absl::Status Gaudi2CommandWriter::Timestamp(SymbolicAddress destination) {
  RETURN_IF_ERROR(checks_.Require("Timestamp", role_ == Role::kExternal));
  AppendTimestamp<abi::PacketMsgLong, abi::Ctl, abi::MessageOp>(destination, packets_);
  return absl::OkStatus();
}

CommandBlob Gaudi2CommandWriter::Take() {
  monitors_begin_ = monitors_end_ = 0;
  caches_invalidated_ = false;
  return packets_.Take();
}

}  // namespace openhpu::hal::gaudi2
