// The families of op declarations, one a file of graph/ops/. graph/op.cc gathers them.
#ifndef GRAPH_OPS_FAMILIES_H_
#define GRAPH_OPS_FAMILIES_H_

#include "absl/types/span.h"
#include "graph/op.h"

namespace openhpu::graph {

absl::Span<const OpDeclaration> ActivationBackwardOps();
absl::Span<const OpDeclaration> ActivationOps();
absl::Span<const OpDeclaration> ArithmeticOps();
absl::Span<const OpDeclaration> ConvolutionBackwardOps();
absl::Span<const OpDeclaration> ConvolutionOps();
absl::Span<const OpDeclaration> CreationOps();
absl::Span<const OpDeclaration> IndexingOps();
absl::Span<const OpDeclaration> LossOps();
absl::Span<const OpDeclaration> MatmulOps();
absl::Span<const OpDeclaration> NormalizationBackwardOps();
absl::Span<const OpDeclaration> NormalizationOps();
absl::Span<const OpDeclaration> PoolingBackwardOps();
absl::Span<const OpDeclaration> PoolingOps();
absl::Span<const OpDeclaration> RandomOps();
absl::Span<const OpDeclaration> ReductionOps();
absl::Span<const OpDeclaration> ScatterOps();
absl::Span<const OpDeclaration> SelectionOps();
absl::Span<const OpDeclaration> ShapeOps();
absl::Span<const OpDeclaration> SortingOps();
absl::Span<const OpDeclaration> UpsampleOps();

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_FAMILIES_H_
