// Replaying a capture: as it is, in a loop over its steps; and anew, when storages have other
// memory than at the last replay.
#include <utility>

#include "absl/strings/str_cat.h"
#include "graph/captured.h"
#include "graph/guard.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {

absl::Status CapturedSteps::Replay(absl::Span<const Rebinding> rebindings) {
  if (settled_ && rebindings.empty() &&
      (counters_ == nullptr || counters_->moves.load() == moves_seen_) && participants_.empty()) {
    return RunSteps();
  }
  if (!participants_.empty())
    return absl::FailedPreconditionError("replay of an HPU Graph whose capture has not ended");
  return ReplayAnew(rebindings);
}

absl::Status CapturedSteps::RunSteps() {
  for (const Step step : steps_) {
    switch (step.kind) {
      case StepKind::kLaunch: {
        Launch& launch = segments_[step.index];
        RETURN_IF_ERROR(launch.launched ? launch.segment->Launch() : FirstLaunch(launch));
        break;
      }
      case StepKind::kEvent: {
        const EventStep& event = event_steps_[step.index];
        runtime::Event& own = *events_[event.event];
        RETURN_IF_ERROR(event.wait ? event.stream->WaitFor(own) : event.stream->Record(own));
        break;
      }
      case StepKind::kGuard:
        RETURN_IF_ERROR(RunGuard(guards_[step.index]));
        break;
      case StepKind::kHost:
        RETURN_IF_ERROR(host_steps_[step.index]());
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status CapturedSteps::RunGuard(GuardStep& guard) {
  ASSIGN_OR_RETURN(const DeviceAddress address, Current(slots_[guard.slot])->Address());
  RETURN_IF_ERROR(
      guard.stream->CopyFromDevice(address + guard.offset, guard.found.size(), guard.found.data()));
  return CheckGuard(guard.dtype, guard.expected, guard.found, guard.source);
}

absl::Status CapturedSteps::CheckRebindings(absl::Span<const Rebinding> rebindings) {
  for (size_t i = 0; i < rebindings.size(); ++i) {
    const Rebinding& rebinding = rebindings[i];
    if (rebinding.captured == nullptr || rebinding.given == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("rebinding ", i, " has no storage"));
    const auto found = index_.find(Cast(*rebinding.captured).serial());
    if (found == index_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("rebinding ", i, " is of a storage that the capture does not use"));
    }
    Slot& slot = slots_[found->second];
    if (std::exchange(slot.rebound, replays_) == replays_) {
      return absl::InvalidArgumentError(
          absl::StrCat("rebinding ", i, " is of a storage that another one rebinds"));
    }
    const uint64_t given = rebinding.given->bytes();
    if (rebinding.shift < 0 || static_cast<uint64_t>(rebinding.shift) > given ||
        given - static_cast<uint64_t>(rebinding.shift) < slot.bytes) {
      return absl::InvalidArgumentError(absl::StrCat("rebinding ", i, " gives ", given,
                                                     " bytes from byte ", rebinding.shift,
                                                     " on for a storage of ", slot.bytes));
    }
  }
  for (const uint32_t slot : forgotten_) {
    if (slots_[slot].rebound == replays_) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("a replay of an HPU Graph whose inputs were forgotten needs memory for each "
                     "of them: none was given for one of ",
                     slots_[slot].bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CapturedSteps::StandIn(absl::Span<const Rebinding> rebindings) {
  std::vector<DeviceAddress> addresses;
  addresses.reserve(rebindings.size());
  for (const Rebinding& rebinding : rebindings) {
    TensorStorage& given = Cast(*rebinding.given);
    RETURN_IF_ERROR(given.FlushOthers(nullptr, /*writes=*/true));
    ASSIGN_OR_RETURN(const DeviceAddress address, given.Address());
    addresses.push_back(address + static_cast<uint64_t>(rebinding.shift));
  }
  for (size_t i = 0; i < rebindings.size(); ++i) {
    TensorStorage& captured = Cast(*rebindings[i].captured);
    captured.StandIn(&Cast(*rebindings[i].given), rebindings[i].shift, addresses[i]);
    rebound_.push_back(index_.at(captured.serial()));
    slots_[rebound_.back()].now = &captured;
  }
  return absl::OkStatus();
}

void CapturedSteps::LookUp(Slot& slot) {
  const MemoryIdentity identity = Current(slot)->identity();
  if (identity == slot.bound) return;
  slot.bound = identity;
  for (const auto& [segment, buffer] : slot.users) segments_[segment].changed.push_back(buffer);
}

absl::Status CapturedSteps::BindSegment(Launch& launch) {
  bindings_.clear();
  for (const uint32_t slot : launch.slots)
    bindings_.push_back(slot == kNoSlot ? nullptr : Current(slots_[slot]));
  const bool whole = std::exchange(launch.stale, true);
  RETURN_IF_ERROR(whole ? launch.segment->Bind(bindings_)
                        : launch.segment->BindChanged(bindings_, launch.changed));
  RETURN_IF_ERROR(launch.segment->Follow(bindings_));
  launch.segment->NoteLaunches(bindings_);
  launch.stale = false;
  launch.changed.clear();
  return absl::OkStatus();
}

absl::Status CapturedSteps::BindSlots() {
  const uint64_t moves = counters_->moves.load();
  if (moves != moves_seen_) {
    for (Slot& slot : slots_) LookUp(slot);
    moves_seen_ = moves;
  } else {
    for (const std::vector<uint32_t>* list : {&rebound_last_, &rebound_, &released_}) {
      for (const uint32_t slot : *list) LookUp(slots_[slot]);
    }
  }
  for (Launch& launch : segments_) {
    if (launch.stale || !launch.changed.empty()) RETURN_IF_ERROR(BindSegment(launch));
  }
  return absl::OkStatus();
}

absl::Status CapturedSteps::ReplayAnew(absl::Span<const Rebinding> rebindings) {
  if (counters_ == nullptr) {  // nothing was ever captured
    return rebindings.empty() ? absl::OkStatus()
                              : absl::InvalidArgumentError("rebinding of an empty HPU Graph");
  }
  ++replays_;
  RETURN_IF_ERROR(CheckRebindings(rebindings));
  RETURN_IF_ERROR(StandIn(rebindings));
  absl::Status status = BindSlots();
  if (status.ok()) status = RunSteps();
  for (const uint32_t slot : rebound_) {
    slots_[slot].now->StandIn(nullptr, 0, DeviceAddress());
    slots_[slot].now = nullptr;
  }
  std::swap(rebound_, rebound_last_);
  rebound_.clear();
  for (const uint32_t slot : released_) {
    if (slots_[slot].held != nullptr) slots_[slot].held->ReleaseMemory();
  }
  Settle();
  return status;
}

void CapturedSteps::Settle() {
  settled_ = forgotten_.empty() && released_.empty() && rebound_last_.empty();
  for (const Launch& launch : segments_)
    settled_ = settled_ && launch.launched && !launch.stale && launch.changed.empty();
}

void CapturedSteps::Forget(absl::Span<const std::shared_ptr<Storage>> storages) {
  for (const std::shared_ptr<Storage>& storage : storages) {
    const auto found = index_.find(Cast(*storage).serial());
    if (found == index_.end() || slots_[found->second].forgotten) continue;
    slots_[found->second].forgotten = true;
    slots_[found->second].held = nullptr;
    forgotten_.push_back(found->second);
  }
  Settle();
}

void CapturedSteps::ReleaseOthers(absl::Span<const std::shared_ptr<Storage>> keep) {
  ++replays_;  // marks those to keep
  for (const std::shared_ptr<Storage>& storage : keep) {
    const auto found = index_.find(Cast(*storage).serial());
    if (found != index_.end()) slots_[found->second].rebound = replays_;
  }
  released_.clear();
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    // What was there before the capture is not the graph's to give away, even if it fills it anew.
    if (slot.rebound == replays_ || !slot.own || slot.reads_first || slot.held == nullptr ||
        slot.serial <= known_before_ || slot.held->weight()) {
      continue;
    }
    released_.push_back(i);
    slot.held->ReleaseMemory();
  }
  Settle();
}

}  // namespace openhpu::graph
