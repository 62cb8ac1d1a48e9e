// The windows of pooling, {h, w} each.
#ifndef GRAPH_OPS_WINDOW_H_
#define GRAPH_OPS_WINDOW_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/ir.h"

namespace openhpu::graph {

struct Window {
  std::vector<int64_t> kernel, stride, padding, dilation;
};

// From kernel_size, stride (= kernel_size), padding = 0, dilation = 1.
absl::StatusOr<Window> WindowOf(const Attributes& attributes);

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_WINDOW_H_
