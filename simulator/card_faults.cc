// What goes wrong by order, what of it the host is told, and the reset that ends it.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/card.h"
#include "simulator/card_call.h"

namespace openhpu::simulator {
namespace {

using Door = SimulationContext::Door;

constexpr uint64_t kPicosecondsPerNanosecond = 1000;

}  // namespace

absl::Status Card::Inject(const InjectedFault& fault) {
  const Door door(context());
  if (!timed_ && fault.at != Picoseconds(0)) {
    return absl::InvalidArgumentError("at: functional mode has no time but zero");
  }
  // The machine may have run ahead of the host, to what stopped it.
  const Picoseconds now = std::max(host_, context().now());
  if (timed_ && fault.at < now) {
    return absl::InvalidArgumentError(
        absl::StrCat("at: ", fault.at.value() / kPicosecondsPerNanosecond, " ns is past, it is ",
                     now.value() / kPicosecondsPerNanosecond, " ns"));
  }
  RETURN_IF_ERROR(machine_->Inject(fault));
  if (!timed_) CatchUp();  // else it would come after what is submitted next
  return absl::OkStatus();
}

std::vector<StruckFault> Card::struck_faults() {
  const Door door(context());
  for (StruckFault& struck : machine_->TakeStruckFaults()) struck_.push_back(std::move(struck));
  return struck_;
}

ClockThrottle Card::clock() {
  const Door door(context());
  return machine_->environment().clock;
}

bool Card::expects_faults() {
  const Door door(context());
  return !machine_->pending_faults().empty();
}

std::vector<hal::HealthEvent> Card::TakeEvents() {
  const Door door(context());
  // What has happened by the host's time, waited for or not.
  if (timed_ && !machine_->pending_faults().empty()) CatchUp();
  return std::exchange(events_, {});
}

absl::Status Card::Reset() {
  const Door door(context());
  const Call call(*this, "Reset", Picoseconds(0));
  // What is over by the host's time is not lost; and nobody resets what has not happened yet.
  if (timed_) CatchUp();
  host_ = std::max(host_, context().now());
  const std::vector<InjectedFault> ordered = machine_->pending_faults();
  machine_->Reset();
  for (const InjectedFault& fault : ordered) {
    if (fault.at >= host_) RETURN_IF_ERROR(machine_->Inject(fault));
  }
  submissions_.FailPending(absl::AbortedError("lost in a reset of the device"));
  failed_ = false;
  failure_.clear();
  after_reset_ = submissions_.next();
  idle_looks_ = 0;
  events_.push_back({hal::HealthEvent::Kind::kReset, "the device was reset"});
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
