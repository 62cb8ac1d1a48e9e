// Ops that put elements elsewhere: cat, stack, pad, roll, flip. All are copies into views of the
// result, or gathers.
#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

// cat ignores tensors of sizes [0], whatever the others' rank.
bool Ignored(absl::Span<const int64_t> sizes) { return sizes.size() == 1 && sizes[0] == 0; }

Inferred InferCat(const Attributes& attributes, Types inputs) {
  const TensorType* first = nullptr;
  for (const TensorType& t : inputs) {
    if (first == nullptr && !Ignored(t.sizes)) first = &t;
  }
  const DType type = Promote(inputs);
  if (first == nullptr) return std::vector<TensorType>{{type, inputs[0].sizes}};
  ASSIGN_OR_RETURN(const int dim,
                   ResolveDim(attributes.Int("dim"), static_cast<int>(first->sizes.size())));
  if (first->sizes.empty()) return absl::InvalidArgumentError("tensors of rank 0");
  Dims sizes = first->sizes;
  sizes[dim] = 0;
  for (const TensorType& t : inputs) {
    if (Ignored(t.sizes)) continue;
    Dims other = t.sizes;
    if (other.size() != sizes.size())
      return absl::InvalidArgumentError("tensors of different ranks");
    const int64_t length = other[dim];
    other[dim] = sizes[dim];
    if (other != sizes) {
      return absl::InvalidArgumentError(
          hal::Cat("[", absl::StrJoin(t.sizes, ","), "] does not join [",
                   absl::StrJoin(first->sizes, ","), "] along dim ", dim));
    }
    sizes[dim] += length;
  }
  return std::vector<TensorType>{{type, std::move(sizes)}};
}

absl::Status LowerCat(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), out.rank()));
  int64_t at = 0;
  for (const View& in : node.inputs) {
    if (Ignored(in.sizes)) continue;
    RETURN_IF_ERROR(lowering.Copy(in, Slice(out, dim, at, in.sizes[dim])));
    at += in.sizes[dim];
  }
  return absl::OkStatus();
}

Inferred InferStack(const Attributes& attributes, Types inputs) {
  Dims sizes = inputs[0].sizes;
  for (const TensorType& t : inputs) {
    if (t.sizes != sizes) return absl::InvalidArgumentError("tensors of different sizes");
  }
  ASSIGN_OR_RETURN(const int dim,
                   ResolveDim(attributes.Int("dim"), static_cast<int>(sizes.size()) + 1));
  sizes.insert(sizes.begin() + dim, static_cast<int64_t>(inputs.size()));
  return std::vector<TensorType>{{Promote(inputs), std::move(sizes)}};
}

absl::Status LowerStack(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), out.rank()));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    RETURN_IF_ERROR(lowering.Copy(node.inputs[i], Select(out, dim, static_cast<int64_t>(i))));
  }
  return absl::OkStatus();
}

// `pad` lists {before, after} from the last dim on; negative ones crop.
Inferred InferPad(const Attributes& attributes, Types inputs) {
  const std::vector<int64_t> pad = attributes.Ints("pad");
  Dims sizes = inputs[0].sizes;
  if (pad.size() % 2 != 0 || pad.size() / 2 > sizes.size())
    return absl::InvalidArgumentError("pad does not fit the input's rank");
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    int64_t& size = sizes[sizes.size() - 1 - i];
    size += pad[2 * i] + pad[2 * i + 1];
    if (size < 0) return absl::InvalidArgumentError("pad crops more than there is");
  }
  return std::vector<TensorType>{{inputs[0].dtype, std::move(sizes)}};
}

absl::Status LowerPad(Lowering& lowering, const Node& node) {
  View in = node.inputs[0], inner = node.outputs[0];
  const std::vector<int64_t> pad = node.attributes.Ints("pad");
  bool grows = false;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const int d = in.rank() - 1 - static_cast<int>(i);
    const int64_t before = pad[2 * i], after = pad[2 * i + 1];
    grows = grows || before > 0 || after > 0;
    // Crop the input where negative, leave room in the output where positive.
    const int64_t cropped = std::max<int64_t>(-before, 0) + std::max<int64_t>(-after, 0);
    const int64_t length = in.sizes[d] - cropped;
    if (length <= 0) return lowering.Fill(node.outputs[0], node.attributes.Real("value", 0));
    in = Slice(in, d, std::max<int64_t>(-before, 0), length);
    inner = Slice(inner, d, std::max<int64_t>(before, 0), length);
  }
  if (grows) RETURN_IF_ERROR(lowering.Fill(node.outputs[0], node.attributes.Real("value", 0)));
  return lowering.Copy(in, inner);
}

Inferred InferRoll(const Attributes& attributes, Types inputs) {
  const size_t shifts = attributes.Ints("shifts").size(), dims = attributes.Ints("dims").size();
  if (shifts == 0 || (dims != shifts && !(dims == 0 && shifts == 1)))
    return absl::InvalidArgumentError("shifts and dims differ in number");
  for (int64_t dim : attributes.Ints("dims")) {
    RETURN_IF_ERROR(ResolveDim(dim, static_cast<int>(inputs[0].sizes.size())).status());
  }
  return std::vector<TensorType>{inputs[0]};
}

// Each rolled dim cuts the copy in two.
absl::Status RollFrom(Lowering& lowering, absl::Span<const std::pair<int, int64_t>> rolls,
                      const View& in, const View& out) {
  if (rolls.empty()) return lowering.Copy(in, out);
  const auto [dim, shift] = rolls.front();
  const int64_t n = in.sizes[dim];
  rolls.remove_prefix(1);
  if (shift == 0) return RollFrom(lowering, rolls, in, out);
  RETURN_IF_ERROR(
      RollFrom(lowering, rolls, Slice(in, dim, 0, n - shift), Slice(out, dim, shift, n - shift)));
  return RollFrom(lowering, rolls, Slice(in, dim, n - shift, shift), Slice(out, dim, 0, shift));
}

absl::Status LowerRoll(Lowering& lowering, const Node& node) {
  View in = node.inputs[0], out = node.outputs[0];
  const std::vector<int64_t> shifts = node.attributes.Ints("shifts"),
                             dims = node.attributes.Ints("dims");
  View result = out;
  if (dims.empty()) {  // of the flat tensor
    const Dims flat = {in.elements()};
    ASSIGN_OR_RETURN(in, lowering.Reshaped(in, flat));
    result = lowering.NewTemp(out.dtype, out.sizes);
    out = *Reshape(result, flat);
  }
  std::vector<int64_t> total(in.rank(), 0);
  for (size_t i = 0; i < shifts.size(); ++i) {
    const int d = dims.empty() ? 0 : *ResolveDim(dims[i], in.rank());
    const int64_t n = in.sizes.empty() ? 1 : in.sizes[d];
    if (!in.sizes.empty()) total[d] = ((total[d] + shifts[i]) % n + n) % n;
  }
  std::vector<std::pair<int, int64_t>> rolls;
  for (int d = 0; d < in.rank(); ++d) {
    if (total[d] != 0) rolls.emplace_back(d, total[d]);
  }
  RETURN_IF_ERROR(RollFrom(lowering, rolls, in, out));
  return dims.empty() ? lowering.Copy(result, node.outputs[0]) : absl::OkStatus();
}

Inferred InferFlip(const Attributes& attributes, Types inputs) {
  if (attributes.Ints("dims").empty()) return std::vector<TensorType>{inputs[0]};
  RETURN_IF_ERROR(
      ResolveDims(attributes, "dims", static_cast<int>(inputs[0].sizes.size())).status());
  return std::vector<TensorType>{inputs[0]};
}

absl::Status LowerFlip(Lowering& lowering, const Node& node) {
  View have = node.inputs[0];
  const View& out = node.outputs[0];
  if (node.attributes.Ints("dims").empty()) return lowering.Copy(have, out);
  ASSIGN_OR_RETURN(const uint32_t mask, ResolveDims(node.attributes, "dims", have.rank()));
  for (int d = 0; d < have.rank(); ++d) {
    if ((mask >> d & 1) == 0 || have.sizes[d] == 1) continue;
    const View index = lowering.NewTemp(DType::kInt32, {have.sizes[d]});
    ExpressionBuilder e({});
    const auto last = e.Constant(static_cast<double>(have.sizes[d] - 1), DType::kInt32);
    const auto i = e.Index(0);
    RETURN_IF_ERROR(lowering.Elementwise(e.Finish(e.Op(hal::ExprOp::kSub, last, i), DType::kInt32),
                                         {}, {index}));
    const View next = lowering.NewTemp(have.dtype, have.sizes);
    RETURN_IF_ERROR(lowering.Apply("index_select", {{"dim", int64_t{d}}}, {have, index}, {next}));
    have = next;
  }
  return lowering.Copy(have, out);
}

// grad_in: windows of `size` along `dim`, `step` apart, as the last dim.
Inferred InferUnfoldBackward(const Attributes& attributes, Types inputs) {
  const std::vector<int64_t> sizes = attributes.Ints("input_sizes");
  const int64_t step = attributes.Int("step", 1);
  if (sizes.size() + 1 != inputs[0].sizes.size() || sizes.empty() || step < 1)
    return absl::InvalidArgumentError("grad_in does not fit input_sizes");
  RETURN_IF_ERROR(ResolveDim(attributes.Int("dim"), static_cast<int>(sizes.size())).status());
  return std::vector<TensorType>{{inputs[0].dtype, Dims(sizes.begin(), sizes.end())}};
}

// Windows may overlap: their elements are added, place by place within the window.
absl::Status LowerUnfoldBackward(Lowering& lowering, const Node& node) {
  const View &above = node.inputs[0], &out = node.outputs[0];
  ASSIGN_OR_RETURN(const int dim, ResolveDim(node.attributes.Int("dim"), out.rank()));
  const View sums = lowering.NewTemp(DType::kFloat32, out.sizes);
  RETURN_IF_ERROR(lowering.Fill(sums, 0));
  for (int64_t i = 0; i < above.sizes.back(); ++i) {
    const View place = Slice(sums, dim, i, above.sizes[dim], node.attributes.Int("step", 1));
    RETURN_IF_ERROR(
        lowering.Apply("add", {}, {place, Select(above, above.rank() - 1, i)}, {place}));
  }
  return lowering.Copy(sums, out);
}

const OpDeclaration kOps[] = {
    {"unfold_backward",
     "grad_in; input_sizes, dim, size, step",
     1,
     1,
     InferUnfoldBackward,
     nullptr,
     LowerUnfoldBackward,
     {"unfold_backward"}},
    {"cat",
     "the tensors one after the other along `dim`; those of sizes [0] are ignored",
     1,
     4096,
     InferCat,
     nullptr,
     LowerCat,
     {"cat"}},
    {"stack",
     "the tensors along a new `dim`",
     1,
     4096,
     InferStack,
     nullptr,
     LowerStack,
     {"stack", "_stack"}},
    {"constant_pad_nd",
     "`pad` {before, after} a dim from the last on, filled with value = 0; negative ones crop",
     1,
     1,
     InferPad,
     nullptr,
     LowerPad,
     {"constant_pad_nd"}},
    {"roll",
     "elements moved by `shifts` along `dims` (of the flat tensor if empty), around the end",
     1,
     1,
     InferRoll,
     nullptr,
     LowerRoll,
     {"roll"}},
    {"flip", "`dims` in reverse", 1, 1, InferFlip, nullptr, LowerFlip, {"flip"}},
};

}  // namespace

absl::Span<const OpDeclaration> ShapeOps() { return kOps; }

}  // namespace openhpu::graph
