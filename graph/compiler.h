// The compiler: a graph for a chip becomes a recipe. Front: graph -> plan (graph/front/). Back:
// plan -> program (graph/back/).
#ifndef GRAPH_COMPILER_H_
#define GRAPH_COMPILER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/ir.h"
#include "graph/plan.h"
#include "hal/chip.pb.h"
#include "hal/commands.h"
#include "runtime/program.h"

namespace openhpu::graph {

struct CompileOptions {
  bool fuse = true;       // element-wise chains into one kernel
  bool layout = true;     // let temps take the layout that the MME wants
  bool prepare = true;    // keep what derives from weights alone
  bool drop_dead = true;  // nodes whose results nobody reads
};

// A binding of a program: a bound buffer of the graph, or a prepared constant (index into
// Recipe::prepared).
struct RecipeBinding {
  bool prepared = false;
  uint32_t index = 0;  // BufferId, or prepared constant
};

// What is derived from weights alone and kept between launches: made by `prepare`, read by `main`.
struct PreparedConstant {
  uint64_t bytes = 0;
  std::vector<BufferId> sources;  // the weights it is made of
};

// Immutable. `main.bindings[i]` is `main_bindings[i]` of the graph.
struct Recipe {
  std::string chip;
  runtime::Program main;
  std::vector<RecipeBinding> main_bindings;
  std::optional<runtime::Program> prepare;
  std::vector<RecipeBinding> prepare_bindings;
  std::vector<PreparedConstant> prepared;
  // For people: what each step is and which engines run it, in order (those that prepare first),
  // and how many nodes went in.
  std::vector<std::string> step_names;
  std::vector<hal::EngineKind> step_engines;
  uint32_t nodes = 0;
};

// The front: main plan, and the plan that prepares constants from weights (empty if there is none).
struct FrontResult {
  Plan main, prepare;
  std::vector<RecipeBinding> main_bindings, prepare_bindings;
  std::vector<PreparedConstant> prepared;
};
absl::StatusOr<FrontResult> PlanGraph(const Graph& graph, const hal::Chip& chip,
                                      const CompileOptions& options);

// The back: splits steps over the engines, inserts sync (waits reduced transitively; reset epochs
// where counts would pass 32,767), writes the packets.
absl::StatusOr<runtime::Program> BuildProgram(const Plan& plan, const hal::Chip& chip);

absl::StatusOr<Recipe> Compile(const Graph& graph, const hal::Chip& chip,
                               const CompileOptions& options = {});

}  // namespace openhpu::graph

#endif  // GRAPH_COMPILER_H_
