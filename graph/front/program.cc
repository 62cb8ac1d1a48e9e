#include "graph/front/program.h"

#include <algorithm>
#include <utility>

namespace openhpu::graph {

bool UsesIndex(const hal::ExpressionProgram& program) {
  return std::any_of(program.instructions.begin(), program.instructions.end(),
                     [](const auto& in) { return in.op == hal::ExprOp::kIndex; });
}

void KeepOutputs(const std::vector<bool>& keep, Work& work) {
  hal::ExpressionProgram& old = *ProgramOf(work);
  const size_t inputs = old.inputs.size(), values = inputs + old.instructions.size();
  std::vector<bool> needed(values, false);
  for (size_t j = 0; j < old.outputs.size(); ++j) {
    if (keep[j]) needed[old.outputs[j]] = true;
  }
  for (size_t v = values; v-- > inputs;) {
    if (!needed[v]) continue;
    const hal::ExprInstruction& in = old.instructions[v - inputs];
    const uint16_t operands[3] = {in.a, in.b, in.c};
    for (int k = 0; k < hal::ExprArity(in.op); ++k) needed[operands[k]] = true;
  }
  hal::ExpressionProgram program;
  std::vector<View> views;
  std::vector<uint16_t> number(values, 0);
  for (size_t v = 0; v < inputs; ++v) {
    if (!needed[v]) continue;
    number[v] = static_cast<uint16_t>(program.inputs.size());
    program.inputs.push_back(old.inputs[v]);
    views.push_back(std::move(work.inputs[v]));
  }
  for (size_t v = inputs; v < values; ++v) {
    if (!needed[v]) continue;
    hal::ExprInstruction in = old.instructions[v - inputs];
    const int arity = hal::ExprArity(in.op);
    if (arity > 0) in.a = number[in.a];
    if (arity > 1) in.b = number[in.b];
    if (arity > 2) in.c = number[in.c];
    number[v] = static_cast<uint16_t>(program.inputs.size() + program.instructions.size());
    program.instructions.push_back(in);
  }
  std::vector<View> outputs;
  for (size_t j = 0; j < old.outputs.size(); ++j) {
    if (!keep[j]) continue;
    program.outputs.push_back(number[old.outputs[j]]);
    outputs.push_back(std::move(work.outputs[j]));
  }
  work.inputs = std::move(views);
  work.outputs = std::move(outputs);
  old = std::move(program);
}

}  // namespace openhpu::graph
