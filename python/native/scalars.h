// Numbers that change from step to step: a learning rate over a bias correction, a schedule's rate.
// As attributes they would make a new structure each time, compiled anew. A number that differs
// from what it was when the same operators led to it is put on the device instead, from then on.
// The bits of the results are the same either way.
#ifndef PYTHON_NATIVE_SCALARS_H_
#define PYTHON_NATIVE_SCALARS_H_

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

#include "graph/ir.h"

namespace openhpu::python {

// Called for every operator that is about to be recorded on the current stream. May turn a number
// among the attributes into an operand, or record a product with it. Captures keep theirs: there a
// number is a constant.
void PlaceScalars(std::string_view op, graph::Attributes& attributes,
                  std::vector<at::Tensor>& operands);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_SCALARS_H_
