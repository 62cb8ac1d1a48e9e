#include "simulator/functional/mme.h"

#include <algorithm>
#include <variant>

#include "hal/base/status_macros.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/mme_form.h"
#include "simulator/functional/mme_loop_nest.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeDescriptor;

// Offsets in elements from an operand's address, first and last.
struct Range {
  int64_t first = 0, last = 0;
  void Along(int64_t stride, int64_t count) { (stride < 0 ? first : last) += stride * (count - 1); }
};

DeviceAddress At(const MmeOperand& operand, int64_t offset) {
  return DeviceAddress(operand.address.value() +
                       static_cast<uint64_t>(offset * operand.ElementBytes()));
}

// Host memory of the element at `offset`, once all of `range` around it is known to be there.
absl::StatusOr<std::byte*> Resolve(const MmeOperand& operand, int64_t offset, const Range& range,
                                   AddressSpace& memory) {
  const int64_t bytes = operand.ElementBytes();
  ASSIGN_OR_RETURN(std::byte * first,
                   memory.Resolve(At(operand, offset + range.first),
                                  static_cast<uint64_t>((range.last - range.first + 1) * bytes)));
  return first - range.first * bytes;
}

Range MatrixRange(const GemmShape& shape, int64_t rows, int64_t columns,
                  const GemmShape::Strides& strides) {
  Range range;
  range.Along(strides.row, rows);
  range.Along(strides.column, columns);
  for (int d = 0; d < 3; ++d) range.Along(strides.batch[d], shape.batch[d]);
  return range;
}

absl::Status RunGemmForm(const MmeView& view, const MmeGemmForm& form, Arithmetic arithmetic,
                         AddressSpace& memory) {
  const MmeOperand& a_operand = form.a_is_s ? view.s : view.l;
  const MmeOperand& b_operand = form.a_is_s ? view.l : view.s;
  GemmShape s = form.shape;
  for (const MmeGemmForm::Part& part : form.parts) {
    for (const MmeSegment& rows : part.rows) {
      s.m = rows.count;
      for (const MmeSegment& columns : part.columns) {
        s.n = columns.count;
        const std::byte *a = nullptr, *b = nullptr;
        if (s.k > 0) {
          ASSIGN_OR_RETURN(a, Resolve(a_operand, form.a_offset + rows.input,
                                      MatrixRange(s, s.m, s.k, s.a), memory));
          ASSIGN_OR_RETURN(b, Resolve(b_operand, form.b_offset + columns.input,
                                      MatrixRange(s, s.k, s.n, s.b), memory));
        }
        ASSIGN_OR_RETURN(std::byte * c,
                         Resolve(view.o, form.c_offset + rows.output + columns.output,
                                 MatrixRange(s, s.m, s.n, s.c), memory));
        RETURN_IF_ERROR(arithmetic == Arithmetic::kFast ? FastGemm(s, a, b, c)
                                                        : ExactGemm(s, a, b, c));
      }
    }
  }
  return absl::OkStatus();
}

// First and last position of an axis that some tap reads; false if none does.
bool Reads(const ConvolutionShape& s, int d, int64_t& first, int64_t& last) {
  first = s.in[d];
  last = -1;
  for (int64_t tap = 0; tap < s.kernel[d]; ++tap) {
    const int64_t offset = tap * s.dilation[d] - s.pad[d];
    if (offset >= s.in[d]) continue;
    const int64_t from = offset >= 0 ? 0 : (-offset + s.stride[d] - 1) / s.stride[d];
    const int64_t to = std::min(s.out[d] - 1, (s.in[d] - 1 - offset) / s.stride[d]);
    if (from > to) continue;
    first = std::min(first, from * s.stride[d] + offset);
    last = std::max(last, to * s.stride[d] + offset);
  }
  return first <= last;
}

absl::Status RunConvolutionForm(const MmeView& view, const MmeConvolutionForm& form,
                                Arithmetic arithmetic, AddressSpace& memory, MmeState& state) {
  ConvolutionShape s = form.shape;
  // Only what is read must be there. An axis of which nothing is read leaves nothing of the image.
  Range x_range;
  bool reads = true;
  for (int d = 0; d < 3; ++d) {
    int64_t first, last;
    reads = Reads(s, d, first, last) && reads;
    x_range.first += first * s.x_strides[d];
    x_range.last += last * s.x_strides[d];
  }
  x_range.Along(1, s.channels);
  x_range.Along(s.x_strides[3], s.batch);
  const std::byte* x = nullptr;
  if (reads) {
    ASSIGN_OR_RETURN(x, Resolve(view.s, form.x_offset, x_range, memory));
  } else {
    s.in = {0, 0, 0};
  }
  for (const MmeSegment& features : form.features) {
    s.features = features.count;
    Range w_range, y_range;
    w_range.Along(1, s.features);
    y_range.Along(1, s.features);
    w_range.Along(s.w_strides[0], s.channels);
    for (int d = 0; d < 3; ++d) {
      w_range.Along(s.w_strides[d + 1], s.kernel[d]);
      y_range.Along(s.y_strides[d], s.out[d]);
    }
    y_range.Along(s.y_strides[3], s.batch);
    const int64_t w_offset = form.w_offset + features.input;
    ASSIGN_OR_RETURN(const std::byte* w, Resolve(view.l, w_offset, w_range, memory));
    ASSIGN_OR_RETURN(std::byte * y,
                     Resolve(view.o, form.y_offset + features.output, y_range, memory));
    if (arithmetic == Arithmetic::kExact) {
      RETURN_IF_ERROR(ExactConvolution(s, x, w, y));
      continue;
    }
    if (state.weights == nullptr) state.weights = std::make_shared<WeightsCache>();
    WeightsSource source;
    source.cache = state.weights.get();
    source.memory = &memory;
    source.address = At(view.l, w_offset + w_range.first);
    source.bytes =
        static_cast<uint64_t>((w_range.last - w_range.first + 1) * view.l.ElementBytes());
    RETURN_IF_ERROR(FastConvolution(s, x, w, y, source));
  }
  return absl::OkStatus();
}

// A descriptor that stores its tiles passes the ring by, but for the index.
void Turn(const MmeView& view, MmeState& state) {
  for (MmeState::Array& array : state.arrays) {
    array.index = static_cast<uint32_t>((array.index + view.ring_step * view.Steps() + view.roll) %
                                        view.ring);
  }
}

}  // namespace

absl::Status RunMmeForm(const MmeView& view, const MmeForm& form, Arithmetic arithmetic,
                        AddressSpace& memory, MmeState& state) {
  if (const auto* gemm = std::get_if<MmeGemmForm>(&form)) {
    RETURN_IF_ERROR(RunGemmForm(view, *gemm, arithmetic, memory));
  }
  if (const auto* convolution = std::get_if<MmeConvolutionForm>(&form)) {
    RETURN_IF_ERROR(RunConvolutionForm(view, *convolution, arithmetic, memory, state));
  }
  Turn(view, state);
  return absl::OkStatus();
}

absl::StatusOr<MmeWork> AnalyseMme(const MmeDescriptor& descriptor) {
  ASSIGN_OR_RETURN(const MmeView view, ViewMme(descriptor));
  MmeWork work;
  work.steps = static_cast<uint64_t>(view.Steps());
  work.common_dim = static_cast<uint64_t>(view.CommonDim());
  work.fp32_in = view.s.type == DType::kFloat32;
  work.out_bytes = static_cast<uint32_t>(view.o.ElementBytes());
  work.signals = static_cast<uint64_t>(view.Signals());
  return work;
}

absl::Status RunMme(const MmeDescriptor& descriptor, Arithmetic arithmetic, MmePath path,
                    AddressSpace& memory, MmeState& state) {
  ASSIGN_OR_RETURN(const MmeView view, ViewMme(descriptor));
  if (path == MmePath::kAuto && !state.Continues()) {
    const MmeForm form = MatchMme(view);
    if (!std::holds_alternative<std::monostate>(form)) {
      return RunMmeForm(view, form, arithmetic, memory, state);
    }
  }
  return RunLoopNest(view, memory, state);
}

}  // namespace openhpu::simulator
