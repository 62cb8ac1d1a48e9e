#include "hal/kernel/contract.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::hal {
namespace {

// Errors that begin with the guid and the operand's role.
class Checker {
 public:
  explicit Checker(std::string_view guid) : guid_(guid) {}

  template <typename... T>
  absl::Status Error(const T&... what) const {
    return absl::InvalidArgumentError(Cat(guid_, ": ", what...));
  }

  absl::Status Count(KernelTensors tensors, size_t expected) const {
    if (tensors.size() == expected) return absl::OkStatus();
    return Error(tensors.size(), " tensors instead of ", expected);
  }

  // What holds for any operand: a device dtype, dim 0 dense, fewer than 2^32 elements.
  absl::Status Operand(std::string_view role, const KernelTensor& t) const {
    if (static_cast<int>(t.dtype) >= kNumDTypes || t.dtype == DType::kInt64) {
      return Error(role, ": dtype ", Name(t.dtype), " is not one the device stores");
    }
    if (t.sizes[0] > 1 && t.strides[0] != 1) {
      return Error(role, ": dim 0 has stride ", t.strides[0], ", not 1");
    }
    uint64_t elements = 1;
    for (uint32_t size : t.sizes) {
      if (size != 0 && elements > (uint64_t{1} << 32) / size) {
        return Error(role, ": sizes ", absl::StrJoin(t.sizes, "x"), " are too many elements");
      }
      elements *= size;
    }
    return absl::OkStatus();
  }

  absl::Status Output(std::string_view role, const KernelTensor& t) const {
    RETURN_IF_ERROR(Operand(role, t));
    for (int d = 0; d < kTpcMaxDims; ++d) {
      if (t.sizes[d] > 1 && t.strides[d] == 0) {
        return Error(role, ": dim ", d, " is written with stride 0");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Sizes(std::string_view role, const KernelTensor& t, const TpcDims& expected) const {
    if (t.sizes == expected) return absl::OkStatus();
    return Error(role, ": sizes ", absl::StrJoin(t.sizes, "x"), " instead of ",
                 absl::StrJoin(expected, "x"));
  }

  absl::Status Broadcasts(std::string_view role, const KernelTensor& t, const TpcDims& to) const {
    for (int d = 0; d < kTpcMaxDims; ++d) {
      if (t.sizes[d] != to[d] && t.sizes[d] != 1) {
        return Error(role, ": sizes ", absl::StrJoin(t.sizes, "x"), " do not broadcast to ",
                     absl::StrJoin(to, "x"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Float(std::string_view role, const KernelTensor& t) const {
    if (IsFloat(t.dtype)) return absl::OkStatus();
    return Error(role, ": dtype ", Name(t.dtype), " is neither f32 nor bf16");
  }

  // A tensor descriptor knows no bool: u8 stands for it.
  absl::Status HasDType(std::string_view role, const KernelTensor& t, DType expected) const {
    if (t.dtype == expected) return absl::OkStatus();
    if (t.dtype == DType::kUInt8 && expected == DType::kBool) return absl::OkStatus();
    // A bool is stored as a byte, and read back from a descriptor it is a u8.
    if (expected == DType::kBool && t.dtype == DType::kUInt8) return absl::OkStatus();
    return Error(role, ": dtype ", Name(t.dtype), " instead of ", Name(expected));
  }

 private:
  std::string_view guid_;
};

TpcDims Vectorised(TpcDims sizes) {
  sizes[0] = (sizes[0] + kVectorLanes - 1) / kVectorLanes;
  return sizes;
}

TpcDims WithOnes(TpcDims sizes, uint8_t mask) {
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if (mask >> d & 1) sizes[d] = 1;
  }
  return sizes;
}

uint64_t MaskedCount(const TpcDims& sizes, uint8_t mask) {
  uint64_t n = 1;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if (mask >> d & 1) n *= sizes[d];
  }
  return n;
}

absl::Status CheckReduceDTypes(const Checker& check, ReduceOp op, const KernelTensor& in,
                               const KernelTensor& out) {
  switch (op) {
    case ReduceOp::kSum:
    case ReduceOp::kProd:
      if (IsFloat(in.dtype)) return check.Float("output", out);
      return check.HasDType("output", out, DType::kInt32);
    case ReduceOp::kMean:
    case ReduceOp::kVar:
      RETURN_IF_ERROR(check.Float("input", in));
      return check.Float("output", out);
    case ReduceOp::kMax:
    case ReduceOp::kMin:
      return check.HasDType("output", out, in.dtype);
    case ReduceOp::kAny:
    case ReduceOp::kAll:
      return check.HasDType("output", out, DType::kBool);
    case ReduceOp::kArgMax:
    case ReduceOp::kArgMin:
      return check.HasDType("output", out, DType::kInt32);
  }
  return check.Error("unknown operation ", static_cast<int>(op));
}

// Window parameters along one axis: 0 = w, 1 = h.
absl::Status CheckStep(const Checker& check, int axis, int32_t stride, int32_t padding,
                       int32_t dilation) {
  constexpr int32_t kLimit = 1 << 20;  // keeps every coordinate within 64 bits with room to spare
  const char* name = axis == 0 ? "w" : "h";
  if (stride < 1 || stride > kLimit) return check.Error("stride ", name, " is ", stride);
  if (padding < 0 || padding > kLimit) return check.Error("padding ", name, " is ", padding);
  if (dilation < 1 || dilation > kLimit) return check.Error("dilation ", name, " is ", dilation);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TpcDims> FusedIndexSpace(const ExpressionProgram& program, KernelTensors tensors) {
  const Checker check(kFusedGuid);
  const size_t inputs = program.inputs.size(), outputs = program.outputs.size();
  RETURN_IF_ERROR(check.Count(tensors, inputs + outputs));
  const TpcDims& sizes = tensors[inputs].sizes;
  for (size_t j = 0; j < outputs; ++j) {
    const std::string role = Cat("output ", j);
    const KernelTensor& t = tensors[inputs + j];
    RETURN_IF_ERROR(check.Output(role, t));
    RETURN_IF_ERROR(check.Sizes(role, t, sizes));
    RETURN_IF_ERROR(check.HasDType(role, t, ValueDType(program, program.outputs[j])));
  }
  for (size_t i = 0; i < inputs; ++i) {
    const std::string role = Cat("input ", i);
    RETURN_IF_ERROR(check.Operand(role, tensors[i]));
    RETURN_IF_ERROR(check.Broadcasts(role, tensors[i], sizes));
    RETURN_IF_ERROR(check.HasDType(role, tensors[i], program.inputs[i]));
  }
  return Vectorised(sizes);
}

absl::StatusOr<TpcDims> ReduceIndexSpace(const ReduceParams& params, KernelTensors tensors) {
  const Checker check(kReduceGuid);
  RETURN_IF_ERROR(check.Count(tensors, 2));
  const KernelTensor &in = tensors[0], &out = tensors[1];
  RETURN_IF_ERROR(check.Operand("input", in));
  RETURN_IF_ERROR(check.Output("output", out));
  if (params.mask >= 1u << kTpcMaxDims) return check.Error("mask ", params.mask, " names dim > 4");
  RETURN_IF_ERROR(check.Sizes("output", out, WithOnes(in.sizes, params.mask)));
  RETURN_IF_ERROR(CheckReduceDTypes(check, params.op, in, out));
  const uint64_t n = MaskedCount(in.sizes, params.mask);
  const bool needs_one = params.op == ReduceOp::kMax || params.op == ReduceOp::kMin ||
                         params.op == ReduceOp::kArgMax || params.op == ReduceOp::kArgMin;
  if (n == 0 && needs_one) return check.Error("input: nothing to take the extreme of");
  if (n > INT32_MAX) return check.Error("input: ", n, " elements a result are too many");
  return Vectorised(out.sizes);
}

absl::StatusOr<TpcDims> SoftmaxIndexSpace(const SoftmaxParams& params, KernelTensors tensors) {
  const Checker check(kSoftmaxGuid);
  RETURN_IF_ERROR(check.Count(tensors, 2));
  RETURN_IF_ERROR(check.Operand("input", tensors[0]));
  RETURN_IF_ERROR(check.Float("input", tensors[0]));
  RETURN_IF_ERROR(check.Output("output", tensors[1]));
  RETURN_IF_ERROR(check.Float("output", tensors[1]));
  RETURN_IF_ERROR(check.Sizes("output", tensors[1], tensors[0].sizes));
  if (params.dim >= kTpcMaxDims) return check.Error("dim ", params.dim, " is not 0 to 4");
  TpcDims space = tensors[1].sizes;
  if (space[params.dim] > 1) space[params.dim] = 1;
  return Vectorised(space);
}

absl::StatusOr<TpcDims> NormIndexSpace(const NormParams& params, KernelTensors tensors) {
  const Checker check(kNormGuid);
  RETURN_IF_ERROR(check.Count(tensors, 4u + params.has_weight + params.has_bias));
  const KernelTensor& x = tensors[0];
  if (params.mask == 0 || params.mask >= 1u << kTpcMaxDims) {
    return check.Error("mask ", params.mask, " names no dim or one above 4");
  }
  if (std::isnan(params.epsilon)) return check.Error("epsilon is not a number");
  RETURN_IF_ERROR(check.Operand("x", x));
  RETURN_IF_ERROR(check.Float("x", x));
  if (MaskedCount(x.sizes, params.mask) == 0) return check.Error("x: nothing to normalise over");
  const TpcDims outer = WithOnes(x.sizes, params.mask);
  const auto same_or_f32 = [&](std::string_view role, const KernelTensor& t) {
    return t.dtype == DType::kFloat32 ? absl::OkStatus() : check.HasDType(role, t, x.dtype);
  };
  size_t next = 1;
  for (std::string_view role : {"weight", "bias"}) {
    if (role == "weight" ? !params.has_weight : !params.has_bias) continue;
    const KernelTensor& t = tensors[next++];
    RETURN_IF_ERROR(check.Operand(role, t));
    RETURN_IF_ERROR(check.Broadcasts(role, t, x.sizes));
    RETURN_IF_ERROR(same_or_f32(role, t));
  }
  const KernelTensor& y = tensors[next++];
  RETURN_IF_ERROR(check.Output("y", y));
  RETURN_IF_ERROR(check.Sizes("y", y, x.sizes));
  RETURN_IF_ERROR(check.HasDType("y", y, x.dtype));
  for (std::string_view role : {"mean", "rstd"}) {
    const KernelTensor& t = tensors[next++];
    RETURN_IF_ERROR(check.Output(role, t));
    RETURN_IF_ERROR(check.Sizes(role, t, outer));
    RETURN_IF_ERROR(same_or_f32(role, t));
  }
  return Vectorised(outer);
}

absl::StatusOr<TpcDims> Pool2dIndexSpace(const PoolParams& params, KernelTensors tensors) {
  const Checker check(kPool2dGuid);
  if (params.op != PoolOp::kMax && params.op != PoolOp::kAverage) {
    return check.Error("unknown operation ", static_cast<int>(params.op));
  }
  if (params.op == PoolOp::kMax ? tensors.size() != 2 && tensors.size() != 3
                                : tensors.size() != 2) {
    return check.Error(tensors.size(), " tensors");
  }
  const KernelTensor &in = tensors[0], &out = tensors[1];
  RETURN_IF_ERROR(check.Operand("input", in));
  RETURN_IF_ERROR(check.Float("input", in));
  RETURN_IF_ERROR(check.Output("output", out));
  RETURN_IF_ERROR(check.HasDType("output", out, in.dtype));
  if (in.sizes[0] != out.sizes[0] || in.sizes[3] != out.sizes[3]) {
    return check.Error("output: C and N are ", out.sizes[0], " and ", out.sizes[3], " instead of ",
                       in.sizes[0], " and ", in.sizes[3]);
  }
  if (in.sizes[4] != 1 || out.sizes[4] != 1) return check.Error("dim 4 is used");
  if (tensors.size() == 3) {
    RETURN_IF_ERROR(check.Output("indices", tensors[2]));
    RETURN_IF_ERROR(check.HasDType("indices", tensors[2], DType::kInt32));
    RETURN_IF_ERROR(check.Sizes("indices", tensors[2], out.sizes));
  }
  for (int axis = 0; axis < 2; ++axis) {
    const uint32_t size = in.sizes[1 + axis], made = out.sizes[1 + axis];
    const char* name = axis == 0 ? "w" : "h";
    if (made > 0 && size == 0) return check.Error("input: ", name, " has size 0");
    if (params.adaptive) continue;
    RETURN_IF_ERROR(
        CheckStep(check, axis, params.stride[axis], params.padding[axis], params.dilation[axis]));
    if (params.kernel[axis] < 1) return check.Error("kernel ", name, " is ", params.kernel[axis]);
    const int64_t last = (int64_t{made} - 1) * params.stride[axis] - params.padding[axis];
    if (made > 0 && last >= int64_t{size}) {
      return check.Error("output: the last window along ", name, " starts at ", last,
                         ", outside the input of ", size);
    }
  }
  return Vectorised(out.sizes);
}

absl::StatusOr<TpcDims> GatherIndexSpace(const GatherParams& params, KernelTensors tensors) {
  const Checker check(kGatherGuid);
  RETURN_IF_ERROR(check.Count(tensors, 3));
  const KernelTensor &table = tensors[0], &index = tensors[1], &out = tensors[2];
  RETURN_IF_ERROR(check.Operand("table", table));
  RETURN_IF_ERROR(check.Operand("index", index));
  RETURN_IF_ERROR(check.HasDType("index", index, DType::kInt32));
  RETURN_IF_ERROR(check.Output("output", out));
  RETURN_IF_ERROR(check.HasDType("output", out, table.dtype));
  switch (params.mode) {
    case GatherMode::kRows: {
      for (int d = 2; d < kTpcMaxDims; ++d) {
        if (table.sizes[d] != 1) return check.Error("table: dim ", d, " is used");
      }
      if (index.sizes[0] != 1) return check.Error("index: dim 0 has size ", index.sizes[0]);
      TpcDims expected = index.sizes;
      expected[0] = table.sizes[0];
      RETURN_IF_ERROR(check.Sizes("output", out, expected));
      break;
    }
    case GatherMode::kElements:
      if (params.dim >= kTpcMaxDims) return check.Error("dim ", params.dim, " is not 0 to 4");
      RETURN_IF_ERROR(check.Sizes("output", out, index.sizes));
      for (int d = 0; d < kTpcMaxDims; ++d) {
        if (d != params.dim && table.sizes[d] < out.sizes[d]) {
          return check.Error("table: dim ", d, " of size ", table.sizes[d],
                             " is smaller than the output's ", out.sizes[d]);
        }
      }
      break;
    default:
      return check.Error("unknown mode ", static_cast<int>(params.mode));
  }
  return Vectorised(out.sizes);
}

absl::StatusOr<TpcDims> DepthwiseIndexSpace(const DepthwiseParams& params, KernelTensors tensors) {
  const Checker check(kDepthwiseGuid);
  RETURN_IF_ERROR(check.Count(tensors, 3));
  const KernelTensor &x = tensors[0], &weight = tensors[1], &y = tensors[2];
  const std::string_view roles[3] = {"x", "weight", "y"};
  for (int i = 0; i < 3; ++i) {
    RETURN_IF_ERROR(i == 2 ? check.Output(roles[i], tensors[i])
                           : check.Operand(roles[i], tensors[i]));
    RETURN_IF_ERROR(check.Float(roles[i], tensors[i]));
    if (tensors[i].sizes[4] != 1) return check.Error(roles[i], ": dim 4 is used");
  }
  RETURN_IF_ERROR(check.HasDType("weight", weight, x.dtype));
  RETURN_IF_ERROR(check.HasDType("y", y, x.dtype));
  if (params.multiplier < 1) return check.Error("multiplier is ", params.multiplier);
  const uint64_t channels = uint64_t{x.sizes[0]} * params.multiplier;
  if (y.sizes[0] != channels || weight.sizes[0] != channels) {
    return check.Error("x of ", x.sizes[0], " channels times ", params.multiplier,
                       " does not make the weight's ", weight.sizes[0], " and y's ", y.sizes[0]);
  }
  if (weight.sizes[3] != 1) return check.Error("weight: dim 3 is used");
  if (y.sizes[3] != x.sizes[3]) return check.Error("y: N is ", y.sizes[3], ", x's ", x.sizes[3]);
  for (int axis = 0; axis < 2; ++axis) {
    RETURN_IF_ERROR(
        CheckStep(check, axis, params.stride[axis], params.padding[axis], params.dilation[axis]));
    const int64_t room = int64_t{x.sizes[1 + axis]} + 2 * int64_t{params.padding[axis]} -
                         int64_t{params.dilation[axis]} * (int64_t{weight.sizes[1 + axis]} - 1) - 1;
    const int64_t expected = room < 0 ? 0 : room / params.stride[axis] + 1;
    if (y.sizes[1 + axis] != expected) {
      return check.Error("y: size along ", axis == 0 ? "w" : "h", " is ", y.sizes[1 + axis],
                         " instead of ", expected);
    }
  }
  return Vectorised(y.sizes);
}

absl::StatusOr<TpcDims> IntegerMatmulIndexSpace(KernelTensors tensors) {
  const Checker check(kIntegerMatmulGuid);
  RETURN_IF_ERROR(check.Count(tensors, 3));
  const KernelTensor &a = tensors[0], &b = tensors[1], &c = tensors[2];
  RETURN_IF_ERROR(check.Operand("a", a));
  RETURN_IF_ERROR(check.Operand("b", b));
  RETURN_IF_ERROR(check.Output("c", c));
  if (IsFloat(a.dtype) || a.dtype == DType::kBool) {
    return check.Error("a: dtype ", Name(a.dtype), " is not an integer");
  }
  RETURN_IF_ERROR(check.HasDType("b", b, a.dtype));
  if (c.dtype != DType::kInt32) RETURN_IF_ERROR(check.HasDType("c", c, a.dtype));
  if (a.sizes[0] != b.sizes[1]) {
    return check.Error("a and b: inner sizes are ", a.sizes[0], " and ", b.sizes[1]);
  }
  if (c.sizes[0] != b.sizes[0] || c.sizes[1] != a.sizes[1]) {
    return check.Error("c: sizes ", c.sizes[0], "x", c.sizes[1], " instead of ", b.sizes[0], "x",
                       a.sizes[1]);
  }
  for (int d = 2; d < kTpcMaxDims; ++d) {
    for (const KernelTensor* t : {&a, &b}) {
      if (t->sizes[d] != c.sizes[d] && t->sizes[d] != 1) {
        return check.Error(t == &a ? "a" : "b", ": batch dim ", d, " is ", t->sizes[d],
                           ", the output's ", c.sizes[d]);
      }
    }
  }
  return Vectorised(c.sizes);
}

absl::StatusOr<TpcDims> RandomIndexSpace(const RandomParams&, KernelTensors tensors) {
  const Checker check(kRandomGuid);
  RETURN_IF_ERROR(check.Count(tensors, 2));
  const KernelTensor &state = tensors[0], &out = tensors[1];
  RETURN_IF_ERROR(check.Operand("state", state));
  RETURN_IF_ERROR(check.HasDType("state", state, DType::kInt32));
  RETURN_IF_ERROR(check.Output("output", out));
  RETURN_IF_ERROR(check.HasDType("output", out, DType::kInt32));
  for (int d = 1; d < kTpcMaxDims; ++d) {
    if (state.sizes[d] != 1) return check.Error("state: dim ", d, " is used");
    if (out.sizes[d] != 1) return check.Error("output: dim ", d, " is used");
  }
  if (state.sizes[0] < 3 || state.sizes[0] % 2 == 0) {
    return check.Error("state: ", state.sizes[0], " words are no position and keys");
  }
  return Vectorised(out.sizes);
}

absl::StatusOr<TpcDims> ScatterIndexSpace(const ScatterParams& params, KernelTensors tensors) {
  const Checker check(kScatterGuid);
  RETURN_IF_ERROR(check.Count(tensors, 3));
  const KernelTensor &index = tensors[0], &source = tensors[1], &out = tensors[2];
  if (params.op > ScatterOp::kMax) {
    return check.Error("unknown operation ", static_cast<int>(params.op));
  }
  if (params.dim >= kTpcMaxDims) return check.Error("dim ", params.dim, " is not 0 to 4");
  RETURN_IF_ERROR(check.Operand("index", index));
  RETURN_IF_ERROR(check.HasDType("index", index, DType::kInt32));
  RETURN_IF_ERROR(check.Operand("source", source));
  RETURN_IF_ERROR(check.Output("output", out));
  RETURN_IF_ERROR(check.HasDType("source", source, out.dtype));
  TpcDims written = out.sizes;
  written[params.dim] = index.sizes[params.dim];
  RETURN_IF_ERROR(check.Broadcasts("index", index, written));
  RETURN_IF_ERROR(check.Broadcasts("source", source, written));
  TpcDims space = out.sizes;
  if (space[params.dim] > 1) space[params.dim] = 1;
  return Vectorised(space);
}

absl::StatusOr<TpcDims> SortIndexSpace(const SortParams& params, KernelTensors tensors) {
  const Checker check(kSortGuid);
  RETURN_IF_ERROR(check.Count(tensors, 3));
  const KernelTensor &in = tensors[0], &values = tensors[1], &indices = tensors[2];
  if (params.dim >= kTpcMaxDims) return check.Error("dim ", params.dim, " is not 0 to 4");
  RETURN_IF_ERROR(check.Operand("input", in));
  RETURN_IF_ERROR(check.Output("values", values));
  RETURN_IF_ERROR(check.HasDType("values", values, in.dtype));
  RETURN_IF_ERROR(check.Output("indices", indices));
  RETURN_IF_ERROR(check.HasDType("indices", indices, DType::kInt32));
  TpcDims expected = in.sizes;
  expected[params.dim] = values.sizes[params.dim];
  RETURN_IF_ERROR(check.Sizes("values", values, expected));
  RETURN_IF_ERROR(check.Sizes("indices", indices, expected));
  if (expected[params.dim] > in.sizes[params.dim]) {
    return check.Error("values: ", expected[params.dim], " of ", in.sizes[params.dim], " elements");
  }
  if (in.sizes[params.dim] > INT32_MAX) return check.Error("input: too many elements to sort");
  TpcDims space = expected;
  if (space[params.dim] > 1) space[params.dim] = 1;
  return Vectorised(space);
}

}  // namespace openhpu::hal
