#include "graph/compiler.h"

#include <utility>
#include <variant>

#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

hal::EngineKind EngineOf(const PlanStep& step) {
  if (std::holds_alternative<TpcStep>(step.work)) return hal::EngineKind::kTpc;
  if (std::holds_alternative<hal::MmeGemm>(step.work) ||
      std::holds_alternative<hal::MmeConvolution>(step.work)) {
    return hal::EngineKind::kMme;
  }
  return hal::EngineKind::kDma;
}

}  // namespace

absl::StatusOr<Recipe> Compile(const Graph& graph, const hal::Chip& chip,
                               const CompileOptions& options) {
  ASSIGN_OR_RETURN(FrontResult front, PlanGraph(graph, chip, options));
  Recipe recipe;
  recipe.chip = chip.name();
  recipe.nodes = static_cast<uint32_t>(graph.nodes().size());
  ASSIGN_OR_RETURN(recipe.main, BuildProgram(front.main, chip));
  recipe.main_bindings = std::move(front.main_bindings);
  if (!front.prepare.steps.empty()) {
    ASSIGN_OR_RETURN(recipe.prepare.emplace(), BuildProgram(front.prepare, chip));
  }
  recipe.prepare_bindings = std::move(front.prepare_bindings);
  recipe.prepared = std::move(front.prepared);
  for (const Plan* plan : {&front.prepare, &front.main}) {
    for (const PlanStep& step : plan->steps) {
      recipe.step_names.push_back(step.source.empty() ? step.name : step.name + "  " + step.source);
      recipe.step_engines.push_back(EngineOf(step));
    }
  }
  return recipe;
}

}  // namespace openhpu::graph
