// The families of op declarations, one a file of graph/ops/. graph/op.cc gathers them.
#ifndef GRAPH_OPS_FAMILIES_H_
#define GRAPH_OPS_FAMILIES_H_

#include "absl/types/span.h"
#include "graph/op.h"

namespace openhpu::graph {

absl::Span<const OpDeclaration> ActivationOps();
absl::Span<const OpDeclaration> ArithmeticOps();
absl::Span<const OpDeclaration> CreationOps();
absl::Span<const OpDeclaration> MatmulOps();

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_FAMILIES_H_
