// PlanGraph: nodes -> works -> drafts of steps -> a plan.
#include <utility>
#include <vector>

#include "graph/compiler.h"
#include "graph/front/emit.h"
#include "graph/front/memory.h"
#include "graph/front/untangle.h"
#include "graph/lowering.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {

absl::StatusOr<FrontResult> PlanGraph(const Graph& graph, const hal::Chip&, const CompileOptions&) {
  Lowering lowering(graph.buffers());
  for (const Node& node : graph.nodes()) RETURN_IF_ERROR(lowering.Lower(node));
  std::vector<Work> works = lowering.TakeWorks();
  std::vector<Buffer> buffers = lowering.TakeBuffers();
  Untangle(buffers, works);

  Emitter emitter(buffers);
  for (const Work& work : works) RETURN_IF_ERROR(emitter.Emit(work));

  std::vector<Home> homes(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].kind == BufferKind::kBound) homes[i].kind = Home::Kind::kBound;
  }
  PlacedPlan placed = PlaceDrafts(emitter.TakeDrafts(), buffers, homes);
  FrontResult result;
  result.main = std::move(placed.plan);
  result.main_bindings = std::move(placed.bindings);
  return result;
}

}  // namespace openhpu::graph
