// Descriptors that are dense products in disguise. One descriptor becomes few calls: columns that
// local and remote array take in turns join into one range wherever they touch.
#ifndef SIMULATOR_FUNCTIONAL_MME_MATCH_H_
#define SIMULATOR_FUNCTIONAL_MME_MATCH_H_

#include <cstdint>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {

// Consecutive rows or columns of the result and of the operand that they come from: `input` and
// `output` are the element offsets of the first.
struct MmeSegment {
  int64_t input = 0, output = 0, count = 0;
};
using MmeSegments = absl::InlinedVector<MmeSegment, 4>;

// c of one row segment and one column segment is the product `shape` with m and n taken from them,
// at
//   a = a_operand's address + a_offset + rows.input, b = b_operand's + b_offset + columns.input, c
//   = O's + c_offset + rows.output + columns.output.
struct MmeGemmForm {
  GemmShape shape;
  bool a_is_s = true;                                // else L gives the rows: transO
  int64_t a_offset = 0, b_offset = 0, c_offset = 0;  // elements
  // The arrays' parts. When both walk the same rows (or columns), one part with the union of their
  // columns (or rows).
  struct Part {
    MmeSegments rows, columns;
  };
  absl::InlinedVector<Part, 2> parts;
};

// A convolution for each segment of features: w at L's address + w_offset + segment.input, y at O's
// + y_offset + segment.output.
struct MmeConvolutionForm {
  ConvolutionShape shape;
  int64_t x_offset = 0, w_offset = 0,
          y_offset = 0;  // elements; x's is that of the first element inside the image
  MmeSegments features;
};

// monostate: none of the known forms; the loop nest runs it.
using MmeForm = std::variant<std::monostate, MmeGemmForm, MmeConvolutionForm>;
MmeForm MatchMme(const MmeView& view);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_MATCH_H_
