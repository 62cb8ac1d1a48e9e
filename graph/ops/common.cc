#include "graph/ops/common.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_join.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

int Category(DType t) { return t == DType::kBool ? 0 : IsFloat(t) ? 2 : 1; }

}  // namespace

absl::StatusOr<Dims> BroadcastSizes(Types inputs) {
  Dims sizes;
  for (const TensorType& t : inputs) {
    if (t.sizes.size() > sizes.size()) {
      sizes.insert(sizes.begin(), t.sizes.size() - sizes.size(), 1);
    }
    const size_t added = sizes.size() - t.sizes.size();
    for (size_t d = 0; d < t.sizes.size(); ++d) {
      int64_t& have = sizes[added + d];
      if (have == 1) {
        have = t.sizes[d];
      } else if (t.sizes[d] != 1 && t.sizes[d] != have) {
        return absl::InvalidArgumentError(hal::Cat("sizes [", absl::StrJoin(t.sizes, ","),
                                                   "] do not broadcast with [",
                                                   absl::StrJoin(sizes, ","), "]"));
      }
    }
  }
  return sizes;
}

DType PromotePair(DType a, DType b) {
  if (a == b) return a;
  if (Category(a) != Category(b)) return Category(a) > Category(b) ? a : b;
  if (IsFloat(a)) return DType::kFloat32;
  // Integers by width; u8 with a signed type of its width needs the next one.
  const auto width = [](DType t) {
    switch (t) {
      case DType::kInt64:
        return 4;
      case DType::kInt32:
        return 3;
      case DType::kInt16:
        return 2;
      default:
        return 1;
    }
  };
  if (width(a) != width(b)) return width(a) > width(b) ? a : b;
  return DType::kInt16;  // i8 with u8
}

DType Promote(Types inputs, const Attribute* scalar) {
  bool any[2] = {false, false};
  DType by_rank[2] = {DType::kBool, DType::kBool};  // with dims, without
  for (const TensorType& t : inputs) {
    const int i = t.sizes.empty() ? 1 : 0;
    by_rank[i] = any[i] ? PromotePair(by_rank[i], t.dtype) : t.dtype;
    any[i] = true;
  }
  DType result = any[0] ? by_rank[0] : by_rank[1];
  if (any[0] && any[1] && Category(by_rank[1]) > Category(result)) {
    result = by_rank[1];
  }
  if (scalar != nullptr) {
    DType type = DType::kBool;
    if (std::holds_alternative<double>(*scalar)) type = DType::kFloat32;
    if (std::holds_alternative<int64_t>(*scalar)) type = DType::kInt64;
    if (Category(type) > Category(result) || (!any[0] && !any[1])) result = type;
  }
  return result;
}

DType ToFloat(DType t) { return IsFloat(t) ? t : DType::kFloat32; }

absl::StatusOr<int> ResolveDim(int64_t dim, int rank) {
  const int wrapped = std::max(rank, 1);
  if (dim < -wrapped || dim >= wrapped) {
    return absl::InvalidArgumentError(hal::Cat("dim ", dim, " of a tensor of rank ", rank));
  }
  return static_cast<int>(dim < 0 ? dim + wrapped : dim);
}

absl::StatusOr<uint32_t> ResolveDims(const Attributes& attributes, std::string_view name,
                                     int rank) {
  const std::vector<int64_t> dims = attributes.Ints(name);
  if (dims.empty()) return (1u << rank) - 1;
  uint32_t mask = 0;
  for (int64_t dim : dims) {
    ASSIGN_OR_RETURN(const int d, ResolveDim(dim, rank));
    if (mask >> d & 1) return absl::InvalidArgumentError(hal::Cat("dim ", d, " is listed twice"));
    mask |= 1u << d;
  }
  return rank == 0 ? 0 : mask;
}

absl::StatusOr<std::vector<int64_t>> IntPair(const Attributes& attributes, std::string_view name,
                                             int64_t otherwise, int n) {
  std::vector<int64_t> values = attributes.Ints(name);
  if (values.empty()) values = {otherwise};
  if (values.size() == 1) values.assign(n, values[0]);
  if (static_cast<int>(values.size()) != n) {
    return absl::InvalidArgumentError(
        hal::Cat(name, " has ", values.size(), " values instead of ", n));
  }
  return values;
}

int OptionalInput(const Attributes& attributes, int position, int inputs) {
  int index = position;
  for (int64_t absent : attributes.Ints("absent")) {
    if (absent == position) return -1;
    if (absent < position) --index;
  }
  return index < inputs ? index : -1;
}

uint32_t ConstantBits(double value, DType dtype) {
  const auto integer = [&](double low, double high) {
    if (std::isnan(value)) return uint32_t{0};
    return static_cast<uint32_t>(static_cast<int32_t>(std::clamp(std::trunc(value), low, high)));
  };
  switch (DeviceType(dtype)) {
    case DType::kBool:
      return value != 0 ? 1 : 0;
    case DType::kInt8:
      return integer(-128, 127);
    case DType::kUInt8:
      return integer(0, 255);
    case DType::kInt16:
      return integer(-32768, 32767);
    case DType::kInt32:
    case DType::kInt64:
      return integer(INT32_MIN, INT32_MAX);
    case DType::kFloat32:
    case DType::kBFloat16:
      break;
  }
  float f = static_cast<float>(value);
  if (dtype == DType::kBFloat16) f = BFloat16ToFloat(FloatToBFloat16(f));
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}

ExpressionBuilder::ExpressionBuilder(absl::Span<const DType> inputs) {
  for (DType t : inputs) program_.inputs.push_back(DeviceType(t));
}

ExpressionBuilder::Value ExpressionBuilder::Constant(double value, DType dtype) {
  hal::ExprInstruction in;
  in.op = hal::ExprOp::kConst;
  in.dtype = DeviceType(dtype);
  in.immediate = ConstantBits(value, dtype);
  program_.instructions.push_back(in);
  return static_cast<Value>(program_.inputs.size() + program_.instructions.size() - 1);
}

ExpressionBuilder::Value ExpressionBuilder::Index(int dim) {
  hal::ExprInstruction in;
  in.op = hal::ExprOp::kIndex;
  in.dtype = DType::kInt32;
  in.immediate = static_cast<uint32_t>(dim);
  program_.instructions.push_back(in);
  return static_cast<Value>(program_.inputs.size() + program_.instructions.size() - 1);
}

ExpressionBuilder::Value ExpressionBuilder::Cast(Value v, DType dtype) {
  dtype = DeviceType(dtype);
  if (TypeOf(v) == dtype) return v;
  hal::ExprInstruction in;
  in.op = hal::ExprOp::kCast;
  in.dtype = dtype;
  in.a = v;
  program_.instructions.push_back(in);
  return static_cast<Value>(program_.inputs.size() + program_.instructions.size() - 1);
}

ExpressionBuilder::Value ExpressionBuilder::Op(hal::ExprOp op, Value a, Value b, Value c) {
  hal::ExprInstruction in;
  in.op = op;
  in.a = a;
  in.b = b;
  in.c = c;
  in.dtype = TypeOf(a);
  if (op == hal::ExprOp::kSelect) in.dtype = TypeOf(b);
  const bool compares = op >= hal::ExprOp::kEq && op <= hal::ExprOp::kGe;
  if (compares || op == hal::ExprOp::kIsNan || op == hal::ExprOp::kIsInf) in.dtype = DType::kBool;
  program_.instructions.push_back(in);
  return static_cast<Value>(program_.inputs.size() + program_.instructions.size() - 1);
}

hal::ExpressionProgram ExpressionBuilder::Finish(Value result, DType dtype) {
  program_.outputs = {Cast(result, dtype)};
  return std::move(program_);
}

}  // namespace openhpu::graph
