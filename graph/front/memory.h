// Memory planning: temps get a place in the workspace by their lifetimes, bound buffers a binding,
// and steps the earlier steps that they must wait for. Near-linear in the number of steps.
#ifndef GRAPH_FRONT_MEMORY_H_
#define GRAPH_FRONT_MEMORY_H_

#include <vector>

#include "graph/compiler.h"
#include "graph/front/emit.h"
#include "graph/ir.h"
#include "graph/plan.h"

namespace openhpu::graph {

// Where a buffer is to a plan: in the workspace, a bound buffer of the graph, or a prepared
// constant.
struct Home {
  enum class Kind : uint8_t { kWorkspace, kBound, kPrepared } kind = Kind::kWorkspace;
  uint32_t index = 0;  // of the prepared constant
};

struct PlacedPlan {
  Plan plan;
  std::vector<RecipeBinding> bindings;  // of plan.bindings, in order
};

// `homes[i]` is that of buffers[i].
PlacedPlan PlaceDrafts(std::vector<Draft> drafts, const std::vector<Buffer>& buffers,
                       const std::vector<Home>& homes);

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_MEMORY_H_
