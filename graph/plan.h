// The plan: what the front of the compiler (lowering, fusion, layout, memory planning) hands to its
// back (splitting over engines, sync, packets). Steps are in program order; each is one command for
// one kind of engine, whole: the back cuts it over the engines of that kind.
#ifndef GRAPH_PLAN_H_
#define GRAPH_PLAN_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "hal/commands.h"
#include "hal/kernel/launch.h"
#include "runtime/program.h"

namespace openhpu::graph {

// A kernel launch with the addresses of its tensors, in order.
struct TpcStep {
  hal::KernelLaunch launch;
  std::vector<hal::SymbolicAddress> addresses;
};

struct PlanStep {
  std::variant<TpcStep, hal::MmeGemm, hal::MmeConvolution, hal::DmaCopy, hal::DmaFill> work;
  // Earlier steps whose completion it needs (memory they write and this touches, or read and this
  // writes). Indices into the plan, ascending; need not be reduced.
  std::vector<uint32_t> after;
  std::string name;    // for people: "softmax", "add+relu"
  std::string source;  // where the user said it
};

// In a plan's addresses symbol runtime::kWorkspaceSymbol is the workspace, kConstantsSymbol the
// constants, and runtime::kFirstBodySymbol + i is binding i (the back renumbers, since bodies come
// between).
struct Plan {
  std::vector<PlanStep> steps;
  std::vector<runtime::BindingSpec> bindings;
  std::vector<std::byte> constants;
  uint64_t workspace_bytes = 0;
};

}  // namespace openhpu::graph

#endif  // GRAPH_PLAN_H_
