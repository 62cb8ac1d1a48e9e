// Matrix products. The MME reads either of a matrix's two orders, so an operand is copied only when
// neither of its dims is dense.
#include <algorithm>
#include <utility>

#include "graph/front/emit.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

constexpr int kBatchDims = 3;

// How a matrix [rows, columns] lies: row-major with a leading dimension, or transposed.
struct Order {
  bool fits = false, transposed = false;
  int64_t leading = 0;
};

Order OrderOf(const View& v) {
  const int64_t rows = v.sizes[v.rank() - 2], columns = v.sizes[v.rank() - 1];
  const int64_t row_stride = v.strides[v.rank() - 2], column_stride = v.strides[v.rank() - 1];
  if ((column_stride == 1 || columns == 1) && (rows == 1 || row_stride >= columns)) {
    return {true, false, rows == 1 ? columns : row_stride};
  }
  if ((row_stride == 1 || rows == 1) && (columns == 1 || column_stride >= rows)) {
    return {true, true, columns == 1 ? rows : column_stride};
  }
  return {};
}

}  // namespace

absl::Status Emitter::Gemm(const Work& work) {
  View a = work.inputs[0], b = work.inputs[1], c = work.outputs[0];
  if (a.dtype != b.dtype) return absl::InvalidArgumentError("a matrix product of two dtypes");
  if (!OrderOf(a).fits) {
    ASSIGN_OR_RETURN(a, Contiguous(work, a));
  }
  if (!OrderOf(b).fits) {
    ASSIGN_OR_RETURN(b, Contiguous(work, b));
  }
  if (!OrderOf(c).fits) {
    std::vector<int> order;
    for (int d = 0; d < c.rank(); ++d) order.push_back(d);
    Work dense = work;
    dense.outputs[0] = NewTemp(c, order);
    RETURN_IF_ERROR(Gemm(dense));
    return CopyView(work, dense.outputs[0], c);
  }
  if (OrderOf(c).transposed) {  // C' = B' A'
    std::swap(a, b);
    a = Transpose(a, -1, -2);
    b = Transpose(b, -1, -2);
    c = Transpose(c, -1, -2);
  }
  const int rank = c.rank();
  const Order order_a = OrderOf(a), order_b = OrderOf(b), order_c = OrderOf(c);

  // The batch dims as a space of their own; the matrices hang off it.
  const auto batch_of = [&](View v) {
    v.sizes.resize(rank - 2);
    v.strides.resize(rank - 2);
    return v;
  };
  const View batch_a = batch_of(a), batch_b = batch_of(b), batch_c = batch_of(c);
  IterationSpace space = MakeSpace({&batch_a, &batch_b, &batch_c}, {});
  SortDims(space, 2);
  MergeDims(space);

  const auto matrix = [&](View v, const View& whole) {
    for (int d : {rank - 2, rank - 1}) {
      v.sizes.push_back(whole.sizes[d]);
      v.strides.push_back(whole.strides[d]);
    }
    return v;
  };
  return ForEachPiece(space, kBatchDims, 0, [&](const IterationSpace& piece) {
    hal::MmeGemm gemm;
    gemm.a = AddressOf(piece.operands[0]);
    gemm.b = AddressOf(piece.operands[1]);
    gemm.c = AddressOf(piece.operands[2]);
    gemm.in = a.dtype;
    gemm.out = c.dtype;
    const int64_t m = c.sizes[rank - 2], n = c.sizes[rank - 1], k = a.sizes[rank - 1];
    if (std::max({m, n, k}) > INT32_MAX)
      return absl::OutOfRangeError("a matrix dim of more than 31 bits");
    gemm.m = static_cast<uint32_t>(m);
    gemm.n = static_cast<uint32_t>(n);
    gemm.k = static_cast<uint32_t>(k);
    gemm.trans_a = order_a.transposed;
    gemm.trans_b = order_b.transposed;
    gemm.lda = order_a.leading;
    gemm.ldb = order_b.leading;
    gemm.ldc = order_c.leading;
    int at = 0;
    for (size_t d = piece.dims.size(); d-- > 0; ++at) {
      const IterationDim& dim = piece.dims[d];
      if (dim.size > INT32_MAX) return absl::OutOfRangeError("a batch of more than 31 bits");
      gemm.batch[at].count = static_cast<uint32_t>(dim.size);
      gemm.batch[at].stride_a = dim.strides[0];
      gemm.batch[at].stride_b = dim.strides[1];
      gemm.batch[at].stride_c = dim.strides[2];
    }
    absl::InlinedVector<Access, 4> accesses;
    accesses.push_back({matrix(Touched(piece, 0), a), false});
    accesses.push_back({matrix(Touched(piece, 1), b), false});
    accesses.push_back({matrix(Touched(piece, 2), c), true});
    PlanStep step;
    step.work = gemm;
    AddStep(work, std::move(step), std::move(accesses));
    return absl::OkStatus();
  });
}

absl::Status Emitter::IntegerMatmul(const Work& work) {
  View a = work.inputs[0], b = work.inputs[1], c = work.outputs[0];
  // Dim 0 of each is its last dim; sizes of a batch that one operand broadcasts are 1.
  const auto dense = [](const View& v) { return v.strides.back() == 1 || v.sizes.back() == 1; };
  if (!dense(a)) {
    ASSIGN_OR_RETURN(a, Contiguous(work, a));
  }
  if (!dense(b)) {
    ASSIGN_OR_RETURN(b, Contiguous(work, b));
  }
  if (!dense(c)) {
    std::vector<int> order;
    for (int d = 0; d < c.rank(); ++d) order.push_back(d);
    Work temp = work;
    temp.outputs[0] = NewTemp(c, order);
    RETURN_IF_ERROR(IntegerMatmul(temp));
    return CopyView(work, temp.outputs[0], c);
  }
  const int rank = c.rank();
  const auto batch_of = [&](View v) {
    v.sizes.resize(rank - 2);
    v.strides.resize(rank - 2);
    return v;
  };
  const View batch_a = batch_of(a), batch_b = batch_of(b), batch_c = batch_of(c);
  IterationSpace space = MakeSpace({&batch_a, &batch_b, &batch_c}, {});
  SortDims(space, 2);
  MergeDims(space);
  return ForEachPiece(
      space, hal::kTpcMaxDims - 2, 0, [&](const IterationSpace& piece) -> absl::Status {
        const View* whole[3] = {&a, &b, &c};
        hal::KernelTensor tensors[3];
        IterationSpace launch;
        for (int i = 0; i < 3; ++i) {
          // Each operand's own matrix dims, inside the common batch.
          IterationSpace own = piece;
          for (int d : {rank - 2, rank - 1}) {
            IterationDim dim;
            dim.size = whole[i]->sizes[d];
            dim.strides.assign(3, dim.size == 1 ? 1 : whole[i]->strides[d]);
            own.dims.push_back(std::move(dim));
          }
          ASSIGN_OR_RETURN(tensors[i], TensorOf(own, i));
          // A matrix dim that is broadcast (stride 0) still has its size.
          tensors[i].sizes[0] = static_cast<uint32_t>(whole[i]->sizes[rank - 1]);
          tensors[i].sizes[1] = static_cast<uint32_t>(whole[i]->sizes[rank - 2]);
        }
        ASSIGN_OR_RETURN(hal::KernelLaunch kernel,
                         hal::MakeIntegerMatmul(tensors[0], tensors[1], tensors[2]));
        TpcStep tpc;
        tpc.launch = std::move(kernel);
        absl::InlinedVector<Access, 4> accesses;
        for (int i = 0; i < 3; ++i) {
          tpc.addresses.push_back(AddressOf(piece.operands[i]));
          View touched = Touched(piece, i);
          for (int d : {rank - 2, rank - 1}) {
            touched.sizes.push_back(whole[i]->sizes[d]);
            touched.strides.push_back(whole[i]->strides[d]);
          }
          accesses.push_back({std::move(touched), i == 2});
        }
        PlanStep step;
        step.work = std::move(tpc);
        AddStep(work, std::move(step), std::move(accesses));
        return absl::OkStatus();
      });
}

}  // namespace openhpu::graph
