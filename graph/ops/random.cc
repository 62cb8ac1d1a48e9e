// Random numbers. The first input of each op is the device's random state (hal/kernel/kernels.h,
// guid openhpu.random), the attribute `draw` says which draw after the state's position it is. What
// is drawn follows from these and the place of the element in row-major order alone. Attributes
// `size` and `dtype` are the result's.
#include <cmath>
#include <limits>
#include <string>

#include "graph/lowering.h"
#include "graph/ops/common.h"
#include "graph/ops/families.h"
#include "graph/views.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

using hal::ExprOp;
using Value = ExpressionBuilder::Value;
constexpr DType kF32 = DType::kFloat32, kI32 = DType::kInt32;

Inferred InferRandom(const Attributes& attributes, Types inputs) {
  if (inputs[0].dtype != kI32 || inputs[0].sizes.size() != 1)
    return absl::InvalidArgumentError("the first input is no random state");
  const std::vector<int64_t> sizes = attributes.Ints("size");
  return std::vector<TensorType>{
      {attributes.Type("dtype", kF32), Dims(sizes.begin(), sizes.end())}};
}

View Bits(Lowering& lowering, const Node& node, absl::Span<const int64_t> sizes) {
  const View bits = lowering.NewTemp(kI32, sizes);
  RandomWork random;
  random.params.draw = static_cast<uint32_t>(node.attributes.Int("draw"));
  lowering.Add(random, {node.inputs[0]}, {bits});
  return bits;
}

// The `count` upper bits, as a number.
Value Upper(ExpressionBuilder& e, Value bits, int count) {
  const Value shift = e.Constant(32 - count, kI32), mask = e.Constant((1 << count) - 1, kI32);
  return e.Op(ExprOp::kAnd, e.Op(ExprOp::kShiftRight, bits, shift), mask);
}

// In [0, 1), exact in a float with `count` bits.
Value Unit(ExpressionBuilder& e, Value bits, int count = 24) {
  const Value number = e.Cast(Upper(e, bits, count), kF32);
  const Value scale = e.Constant(std::ldexp(1.0, -count), kF32);
  return e.Op(ExprOp::kMul, number, scale);
}

// In (0, 1): a logarithm of it, and of what it lacks to 1, is finite.
Value OpenUnit(ExpressionBuilder& e, Value bits) {
  constexpr int kBits = 23;
  const Value number = e.Cast(Upper(e, bits, kBits), kF32), half = e.Constant(0.5, kF32);
  const Value middle = e.Op(ExprOp::kAdd, number, half);
  const Value scale = e.Constant(std::ldexp(1.0, -kBits), kF32);
  return e.Op(ExprOp::kMul, middle, scale);
}

Value Scaled(ExpressionBuilder& e, Value x, double factor, double offset) {
  const Value f = e.Constant(factor, kF32);
  const Value product = e.Op(ExprOp::kMul, x, f);
  const Value o = e.Constant(offset, kF32);
  return e.Op(ExprOp::kAdd, product, o);
}

// A distribution of one word: its expression of the bits.
using Distribution = Value (*)(ExpressionBuilder& e, const Attributes& attributes, DType result);

template <Distribution distribution>
absl::Status LowerOneWord(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const View bits = Bits(lowering, node, out.sizes);
  ExpressionBuilder e({kI32});
  const Value value = distribution(e, node.attributes, DeviceType(out.dtype));
  return lowering.Elementwise(e.Finish(value, out.dtype), {bits}, {out});
}

Value Uniform(ExpressionBuilder& e, const Attributes& attributes, DType result) {
  const double from = attributes.Real("from", 0), to = attributes.Real("to", 1);
  const Value unit = Unit(e, 0, result == DType::kBFloat16 ? 8 : 24);
  return Scaled(e, unit, to - from, from);
}

Value NegativeLog(ExpressionBuilder& e) {
  return e.Op(ExprOp::kNeg, e.Op(ExprOp::kLog, OpenUnit(e, 0)));
}

Value Exponential(ExpressionBuilder& e, const Attributes& attributes, DType) {
  const Value rate = e.Constant(attributes.Real("lambd", 1), kF32);
  return e.Op(ExprOp::kDiv, NegativeLog(e), rate);
}

Value Cauchy(ExpressionBuilder& e, const Attributes& attributes, DType) {
  const Value half = e.Constant(0.5, kF32), pi = e.Constant(M_PI, kF32);
  const Value centred = e.Op(ExprOp::kSub, OpenUnit(e, 0), half);
  const Value slope = e.Op(ExprOp::kTan, e.Op(ExprOp::kMul, centred, pi));
  return Scaled(e, slope, attributes.Real("sigma", 1), attributes.Real("median", 0));
}

// Tries until the first success of probability p.
Value Geometric(ExpressionBuilder& e, const Attributes& attributes, DType) {
  const double p = attributes.Real("p", 0.5);
  const Value log_failure =
      e.Constant(p >= 1 ? -std::numeric_limits<double>::infinity() : std::log1p(-p), kF32);
  const Value tries =
      e.Op(ExprOp::kCeil, e.Op(ExprOp::kDiv, e.Op(ExprOp::kLog, OpenUnit(e, 0)), log_failure));
  const Value one = e.Constant(1, kF32);
  return e.Op(ExprOp::kMax, tries, one);
}

Value Bernoulli(ExpressionBuilder& e, const Attributes& attributes, DType) {
  const Value p = e.Constant(attributes.Real("p", 0.5), kF32), unit = Unit(e, 0);
  return e.Op(ExprOp::kLt, unit, p);
}

// Whole numbers of [low, low + range), range at most 2^32.
Value RandomInteger(ExpressionBuilder& e, const Attributes& attributes, DType) {
  const int64_t low = attributes.Int("low", 0), range = attributes.Int("range", 1);
  const auto word = [](int64_t v) {
    return static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(v)));
  };
  const Value base = e.Constant(word(low), kI32);
  Value number = 0;
  constexpr int64_t kHalf = int64_t{1} << 31;
  if (range < kHalf) {
    const Value mask = e.Constant(INT32_MAX, kI32), size = e.Constant(word(range), kI32);
    number = e.Op(ExprOp::kRemainder, e.Op(ExprOp::kAnd, 0, mask), size);
  } else if (range == kHalf) {
    const Value mask = e.Constant(INT32_MAX, kI32);
    number = e.Op(ExprOp::kAnd, 0, mask);
  } else if (range < 2 * kHalf) {  // above the range once at most
    const Value flip = e.Constant(word(kHalf), kI32), size = e.Constant(word(range), kI32);
    const Value limit = e.Constant(word(range - kHalf), kI32);
    const Value above = e.Op(ExprOp::kGe, e.Op(ExprOp::kXor, 0, flip), limit);
    const Value less = e.Op(ExprOp::kSub, 0, size);
    number = e.Select(above, less, 0);
  }
  return e.Op(ExprOp::kAdd, number, base);
}

// Box and Muller's: the first half of the words is the radius, the second the angle.
Value Normal(ExpressionBuilder& e) {
  const Value minus_two = e.Constant(-2, kF32), turn = e.Constant(2 * M_PI, kF32);
  const Value log = e.Op(ExprOp::kLog, OpenUnit(e, 0));
  const Value radius = e.Op(ExprOp::kSqrt, e.Op(ExprOp::kMul, log, minus_two));
  const Value angle = e.Op(ExprOp::kMul, Unit(e, 1), turn);
  return e.Op(ExprOp::kMul, radius, e.Op(ExprOp::kCos, angle));
}

template <bool exponentiated>
absl::Status LowerNormal(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  Dims both = {2};
  both.insert(both.end(), out.sizes.begin(), out.sizes.end());
  const View bits = Bits(lowering, node, both);
  ExpressionBuilder e({kI32, kI32});
  Value value = Scaled(e, Normal(e), node.attributes.Real("std", 1),
                       node.attributes.Real("mean", exponentiated ? 1 : 0));
  if (exponentiated) value = e.Op(ExprOp::kExp, value);
  return lowering.Elementwise(e.Finish(value, out.dtype), {Select(bits, 0, 0), Select(bits, 0, 1)},
                              {out});
}

// state, p -> 1 with probability p of that element.
Inferred InferBernoulliTensor(const Attributes& attributes, Types inputs) {
  return std::vector<TensorType>{{attributes.Type("dtype", inputs[1].dtype), inputs[1].sizes}};
}

absl::Status LowerBernoulliTensor(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const View bits = Bits(lowering, node, out.sizes);
  ExpressionBuilder e({kI32, node.inputs[1].dtype});
  const Value unit = Unit(e, 0), p = e.Cast(1, kF32);
  return lowering.Elementwise(e.Finish(e.Op(ExprOp::kLt, unit, p), out.dtype),
                              {bits, node.inputs[1]}, {out});
}

// state, x -> x where kept, scaled by 1 / (1 - p), else 0; and the mask of what is kept.
Inferred InferDropoutTraining(const Attributes&, Types inputs) {
  return std::vector<TensorType>{inputs[1], {DType::kBool, inputs[1].sizes}};
}

absl::Status LowerDropoutTraining(Lowering& lowering, const Node& node) {
  const View &x = node.inputs[1], &out = node.outputs[0];
  const View bits = Bits(lowering, node, x.sizes);
  const View mask =
      node.outputs.size() > 1 ? node.outputs[1] : lowering.NewTemp(DType::kBool, x.sizes);
  const double kept = 1 - node.attributes.Real("p", 0.5);
  {
    ExpressionBuilder e({kI32});
    const Value unit = Unit(e, 0), p = e.Constant(kept, kF32);
    RETURN_IF_ERROR(
        lowering.Elementwise(e.Finish(e.Op(ExprOp::kLt, unit, p), DType::kBool), {bits}, {mask}));
  }
  ExpressionBuilder e({x.dtype, DType::kBool});
  const Value scale = e.Constant(kept == 0 ? 0 : 1 / kept, kF32), zero = e.Constant(0, kF32);
  const Value scaled = e.Op(ExprOp::kMul, e.Cast(0, kF32), scale);
  return lowering.Elementwise(e.Finish(e.Select(1, scaled, zero), out.dtype), {x, mask}, {out});
}

// A permutation of 0 .. n - 1: the order of random keys.
Inferred InferPermutation(const Attributes& attributes, Types) {
  return std::vector<TensorType>{{attributes.Type("dtype", DType::kInt64), {attributes.Int("n")}}};
}

absl::Status LowerPermutation(Lowering& lowering, const Node& node) {
  const View& out = node.outputs[0];
  const View bits = Bits(lowering, node, out.sizes);
  const View sorted = lowering.NewTemp(kI32, out.sizes);
  const bool direct = DeviceType(out.dtype) == kI32;
  const View places = direct ? out : lowering.NewTemp(kI32, out.sizes);
  lowering.Add(SortWork{}, {bits}, {sorted, places});
  return direct ? absl::OkStatus() : lowering.Copy(places, out);
}

OpDeclaration Random(std::string_view name, std::string_view doc, LowerFunction lower) {
  return {name, doc, 1, 1, InferRandom, nullptr, lower, {}};
}

const OpDeclaration kOps[] = {
    Random("random_uniform", "of [from, to), from = 0, to = 1", LowerOneWord<Uniform>),
    Random("random_exponential", "lambd = 1", LowerOneWord<Exponential>),
    Random("random_cauchy", "median = 0, sigma = 1", LowerOneWord<Cauchy>),
    Random("random_geometric", "p = 0.5", LowerOneWord<Geometric>),
    Random("random_bernoulli", "1 with probability p = 0.5", LowerOneWord<Bernoulli>),
    Random("random_integer", "of [low, low + range), low = 0, range = 1 to 2^32",
           LowerOneWord<RandomInteger>),
    Random("random_normal", "mean = 0, std = 1", LowerNormal<false>),
    Random("random_log_normal", "exp of a normal; mean = 1, std = 1", LowerNormal<true>),
    {"random_bernoulli_tensor",
     "1 with the probability that the second input gives",
     2,
     2,
     InferBernoulliTensor,
     nullptr,
     LowerBernoulliTensor,
     {}},
    {"random_dropout",
     "the second input with elements zeroed with probability p = 0.5, others scaled by 1 / (1 - "
     "p); and the mask of the others",
     2,
     2,
     InferDropoutTraining,
     nullptr,
     LowerDropoutTraining,
     {}},
    {"random_permutation", "of 0 .. n - 1", 1, 1, InferPermutation, nullptr, LowerPermutation, {}},
};

}  // namespace

absl::Span<const OpDeclaration> RandomOps() { return kOps; }

}  // namespace openhpu::graph
