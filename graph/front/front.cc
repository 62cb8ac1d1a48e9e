// PlanGraph: nodes -> works -> drafts of steps -> a plan.
#include <utility>
#include <vector>

#include "graph/compiler.h"
#include "graph/front/emit.h"
#include "graph/front/memory.h"
#include "graph/front/passes.h"
#include "graph/lowering.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

// Fuses, emits and places one list of works. `homes` says which buffers outlive it; emission adds
// temps.
absl::StatusOr<PlacedPlan> PlanWorks(std::vector<Work> works, const CompileOptions& options,
                                     std::vector<Home>& homes, std::vector<Buffer>& buffers) {
  std::vector<bool> observed(buffers.size());
  for (size_t b = 0; b < observed.size(); ++b)
    observed[b] = homes[b].kind != Home::Kind::kWorkspace;
  if (options.fuse) {
    ForwardCopies(observed, works);
    FuseElementwise(observed, works);
  }
  if (options.drop_dead) DropDead(observed, works);
  Emitter emitter(buffers);
  for (const Work& work : works) RETURN_IF_ERROR(emitter.Emit(work));
  homes.resize(buffers.size());
  return PlaceDrafts(emitter.TakeDrafts(), buffers, homes);
}

std::vector<Home> HomesOf(const std::vector<Buffer>& buffers,
                          const std::vector<BufferId>& constants) {
  std::vector<Home> homes(buffers.size());
  for (size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].kind == BufferKind::kBound) homes[b].kind = Home::Kind::kBound;
  }
  for (uint32_t i = 0; i < constants.size(); ++i) homes[constants[i]] = {Home::Kind::kPrepared, i};
  return homes;
}

}  // namespace

absl::StatusOr<FrontResult> PlanGraph(const Graph& graph, const hal::Chip&,
                                      const CompileOptions& options) {
  Lowering lowering(graph.buffers());
  for (const Node& node : graph.nodes()) RETURN_IF_ERROR(lowering.Lower(node));
  std::vector<Work> works = lowering.TakeWorks();
  std::vector<Buffer> buffers = lowering.TakeBuffers();
  Untangle(buffers, works);
  RenameVersions(buffers, works);
  if (options.drop_dead) {
    std::vector<bool> observed;
    for (const Buffer& b : buffers) observed.push_back(b.kind == BufferKind::kBound);
    DropDead(observed, works);
  }
  if (options.layout) ChooseLayout(buffers, works);
  PreparedWorks prepared;
  if (options.prepare) prepared = SplitPrepared(buffers, works);

  FrontResult result;
  std::vector<Home> homes = HomesOf(buffers, prepared.constants);
  if (!prepared.constants.empty()) {
    // What nobody keeps is dropped even if the caller wants his own dead nodes: it was copied in,
    // in case it is needed.
    std::vector<bool> observed(buffers.size(), false);
    for (BufferId b : prepared.constants) observed[b] = true;
    DropDead(observed, prepared.prepare);
    std::vector<Buffer> own = buffers;
    std::vector<Home> own_homes = homes;
    ASSIGN_OR_RETURN(PlacedPlan placed,
                     PlanWorks(std::move(prepared.prepare), options, own_homes, own));
    result.prepare = std::move(placed.plan);
    result.prepare_bindings = std::move(placed.bindings);
    result.prepared = std::move(prepared.descriptions);
  }
  ASSIGN_OR_RETURN(PlacedPlan placed, PlanWorks(std::move(works), options, homes, buffers));
  result.main = std::move(placed.plan);
  result.main_bindings = std::move(placed.bindings);
  return result;
}

}  // namespace openhpu::graph
