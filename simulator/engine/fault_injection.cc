#include "simulator/engine/fault_injection.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "simulator/engine/machine.h"

namespace openhpu::simulator {
namespace {

using Kind = InjectedFault::Kind;
using Event = hal::HealthEvent::Kind;

}  // namespace

FaultInjector::FaultInjector(sc_core::sc_module_name name, FaultTarget& target)
    : sc_module(name), target_(target) {
  SC_METHOD(Run);
  sensitive << wake_;
  dont_initialize();
}

void FaultInjector::Add(const InjectedFault& fault) {
  const auto later = [](Picoseconds at, const InjectedFault& other) { return at < other.at; };
  faults_.insert(std::upper_bound(faults_.begin(), faults_.end(), fault.at, later), fault);
  NotifyAt(wake_, faults_.front().at);
}

void FaultInjector::Clear() {
  wake_.cancel();
  faults_.clear();
}

bool FaultInjector::OthersPending(const SimulationContext& context) {
  if (faults_.empty()) return context.pending();
  wake_.cancel();
  const bool pending = context.pending();
  NotifyAt(wake_, faults_.front().at);
  return pending;
}

void FaultInjector::Run() {
  while (!faults_.empty() && faults_.front().at <= Now()) {
    const InjectedFault fault = faults_.front();
    faults_.erase(faults_.begin());
    struck_.push_back({fault, Now()});
    target_.Strike(fault);
  }
  if (!faults_.empty()) NotifyAt(wake_, faults_.front().at);
}

int Machine::FindUnit(const std::string& name) const {
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].engine->config().name == name) return static_cast<int>(i);
  }
  return -1;
}

absl::Status Machine::Inject(const InjectedFault& fault) {
  RETURN_IF_ERROR(CheckFault(fault));
  const int unit = FindUnit(fault.unit);
  const auto block = [&] { return units_[unit].engine->config().block; };
  bool fits = unit >= 0;
  switch (fault.kind) {
    case Kind::kEngineHang:
    case Kind::kPageFault:
    case Kind::kRazwi:
      break;
    case Kind::kLostCompletion:
      fits = fits && units_[unit].queue->config().external;
      break;
    case Kind::kEccCorrected:
    case Kind::kEccUncorrected:
      fits = fits || fault.unit == "SRAM" || fault.unit == "HBM";
      break;
    case Kind::kTpcAssert:
      fits = fits && IsTpc(block());
      break;
    case Kind::kThrottle:
    case Kind::kHardReset:
      fits = true;
      break;
  }
  if (!fits) {
    const std::string kind(NameOf(fault.kind));
    const bool there = unit >= 0 || fault.unit == "SRAM" || fault.unit == "HBM";
    return absl::InvalidArgumentError(
        there ? absl::StrCat("unit: ", fault.unit, " cannot have the fault ", kind)
              : absl::StrCat("unit: the chip has no ", fault.unit, " for the fault ", kind));
  }
  injector_->Add(fault);
  return absl::OkStatus();
}

void Machine::Strike(const InjectedFault& fault) {
  const int index = FindUnit(fault.unit);
  EngineUnit* const unit = index < 0 ? nullptr : &units_[index];
  const std::string where = absl::StrCat(fault.unit, " at 0x", absl::Hex(fault.address));
  const auto stop = [&](Event kind, const std::string& what) {
    if (unit != nullptr && !unit->engine->idle()) {
      environment_.faults.Raise(kind, unit->engine->current(), what, fault.address);
    } else {
      environment_.faults.RaiseWithoutOrigin(kind, what, fault.unit, fault.address);
    }
  };
  if (environment_.trace != nullptr) {
    environment_.trace->Span(
        environment_.trace->Track("fault", fault.unit.empty() ? "device" : fault.unit),
        NameOf(fault.kind), ToString(fault), Now(), Now(), 0);
  }
  switch (fault.kind) {
    case Kind::kEngineHang:
      unit->engine->Hang();
      break;
    case Kind::kLostCompletion:
      unit->queue->LoseCompletion();
      break;
    case Kind::kEccCorrected:
      environment_.faults.Report(Event::kEcc, absl::StrCat("corrected ECC error in ", where));
      break;
    case Kind::kEccUncorrected:
      stop(Event::kEcc, absl::StrCat("uncorrected ECC error in ", where));
      break;
    case Kind::kPageFault:
      stop(Event::kPageFault, absl::StrCat("page fault of ", where));
      break;
    case Kind::kRazwi:
      stop(Event::kRazwi, absl::StrCat("razwi of ", where));
      break;
    case Kind::kTpcAssert:
      stop(Event::kTpcAssert, absl::StrCat("the kernel of ", fault.unit, " failed an assertion"));
      break;
    case Kind::kThrottle:
      environment_.clock.Set(fault.permille, Now());
      environment_.faults.Report(Event::kThrottle,
                                 absl::StrCat("engines run at ", fault.permille, " permille"));
      break;
    case Kind::kHardReset:
      stop(Event::kReset, "somebody resets the device");
      break;
  }
}

}  // namespace openhpu::simulator
