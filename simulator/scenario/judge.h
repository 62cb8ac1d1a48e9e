// Expectations against a report.
#ifndef SIMULATOR_SCENARIO_JUDGE_H_
#define SIMULATOR_SCENARIO_JUDGE_H_

#include "absl/status/status.h"
#include "simulator/scenario/scenario.h"

namespace openhpu::simulator {

// The middle one of the repeats (the upper of two); zero without repeats.
Picoseconds MedianLatency(const Report& report);

// Fills verdicts and `passed`. InvalidArgument when an expectation names an engine that the chip
// does not have.
absl::Status Judge(const Scenario& scenario, Report& report);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SCENARIO_JUDGE_H_
