#include "hal/gaudi/command_writer.h"

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/base/status_macros.h"
#include "hal/dialect_packets.h"
#include "hal/gaudi/engines.h"

namespace openhpu::hal::gaudi {
namespace {

namespace abi = ::openhpu::hal::abi::gaudi;
namespace sync = abi::sync_manager;

// Where the kernel points the bases of MSG_SHORT: 0 at MON_PAY_ADDRL_0, 1 at SOB_OBJ_0, both of the
// E_N manager.
constexpr uint32_t kMonitorMessageBase = 0;
constexpr uint32_t kSobMessageBase = 1;
constexpr uint32_t kUserFence = 0;  // 2 is the kernel's

constexpr uint32_t MonitorOffset(uint32_t register_offset) {
  return register_offset - sync::MON_PAY_ADDRL::kOffset;
}

uint64_t SobBase() { return abi::SyncManagerObjsBase(abi::kEastNorth) + sync::SOB_OBJ::kOffset; }

}  // namespace

absl::StatusOr<std::unique_ptr<CommandWriter>> GaudiCommandWriter::Create(const Chip& chip,
                                                                          Engine engine,
                                                                          Role role) {
  ASSIGN_OR_RETURN(std::string name, EngineName(chip, engine));
  ASSIGN_OR_RETURN(const uint64_t qman, QmanBaseOf(chip, engine));
  CommandChecks checks(chip, engine, role, std::move(name));
  RETURN_IF_ERROR(checks.RoleFits());
  if (chip.sync().user_manager().value() != abi::kEastNorth) {
    return absl::InvalidArgumentError(
        absl::StrCat("sync.user_manager = ", chip.sync().user_manager().value(),
                     ": every queue reaches manager 3 (E_N) only"));
  }
  return std::unique_ptr<CommandWriter>(
      new GaudiCommandWriter(chip, role, std::move(checks), qman));
}

void GaudiCommandWriter::RelocateSob(uint32_t low_word, Sob sob) {
  Relocation where;
  where.word = low_word;
  where.kind = RelocationKind::kSobBase;
  where.scale = 4;
  where.addend = (SobBase() & 0xFFFFFFFF) + uint64_t{4} * sob.index;
  packets_.Add(where);
}

absl::Status GaudiCommandWriter::SetUpMonitors(uint32_t first, uint32_t count) {
  RETURN_IF_ERROR(checks_.Require("SetUpMonitors", role_ != Role::kBody));
  RETURN_IF_ERROR(checks_.Monitors(first, count));
  const uint64_t fence = qman_ + abi::qman::CpFenceRdata(kUserFence, 0);
  const auto message = [this](uint32_t reg, uint32_t monitor, uint32_t value) {
    return packets_.Message(kMonitorMessageBase, RelocationKind::kMonitorBase, MonitorOffset(reg),
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

absl::Status GaudiCommandWriter::Await(absl::Span<const SyncCondition> conditions,
                                       uint32_t first_monitor) {
  RETURN_IF_ERROR(checks_.Require("Await", role_ != Role::kBody));
  if (conditions.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(checks_.Conditions(conditions, first_monitor, monitors_begin_, monitors_end_));
  for (size_t i = 0; i < conditions.size(); ++i) {
    const SyncCondition& condition = conditions[i];
    uint32_t arm = sync::MON_ARM::MASK::Set(0, ~uint32_t{condition.watch} & 0xFF);
    arm = sync::MON_ARM::SOD::Set(arm, condition.value);
    Relocation group;
    group.word = packets_.Message(
        kMonitorMessageBase, RelocationKind::kMonitorBase, MonitorOffset(sync::MON_ARM::kOffset),
        first_monitor + static_cast<uint32_t>(i), arm, Barriers{false, true, true});
    group.kind = RelocationKind::kSobBase;
    group.lsb = sync::MON_ARM::SID::kLsb;
    group.width = sync::MON_ARM::SID::kWidth;
    group.shift = 3;
    group.addend = uint64_t{sync::kSobsPerGroup} * condition.group;
    packets_.Add(group);
  }
  AppendFences<abi::PacketFence>(kUserFence, conditions.size(), packets_);
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::WriteSob(Sob sob, uint32_t message, bool after_engine) {
  RETURN_IF_ERROR(checks_.Sobs(sob, 1));
  packets_.Message(kSobMessageBase, RelocationKind::kSobBase, 0, sob.index, message,
                   Barriers{after_engine, true, true});
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::SetSob(Sob sob, uint32_t value, bool after_engine) {
  RETURN_IF_ERROR(checks_.SobValue("SetSob", value));
  return WriteSob(sob, sync::SobSet(value), after_engine);
}

absl::Status GaudiCommandWriter::AddSob(Sob sob, uint32_t value, bool after_engine) {
  RETURN_IF_ERROR(checks_.SobValue("AddSob", value));
  return WriteSob(sob, sync::SobAdd(value), after_engine);
}

absl::Status GaudiCommandWriter::Run(SymbolicAddress body, uint32_t bytes) {
  RETURN_IF_ERROR(checks_.Require("Run", role_ == Role::kUpper));
  RETURN_IF_ERROR(checks_.Body(body, bytes));
  AppendRun<abi::PacketCpDma, abi::PacketArbPoint>(body, bytes, packets_);
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::HostCopy(SymbolicAddress source, SymbolicAddress destination,
                                          uint64_t bytes) {
  RETURN_IF_ERROR(checks_.Require("HostCopy", role_ == Role::kExternal));
  if (bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat(checks_.name(), ": HostCopy of 0 bytes"));
  }
  WriteLinear(source, destination, bytes, std::nullopt);
  return absl::OkStatus();
}

absl::Status GaudiCommandWriter::Timestamp(SymbolicAddress destination) {
  RETURN_IF_ERROR(checks_.Require("Timestamp", role_ == Role::kExternal));
  AppendTimestamp<abi::PacketMsgLong, abi::Ctl, abi::MessageOp>(destination, packets_);
  return absl::OkStatus();
}

CommandBlob GaudiCommandWriter::Take() {
  monitors_begin_ = monitors_end_ = 0;
  caches_invalidated_ = false;
  return packets_.Take();
}

}  // namespace openhpu::hal::gaudi
