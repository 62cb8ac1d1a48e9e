// The configuration space as the kernel driver sees it.
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/engine/machine.h"

namespace openhpu::simulator {
namespace {

// Of PSOC_TIMESTAMP: the low and high halves of the count (recollected: those of Arm's generic
// counter). A nanosecond each, as in messages with OP = timestamp.
constexpr uint64_t kTimestampLow = 0x8, kTimestampHigh = 0xC;
constexpr uint64_t kPicosecondsPerNanosecond = 1000;

}  // namespace

void Machine::AddIdleBlocks(const Blueprint& plan) {
  for (const Blueprint::Block& block : plan.idle_blocks) {
    registers_.Add(block.base, block.bytes, block.block,
                   static_cast<uint16_t>(units_.size() + idle_blocks_.size()));
    idle_blocks_.emplace_back();
    idle_blocks_.back().block = block.block;
    ResetRegisters(block.block, idle_blocks_.back().values);
  }
}

absl::StatusOr<RegisterMap::Place> Machine::FindRegister(uint64_t address) const {
  const RegisterMap::Place place =
      registers_.Holds(address) ? registers_.Find(address) : RegisterMap::Place();
  const bool there =
      HasRegister(place.block, place.offset) &&
      (!IsSyncObjects(place.block) || sync_managers_[place.index]->Has(place.offset));
  if (!there) {
    return absl::NotFoundError(
        absl::StrCat("address 0x", absl::Hex(address), ": there is no register"));
  }
  return place;
}

absl::StatusOr<uint32_t> Machine::ReadRegister(uint64_t address) const {
  const uint64_t of_timestamp = address - timestamp_base_;
  if (of_timestamp == kTimestampLow || of_timestamp == kTimestampHigh) {
    const uint64_t time = context_.now().value() / kPicosecondsPerNanosecond;
    return static_cast<uint32_t>(of_timestamp == kTimestampLow ? time : time >> 32);
  }
  ASSIGN_OR_RETURN(const RegisterMap::Place place, FindRegister(address));
  if (IsSyncObjects(place.block)) {
    return sync_managers_[place.index]->Read(place.offset);
  }
  if (place.block == RegisterBlock::kSyncGlobal) {
    return sync_managers_[place.index]->ReadGlobal(place.offset);
  }
  if (place.index >= units_.size()) {
    return idle_blocks_[place.index - units_.size()].values[place.offset / 4];
  }
  const EngineUnit& unit = units_[place.index];
  return IsQueueManager(place.block) ? unit.queue->ReadRegister(place.offset)
                                     : unit.engine->ReadRegister(place.offset);
}

absl::Status Machine::WriteRegister(uint64_t address, uint32_t value) {
  ASSIGN_OR_RETURN(const RegisterMap::Place place, FindRegister(address));
  Message message;
  message.at = message.sent = context_.now();
  message.address = address;
  message.value = value;
  message.privileged = true;
  message.origin.queue = "register access";
  if (IsSyncObjects(place.block)) {
    sync_managers_[place.index]->Write(place.offset, message);
    return absl::OkStatus();
  }
  if (place.block == RegisterBlock::kSyncGlobal) {
    sync_managers_[place.index]->WriteGlobal(place.offset, value);
    return absl::OkStatus();
  }
  if (place.index >= units_.size()) {
    idle_blocks_[place.index - units_.size()].values[place.offset / 4] = value;
    return absl::OkStatus();
  }
  EngineUnit& unit = units_[place.index];
  if (IsQueueManager(place.block)) {
    return unit.queue->WriteRegister(place.offset, value);
  }
  if (unit.engine->Launches(place.offset, 1) && !unit.engine->accepts()) {
    return absl::FailedPreconditionError(
        absl::StrCat(unit.engine->config().name, " has no room for another command"));
  }
  unit.engine->WriteRegisters(place.offset, &value, 1, message.origin, nullptr);
  return absl::OkStatus();
}

std::vector<bool> Machine::BusyEngines() const {
  std::vector<bool> busy(units_.size());
  for (size_t i = 0; i < units_.size(); ++i) {
    busy[i] = !units_[i].engine->idle() || !units_[i].queue->empty();
  }
  return busy;
}

}  // namespace openhpu::simulator
