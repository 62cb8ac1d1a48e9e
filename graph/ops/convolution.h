// What convolutions and their gradients share.
#ifndef GRAPH_OPS_CONVOLUTION_H_
#define GRAPH_OPS_CONVOLUTION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/ops/common.h"

namespace openhpu::graph {

struct ConvolutionGeometry {
  int spatial = 2;  // dims: 1 or 2
  std::vector<int64_t> stride, padding, dilation, output_padding;
  int64_t groups = 1;
  bool transposed = false;

  // 1-D as 2-D with a height of 1 (what it is made of needs a dim before its last, too).
  void MakeTwoDimensional();
};

// Of an input of that rank.
absl::StatusOr<ConvolutionGeometry> GeometryOf(const Attributes& attributes, int rank);

// input, weight, bias?
Inferred InferConvolution(const Attributes& attributes, Types inputs);

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_CONVOLUTION_H_
