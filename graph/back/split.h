// Cuts one step of a plan over the engines of its kind. A cut never changes a value: every output
// element is computed whole by one engine, in the same order.
#ifndef GRAPH_BACK_SPLIT_H_
#define GRAPH_BACK_SPLIT_H_

#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/plan.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"

namespace openhpu::graph {

// What one engine does of a step. A box is of the step's launch; the others are whole commands with
// shifted addresses.
using Share =
    std::variant<hal::IndexBox, hal::MmeGemm, hal::MmeConvolution, hal::DmaCopy, hal::DmaFill>;

hal::EngineKind KindOf(const PlanStep& step);

// Share i goes to engine i of the kind; at least one, at most as many as there are engines. Small
// steps are cut less: a share is worth at least an eighth of its engine's launch cost (the chip
// file says both), so that sparing an engine costs at most that eighth. InvalidArgument for a step
// without work, and Unimplemented when the chip has no engine of the kind.
absl::StatusOr<std::vector<Share>> SplitStep(const PlanStep& step, const hal::Chip& chip);

}  // namespace openhpu::graph

#endif  // GRAPH_BACK_SPLIT_H_
