#include "simulator/functional/kernels/fused_plan.h"

#include <algorithm>

#include "simulator/functional/kernels/support.h"

namespace openhpu::simulator {
namespace {

using hal::ExprInstruction;
using hal::ExprOp;

// VLIW bundles a vector of an instruction takes: 1 for what the vector unit does at once; divisions
// and square roots are Newton steps on a table's estimate, transcendental functions a table and a
// polynomial.
uint64_t Bundles(ExprOp op) {
  switch (op) {
    case ExprOp::kConst:
      return 0;  // a register
    case ExprOp::kSqrt:
    case ExprOp::kRsqrt:
    case ExprOp::kReciprocal:
    case ExprOp::kDiv:
    case ExprOp::kTruncDiv:
      return kDivideBundles;
    case ExprOp::kFmod:
    case ExprOp::kRemainder:
    case ExprOp::kFloorDiv:
      return kDivideBundles + 4;
    case ExprOp::kExp:
    case ExprOp::kExpm1:
    case ExprOp::kLog:
    case ExprOp::kLog1p:
    case ExprOp::kLog2:
    case ExprOp::kSin:
    case ExprOp::kCos:
    case ExprOp::kTan:
    case ExprOp::kTanh:
    case ExprOp::kErf:
    case ExprOp::kSigmoid:
    case ExprOp::kAtan:
      return kTranscendentalBundles;
    case ExprOp::kAtan2:
      return kTranscendentalBundles + kDivideBundles;
    case ExprOp::kPow:
      return 2 * kTranscendentalBundles;
    default:
      return 1;
  }
}

std::vector<uint16_t> Operands(const ExprInstruction& in) {
  const uint16_t all[3] = {in.a, in.b, in.c};
  return std::vector<uint16_t>(all, all + hal::ExprArity(in.op));
}

}  // namespace

FusedPlan PlanFused(const hal::ExpressionProgram& program) {
  const size_t inputs = program.inputs.size();
  const size_t values = inputs + program.instructions.size();
  std::vector<bool> needed(values, false), is_output(values, false);
  for (uint16_t v : program.outputs) needed[v] = is_output[v] = true;
  // The step that reads a value last, by the number of what it makes; 0 = none (no step makes value
  // 0 from an operand).
  std::vector<size_t> last_use(values, 0);
  FusedPlan plan;
  plan.is_operand.assign(values, false);
  for (size_t i = program.instructions.size(); i-- > 0;) {
    if (!needed[inputs + i]) continue;
    for (uint16_t v : Operands(program.instructions[i])) {
      needed[v] = true;
      plan.is_operand[v] = true;
      last_use[v] = std::max(last_use[v], inputs + i);
    }
  }

  plan.slot.assign(values, FusedPlan::kNoSlot);
  for (size_t v = 0; v < inputs; ++v) {
    if (needed[v]) plan.slot[v] = plan.slots++;
  }
  std::vector<int> free;
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const ExprInstruction& in = program.instructions[i];
    const auto value = static_cast<uint16_t>(inputs + i);
    if (!needed[value]) continue;
    FusedPlan::Step step;
    step.instruction = in;
    step.arity = hal::ExprArity(in.op);
    step.value = value;
    step.operand = in.dtype;
    if (in.op == ExprOp::kConst || in.op == ExprOp::kIndex) {
      (in.op == ExprOp::kConst ? plan.constants : plan.indices).push_back(value);
      plan.slot[value] = plan.slots++;
    } else {
      if (in.op != ExprOp::kSelect) step.operand = hal::ValueDType(program, in.a);
      // Operands that end here give their slot before the result takes one: an instruction may
      // overwrite its operands.
      for (uint16_t v : Operands(in)) {
        const bool made = v >= inputs && program.instructions[v - inputs].op != ExprOp::kConst &&
                          program.instructions[v - inputs].op != ExprOp::kIndex;
        if (made && last_use[v] == value && !is_output[v]) {
          if (std::find(free.begin(), free.end(), plan.slot[v]) == free.end()) {
            free.push_back(plan.slot[v]);
          }
        }
      }
      if (free.empty()) {
        plan.slot[value] = plan.slots++;
      } else {
        plan.slot[value] = free.back();
        free.pop_back();
      }
      plan.steps.push_back(step);
    }
    plan.bundles[StorageBytes(step.operand)] += Bundles(in.op);
  }
  return plan;
}

}  // namespace openhpu::simulator
