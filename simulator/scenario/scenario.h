// Scenarios: parsing, running, judging. A scenario names a chip, a workload and expectations; a run
// gives a report and a verdict.
#ifndef SIMULATOR_SCENARIO_SCENARIO_H_
#define SIMULATOR_SCENARIO_SCENARIO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/base/trace.h"
#include "simulator/driver.h"
#include "simulator/fault.h"
#include "simulator/scenario/scenario.pb.h"

namespace openhpu::simulator {

// Parses and checks a scenario's text. `where` names it in errors: InvalidArgument with line and
// column, or the field that is missing or contradicts, of faults with its line.
absl::StatusOr<Scenario> ParseScenario(std::string_view text, std::string_view where);
absl::StatusOr<Scenario> LoadScenario(const std::string& path);

struct Verdict {
  std::string text;  // "LATENCY_US 12.3 <= 20: ok"
  bool holds = false;
};

struct Report {
  std::string name, chip;
  std::vector<Picoseconds> latencies;  // of each repeat
  Statistics statistics;               // of all repeats
  Picoseconds total;                   // simulated time of all repeats
  uint64_t workload_bytes =
      0;                      // of one repeat: what it reads and writes by definition, 0 if unknown
  double workload_flops = 0;  // of one repeat, 0 if unknown
  std::vector<Verdict> verdicts;
  bool passed = true;

  // Of a scenario with faults; times count from the start of the first repeat.
  struct Fault {
    InjectedFault fault;
    bool came = false;
    Picoseconds when;
  };
  struct Lost {
    uint32_t repeat = 0;  // from 0
    Picoseconds when;     // the host knew
    std::string why;
  };
  std::vector<Fault> faults;  // in the scenario's order
  std::vector<Lost> lost;
  std::vector<std::string> events;  // "page fault: DMA2 stream 0 packet 3 ..."
  uint64_t resets = 0;
  Picoseconds recovering;  // from the host's knowing until work could go on, summed
  bool recovered = true;   // the device works at the end
};

// Runs a scenario. `folder` is where its recipe path starts. `trace` may be null; it sees the
// repeats, not the warm-up. A repeat that fails is an error, unless a fault of the scenario has
// come: then it is lost, which the report says.
absl::StatusOr<Report> RunScenario(const Scenario& scenario, const std::string& folder,
                                   TraceSink* trace);

// For people: one table; and for programs.
std::string ToText(const Report& report);
std::string ToJson(const Report& report);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SCENARIO_SCENARIO_H_
