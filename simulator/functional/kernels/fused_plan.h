// How an expression program is evaluated a tile at a time: which slot of scratch memory holds each
// value, and in which order. Made once a kernel.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_FUSED_PLAN_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_FUSED_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/expression.h"

namespace openhpu::simulator {

struct FusedPlan {
  static constexpr int kNoSlot = -1;

  // Instructions that some output needs, in order, without constants and indices.
  struct Step {
    hal::ExprInstruction instruction;
    DType operand = DType::kFloat32;  // dtype of a (of b for select)
    int arity = 0;
    uint16_t value = 0;  // what it makes
  };
  std::vector<Step> steps;
  std::vector<uint16_t> constants;  // values made by kConst, filled once a run
  std::vector<uint16_t> indices;    // values made by kIndex, filled once a tile
  // Of each value; kNoSlot when nothing reads it as an operand. Inputs, constants and indices keep
  // their slot; others share.
  std::vector<int> slot;
  std::vector<bool> is_operand;  // of each value: some step reads it
  int slots = 0;
  // Bundles a vector of each width takes: by bytes an element of the operands (1, 2, 4).
  uint64_t bundles[5] = {0, 0, 0, 0, 0};
};

// Requires a validated program.
FusedPlan PlanFused(const hal::ExpressionProgram& program);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_FUSED_PLAN_H_
