// Lowering: what an op's `lower` function writes. A node becomes works: element-wise programs,
// kernels of the library, matrix products and convolutions, on views with PyTorch's dims (the last
// is the innermost) and any strides. The front (graph/front/) makes them fit the engines: layout,
// copies, fusion, addresses.
//
// Methods take views of the graph's buffers or of temps made here. They fail only for what no
// engine computes.
#ifndef GRAPH_LOWERING_H_
#define GRAPH_LOWERING_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/ir.h"
#include "graph/op.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {

// One element of each output from one element of each input; inputs and outputs have one shape
// (stride 0 where an input is broadcast). kIndex counts along the *logical* dim `immediate`, which
// may be above 4.
struct ElementwiseWork {
  hal::ExpressionProgram program;
};
// Over the dims in `dims` (bit i = logical dim i); the output has size 1 there. The flat index of
// an arg-reduction counts row-major over the reduced dims.
struct ReduceWork {
  hal::ReduceOp op = hal::ReduceOp::kSum;
  uint32_t dims = 0;
  float correction = 0;
};
struct SoftmaxWork {
  int dim = 0;
  bool log = false;
};
// x, weight?, bias? (expanded to x's sizes) -> y, mean, rstd (size 1 in `dims`).
struct NormWork {
  uint32_t dims = 0;
  float epsilon = 1e-5f;
  bool has_weight = false, has_bias = false;
};
// x [N, C, H, W] -> y, indices?; params pair {w, h}.
struct PoolWork {
  hal::PoolParams params;
};
// kRows: table [n, row], index [...] -> [..., row]. kElements: table, index -> one shape; along
// logical dim `dim`.
struct GatherWork {
  hal::GatherMode mode = hal::GatherMode::kRows;
  int dim = 0;
};
// state [words] -> bits, any sizes: word i of a draw for element i in row-major order.
struct RandomWork {
  hal::RandomParams params;
};
// index, source, base -> out, all of one rank: out = base, and then along logical dim `dim` what
// the index says; index and source have one size there, and elsewhere out's sizes (stride 0 where
// they are broadcast). In place where base is out.
struct ScatterWork {
  hal::ScatterOp op = hal::ScatterOp::kReplace;
  int dim = 0;
  static constexpr size_t kBase = 2;  // of the inputs
};
// in -> values, indices: the first along `dim`, as many as the outputs have.
struct SortWork {
  int dim = 0;
  bool descending = false;
};
// x [N, C, H, W], weight [K, 1, R, S] -> y [N, K, Ho, Wo]; params pair {w, h}.
struct DepthwiseWork {
  hal::DepthwiseParams params;
};
// a [..., m, k], b [..., k, n] -> c [..., m, n], batch dims equal.
struct IntegerMatmulWork {};
struct GemmWork {};
// x [N, C, H, W], weight [K, C / groups, R, S] -> y [N, K, Ho, Wo]; pairs {h, w}.
struct ConvolutionWork {
  std::array<int64_t, 2> stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};
  int64_t groups = 1;
};

struct Work {
  std::variant<ElementwiseWork, ReduceWork, SoftmaxWork, NormWork, PoolWork, GatherWork,
               DepthwiseWork, IntegerMatmulWork, GemmWork, ConvolutionWork, RandomWork, ScatterWork,
               SortWork>
      what;
  std::vector<View> inputs, outputs;
  std::string name, source;
};

// Gathers the works of a graph's nodes, in order, and the temps they need.
class Lowering {
 public:
  explicit Lowering(absl::Span<const Buffer> buffers) : buffers_(buffers.begin(), buffers.end()) {}

  // Every node goes through here: its declaration's expression or `lower`. Zero-size results make
  // no work.
  absl::Status Lower(const Node& node);
  // Another op, as a part of the one being lowered.
  absl::Status Apply(std::string_view op, Attributes attributes, std::vector<View> inputs,
                     std::vector<View> outputs);

  View NewTemp(DType dtype, absl::Span<const int64_t> sizes);  // contiguous
  // Inputs broadcast to the outputs' sizes. int64 operands are int32 to the program.
  absl::Status Elementwise(hal::ExpressionProgram program, absl::Span<const View> inputs,
                           absl::Span<const View> outputs);
  absl::Status Copy(const View& from, const View& to);  // casts; `from` broadcasts
  absl::Status Fill(const View& to, double value);
  // The same elements with these sizes: a view if there is one, else a copy.
  absl::StatusOr<View> Reshaped(const View& v, absl::Span<const int64_t> sizes);
  absl::StatusOr<View> Cast(const View& v, DType dtype);  // v itself if it has that dtype

  absl::Status Reduce(const ReduceWork& reduce, const View& in, const View& out);
  absl::Status Gemm(const View& a, const View& b, const View& c);
  // Any other work; sizes are the caller's to get right.
  void Add(decltype(Work::what) what, std::vector<View> inputs, std::vector<View> outputs);

  std::vector<Buffer> TakeBuffers() { return std::move(buffers_); }
  std::vector<Work> TakeWorks() { return std::move(works_); }

 private:
  absl::Status LowerTo(const Node& node);

  std::vector<Buffer> buffers_;
  std::vector<Work> works_;
  std::string name_, source_;  // of the node being lowered
};

}  // namespace openhpu::graph

#endif  // GRAPH_LOWERING_H_
