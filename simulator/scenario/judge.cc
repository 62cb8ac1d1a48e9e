#include "simulator/scenario/judge.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

absl::StatusOr<const EngineStatistics*> FindEngine(const Report& report, const std::string& name) {
  std::string known;
  for (const EngineStatistics& e : report.statistics.engines) {
    if (e.name == name) return &e;
    absl::StrAppend(&known, known.empty() ? "" : ", ", e.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(report.name, ": expect: no engine ", name, " in ",
                                                 report.chip, "; there are ", known));
}

absl::StatusOr<double> Measure(const Expectation& e, const Report& report) {
  const double seconds = static_cast<double>(MedianLatency(report).value()) / 1e12;
  switch (e.metric()) {
    case Expectation::LATENCY_US:
      return seconds * 1e6;
    case Expectation::THROUGHPUT_GBPS:
      return seconds == 0 ? 0 : static_cast<double>(report.workload_bytes) / seconds / 1e9;
    case Expectation::TFLOPS:
      return seconds == 0 ? 0 : report.workload_flops / seconds / 1e12;
    case Expectation::UTILISATION_PERCENT: {
      ASSIGN_OR_RETURN(const EngineStatistics* engine, FindEngine(report, e.engine()));
      return report.total.value() == 0 ? 0
                                       : 100.0 * static_cast<double>(engine->busy.value()) /
                                             static_cast<double>(report.total.value());
    }
    case Expectation::BYTES: {
      ASSIGN_OR_RETURN(const EngineStatistics* engine, FindEngine(report, e.engine()));
      return static_cast<double>(engine->bytes_read + engine->bytes_written);
    }
    case Expectation::COMMANDS: {
      ASSIGN_OR_RETURN(const EngineStatistics* engine, FindEngine(report, e.engine()));
      return static_cast<double>(engine->commands);
    }
    case Expectation::REPEATS_LOST:
      return static_cast<double>(report.lost.size());
    case Expectation::RESETS:
      return static_cast<double>(report.resets);
    case Expectation::RECOVERED:
      return report.recovered ? 1 : 0;
    default:
      return absl::InternalError("an expectation without a metric passed the check");
  }
}

// Nothing is known of it when every repeat was lost.
bool NeedsARepeat(Expectation::Metric metric) {
  return metric == Expectation::LATENCY_US || metric == Expectation::THROUGHPUT_GBPS ||
         metric == Expectation::TFLOPS;
}

}  // namespace

absl::Status Judge(const Scenario& scenario, Report& report) {
  std::vector<Expectation> expectations(scenario.expect().begin(), scenario.expect().end());
  const auto is_about_the_end = [](const Expectation& e) {
    return e.metric() == Expectation::RECOVERED;
  };
  // A device that is left broken is a failure, unless that is what is asked for.
  if (scenario.faults_size() > 0 &&
      std::none_of(expectations.begin(), expectations.end(), is_about_the_end)) {
    Expectation& end = expectations.emplace_back();
    end.set_metric(Expectation::RECOVERED);
    end.set_at_least(1);
  }
  for (const Expectation& e : expectations) {
    ASSIGN_OR_RETURN(const double value, Measure(e, report));
    Verdict verdict;
    verdict.holds = (!report.latencies.empty() || !NeedsARepeat(e.metric())) &&
                    (!e.has_at_most() || value <= e.at_most()) &&
                    (!e.has_at_least() || value >= e.at_least());
    verdict.text = absl::StrFormat("%s%s%s = %.6g", Expectation::Metric_Name(e.metric()),
                                   e.engine().empty() ? "" : " ", e.engine(), value);
    if (e.has_at_least()) absl::StrAppendFormat(&verdict.text, ", at least %.6g", e.at_least());
    if (e.has_at_most()) absl::StrAppendFormat(&verdict.text, ", at most %.6g", e.at_most());
    report.passed &= verdict.holds;
    report.verdicts.push_back(std::move(verdict));
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
