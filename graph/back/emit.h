// Writes a schedule as a program: packets of every queue, kernel images, renumbered symbols.
#ifndef GRAPH_BACK_EMIT_H_
#define GRAPH_BACK_EMIT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "graph/back/schedule.h"
#include "graph/back/split.h"
#include "graph/plan.h"
#include "hal/chip.pb.h"
#include "runtime/program.h"

namespace openhpu::graph {

// `schedule` is of this plan and these shares. InvalidArgument names the step that does not fit the
// chip's registers.
absl::StatusOr<runtime::Program> EmitProgram(const Plan& plan,
                                             const std::vector<std::vector<Share>>& shares,
                                             const Schedule& schedule, const hal::Chip& chip);

}  // namespace openhpu::graph

#endif  // GRAPH_BACK_EMIT_H_
