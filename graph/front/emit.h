// Emission: works become drafts of plan steps. Addresses in drafts are symbolic by buffer (symbol =
// BufferId); graph/front/memory.h gives them their place.
#ifndef GRAPH_FRONT_EMIT_H_
#define GRAPH_FRONT_EMIT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "graph/front/iteration.h"
#include "graph/ir.h"
#include "graph/lowering.h"
#include "graph/plan.h"

namespace openhpu::graph {

// What a step touches. Views of buffers, in elements of their dtype.
struct Access {
  View view;
  bool write = false;
};

struct Draft {
  PlanStep step;
  absl::InlinedVector<Access, 4> accesses;
  // Each element of an output depends on the same element of the inputs alone, so an output may
  // take the place of an input of the same form.
  bool elementwise = false;
};

// Turns works into drafts, one after the other; makes temps where operands have to be brought into
// another form.
class Emitter {
 public:
  explicit Emitter(std::vector<Buffer>& buffers) : buffers_(buffers) {}

  absl::Status Emit(const Work& work);
  std::vector<Draft> TakeDrafts() { return std::move(drafts_); }

 private:
  absl::Status Elementwise(const Work& work, const hal::ExpressionProgram& program);
  absl::Status ElementwisePieces(const Work& work, const hal::ExpressionProgram& program,
                                 IterationSpace space);
  absl::Status Fused(const Work& work, hal::ExpressionProgram program, const IterationSpace& piece);
  absl::Status Copy(const Work& work, IterationSpace space);
  bool Fill(const Work& work, const hal::ExpressionProgram& program);
  absl::Status Gemm(const Work& work);
  absl::Status IntegerMatmul(const Work& work);
  absl::Status Convolution(const Work& work, const ConvolutionWork& convolution);
  absl::Status Reduce(const Work& work, const ReduceWork& reduce);
  absl::Status Softmax(const Work& work, const SoftmaxWork& softmax);
  absl::Status Norm(const Work& work, const NormWork& norm);
  absl::Status Pool(const Work& work, const PoolWork& pool);
  absl::Status Gather(const Work& work, const GatherWork& gather);
  absl::Status Depthwise(const Work& work, const DepthwiseWork& depthwise);
  absl::Status Random(const Work& work, const RandomWork& random);
  absl::Status Scatter(const Work& work, const ScatterWork& scatter);
  absl::Status Sort(const Work& work, const SortWork& sort);

  // The work with every operand contiguous (broadcast dims of inputs stay broadcast), copies before
  // and after it. Only what is not contiguous already is copied; false, and nothing done, when that
  // is nothing.
  absl::StatusOr<bool> EmitContiguous(const Work& work);

  // A temp with the elements of `v`: strides such that the last of `order` (dims, outermost first)
  // is dense.
  View NewTemp(const View& like, absl::Span<const int> order);
  // Emits a copy of `v` into such a temp.
  absl::StatusOr<View> Materialised(const Work& work, const View& v, absl::Span<const int> order);
  absl::StatusOr<View> Contiguous(const Work& work, const View& v);
  absl::Status CopyView(const Work& work, const View& from, const View& to);

  // Appends a kernel launch over `space`, whose first operands are inputs and last `outputs`
  // outputs.
  void AddLaunch(const Work& work, hal::KernelLaunch launch, const IterationSpace& space,
                 size_t outputs, bool elementwise);
  void AddStep(const Work& work, PlanStep step, absl::InlinedVector<Access, 4> accesses,
               bool elementwise = false);

  std::vector<Buffer>& buffers_;
  std::vector<Draft> drafts_;
};

hal::SymbolicAddress AddressOf(const View& v);

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_EMIT_H_
