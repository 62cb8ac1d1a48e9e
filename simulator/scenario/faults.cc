#include "simulator/scenario/faults.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
constexpr uint64_t kMostNanoseconds = uint64_t{1} << 50;  // 13 days

double Microseconds(Picoseconds t) { return static_cast<double>(t.value()) / 1e6; }

// UNSPECIFIED is caught by the check.
InjectedFault::Kind KindOf(OrderedFault::Kind kind) {
  switch (kind) {
    case OrderedFault::LOST_COMPLETION:
      return InjectedFault::Kind::kLostCompletion;
    case OrderedFault::ECC_CORRECTED:
      return InjectedFault::Kind::kEccCorrected;
    case OrderedFault::ECC_UNCORRECTED:
      return InjectedFault::Kind::kEccUncorrected;
    case OrderedFault::PAGE_FAULT:
      return InjectedFault::Kind::kPageFault;
    case OrderedFault::RAZWI:
      return InjectedFault::Kind::kRazwi;
    case OrderedFault::TPC_ASSERT:
      return InjectedFault::Kind::kTpcAssert;
    case OrderedFault::THROTTLE:
      return InjectedFault::Kind::kThrottle;
    case OrderedFault::HARD_RESET:
      return InjectedFault::Kind::kHardReset;
    default:
      return InjectedFault::Kind::kEngineHang;
  }
}

InjectedFault ToInjected(const OrderedFault& ordered, Picoseconds start) {
  InjectedFault fault;
  fault.kind = KindOf(ordered.kind());
  fault.unit = ordered.engine();
  fault.address = ordered.address();
  fault.permille = ordered.permille();
  fault.at = start + Picoseconds(ordered.at_ns() * kPicosecondsPerNanosecond);
  return fault;
}

// "unit: why" of the simulator in the scenario's words.
std::string InScenariosWords(const absl::Status& status) {
  std::string message(status.message());
  if (message.rfind("unit: ", 0) == 0) message = absl::StrCat("engine: ", message.substr(6));
  return message;
}

bool NeedsFaults(Expectation::Metric metric) {
  return metric == Expectation::REPEATS_LOST || metric == Expectation::RESETS ||
         metric == Expectation::RECOVERED;
}

std::string_view NameOf(hal::HealthEvent::Kind kind) {
  using Kind = hal::HealthEvent::Kind;
  switch (kind) {
    case Kind::kUndefinedOpcode:
      return "undefined opcode";
    case Kind::kPageFault:
      return "page fault";
    case Kind::kRazwi:
      return "razwi";
    case Kind::kDeadlock:
      return "deadlock";
    case Kind::kHazard:
      return "hazard";
    case Kind::kEcc:
      return "ECC";
    case Kind::kHang:
      return "hang";
    case Kind::kReset:
      return "reset";
    case Kind::kThrottle:
      return "throttle";
    case Kind::kTimeout:
      return "timeout";
    case Kind::kTpcAssert:
      return "TPC assert";
    case Kind::kEngineError:
      return "engine error";
    case Kind::kHardwareError:
      return "hardware error";
    case Kind::kUnavailable:
      return "unavailable";
  }
  return "";
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

absl::Status CheckFaults(const Scenario& scenario, std::string_view where,
                         const PlaceOfFault& place) {
  for (int i = 0; i < scenario.faults_size(); ++i) {
    const OrderedFault& ordered = scenario.faults(i);
    const auto bad = [&](const std::string& field, const std::string& why) {
      return absl::InvalidArgumentError(
          absl::StrCat(place(i, field), ": faults[", i, "].", field, ": ", why));
    };
    // A text file may hold any number for an enumerator.
    if (ordered.kind() == OrderedFault::UNSPECIFIED ||
        !OrderedFault::Kind_IsValid(ordered.kind())) {
      return bad("kind", "is missing, or none there is");
    }
    if (ordered.at_ns() > kMostNanoseconds) {
      return bad("at_ns", absl::StrCat("must be at most ", kMostNanoseconds));
    }
    if (absl::Status status = CheckFault(ToInjected(ordered, Picoseconds(0))); !status.ok()) {
      const std::string words = InScenariosWords(status);
      const size_t colon = words.find(": ");
      return bad(words.substr(0, colon), words.substr(colon + 2));
    }
  }
  if (scenario.faults_size() > 0) return absl::OkStatus();
  if (scenario.reset_after_fault()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(where), ": reset_after_fault: there are no faults"));
  }
  for (int i = 0; i < scenario.expect_size(); ++i) {
    if (!NeedsFaults(scenario.expect(i).metric())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(where), ": expect[", i,
        "]: ", Expectation::Metric_Name(scenario.expect(i).metric()), " needs faults"));
  }
  return absl::OkStatus();
}

absl::Status OrderFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator) {
  for (int i = 0; i < scenario.faults_size(); ++i) {
    const absl::Status status = simulator.Inject(ToInjected(scenario.faults(i), start));
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(scenario.name(), ": faults[", i, "].", InScenariosWords(status)));
    }
  }
  return absl::OkStatus();
}

void NoteFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator, Report& report) {
  std::vector<StruckFault> struck = simulator.struck_faults();
  for (const OrderedFault& ordered : scenario.faults()) {
    Report::Fault outcome;
    outcome.fault = ToInjected(ordered, Picoseconds(0));
    const InjectedFault fault = ToInjected(ordered, start);
    const auto found = std::find_if(struck.begin(), struck.end(),
                                    [&](const StruckFault& one) { return one.fault == fault; });
    if (found != struck.end()) {
      outcome.came = true;
      outcome.when = found->when - start;
      struck.erase(found);  // the same may be ordered twice
    }
    report.faults.push_back(std::move(outcome));
  }
}

int CountFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator) {
  Report report;
  NoteFaults(scenario, start, simulator, report);
  return static_cast<int>(
      std::count_if(report.faults.begin(), report.faults.end(), [](const Report::Fault& f) {
        return f.came && f.fault.kind != InjectedFault::Kind::kEccCorrected &&
               f.fault.kind != InjectedFault::Kind::kThrottle;
      }));
}

void NoteEvents(Simulator& simulator, Report& report) {
  for (const hal::HealthEvent& event : simulator.TakeEvents()) {
    const std::string kind = absl::StrCat(std::string(NameOf(event.kind)), ": ");
    const std::string what = FirstLine(event.message);
    report.events.push_back(what.rfind(kind, 0) == 0 ? what : absl::StrCat(kind, what));
  }
}

std::string FaultsToText(const Report& report) {
  if (report.faults.empty()) return "";
  std::string out;
  for (const Report::Fault& f : report.faults) {
    absl::StrAppend(
        &out, "fault   ", ToString(f.fault),
        " ns: ", f.came ? absl::StrFormat("came at %.3f us", Microseconds(f.when)) : "has not come",
        "\n");
  }
  for (const std::string& event : report.events) absl::StrAppend(&out, "event   ", event, "\n");
  for (const Report::Lost& lost : report.lost) {
    absl::StrAppendFormat(&out, "lost    repeat %d at %.3f us: %s\n", lost.repeat,
                          Microseconds(lost.when), FirstLine(lost.why));
  }
  absl::StrAppendFormat(&out, "%d repeats lost, %d resets (%.3f us until work went on), %s\n",
                        report.lost.size(), report.resets, Microseconds(report.recovering),
                        report.recovered ? "recovered" : "NOT RECOVERED");
  return out;
}

std::string FaultsToJson(const Report& report,
                         const std::function<std::string(const std::string&)>& escaped) {
  if (report.faults.empty()) return "";
  std::string out = ",\"faults\":[";
  for (size_t i = 0; i < report.faults.size(); ++i) {
    const Report::Fault& f = report.faults[i];
    absl::StrAppendFormat(&out, "%s{\"fault\":\"%s\",\"came\":%s,\"when_ps\":%d}",
                          i == 0 ? "" : ",", escaped(ToString(f.fault)), f.came ? "true" : "false",
                          f.when.value());
  }
  out += "],\"events\":[";
  for (size_t i = 0; i < report.events.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ",", "\"", escaped(report.events[i]), "\"");
  }
  out += "],\"lost\":[";
  for (size_t i = 0; i < report.lost.size(); ++i) {
    const Report::Lost& lost = report.lost[i];
    absl::StrAppendFormat(&out, "%s{\"repeat\":%d,\"when_ps\":%d,\"why\":\"%s\"}",
                          i == 0 ? "" : ",", lost.repeat, lost.when.value(), escaped(lost.why));
  }
  absl::StrAppendFormat(&out, "],\"resets\":%d,\"recovering_ps\":%d,\"recovered\":%s",
                        report.resets, report.recovering.value(),
                        report.recovered ? "true" : "false");
  return out;
}

}  // namespace openhpu::simulator
