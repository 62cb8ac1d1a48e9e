// A scenario's faults: checked when it is read, ordered when it runs, and told of in the report.
#ifndef SIMULATOR_SCENARIO_FAULTS_H_
#define SIMULATOR_SCENARIO_FAULTS_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "simulator/driver.h"
#include "simulator/fault.h"
#include "simulator/scenario/scenario.h"

namespace openhpu::simulator {

// "file:12", where the field of a fault stands (of the fault itself, when it is not there).
using PlaceOfFault = std::function<std::string(int fault, std::string_view field)>;

// InvalidArgument names place and field: "file:12: faults[0].engine: ...".
absl::Status CheckFaults(const Scenario& scenario, std::string_view where,
                         const PlaceOfFault& place);

// Orders them, from `start` on. An error names the field.
absl::Status OrderFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator);

// How many of them have come that can fail a repeat.
int CountFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator);
// Which of them have come.
void NoteFaults(const Scenario& scenario, Picoseconds start, Simulator& simulator, Report& report);
// What the device has told since the last call.
void NoteEvents(Simulator& simulator, Report& report);

std::string FaultsToText(const Report& report);
// The members of an object, with a comma before them; `escaped` makes the inside of a JSON string.
std::string FaultsToJson(const Report& report,
                         const std::function<std::string(const std::string&)>& escaped);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_SCENARIO_FAULTS_H_
