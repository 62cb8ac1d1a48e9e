// Editing element-wise programs.
#ifndef GRAPH_FRONT_PROGRAM_H_
#define GRAPH_FRONT_PROGRAM_H_

#include <vector>

#include "graph/lowering.h"
#include "hal/kernel/expression.h"

namespace openhpu::graph {

inline hal::ExpressionProgram* ProgramOf(Work& work) {
  auto* e = std::get_if<ElementwiseWork>(&work.what);
  return e == nullptr ? nullptr : &e->program;
}
inline const hal::ExpressionProgram* ProgramOf(const Work& work) {
  const auto* e = std::get_if<ElementwiseWork>(&work.what);
  return e == nullptr ? nullptr : &e->program;
}

bool UsesIndex(const hal::ExpressionProgram& program);

// Keeps the outputs with keep[j], and of inputs and instructions only what they need. At least one
// output is kept.
void KeepOutputs(const std::vector<bool>& keep, Work& work);

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_PROGRAM_H_
