// The inner loops of expression programs: every value is 32 bits an
// element (fp32 for f32 and bf16, int32 for integers, 0 or 1 for bool), already rounded or wrapped
// to its dtype. Same bits on every instruction set.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_EXPRESSION_LOOPS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_EXPRESSION_LOOPS_H_

#include <cstddef>
#include <cstdint>

#include "hal/base/dtype.h"
#include "hal/kernel/expression.h"

namespace openhpu::simulator {

// One instruction on n values, rounding to its dtype included. `operand` is the dtype of a (of b
// for select). Unused operands are null. `out` may be one of the operands. kConst fills; kIndex is
// FillIndices' work.
void RunInstruction(const hal::ExprInstruction& instruction, DType operand, const void* a,
                    const void* b, const void* c, void* out, size_t n);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_EXPRESSION_LOOPS_H_
