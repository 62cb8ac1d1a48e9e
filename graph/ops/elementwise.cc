#include "graph/ops/elementwise.h"

#include <string>

#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

// The number among two operands, if there is one.
const Attribute* Number(const Attributes& attributes, const char* second) {
  const Attribute* number = attributes.Find(second);
  return number != nullptr ? number : attributes.Find("self");
}

Inferred InferTwo(const Attributes& attributes, Types inputs, const char* second) {
  const Attribute* number = inputs.size() == 2 ? nullptr : Number(attributes, second);
  if (inputs.size() != 2 && number == nullptr) {
    return absl::InvalidArgumentError(
        hal::Cat("needs a second tensor or attribute '", second, "'"));
  }
  ASSIGN_OR_RETURN(Dims sizes, BroadcastSizes(inputs));
  return std::vector<TensorType>{{Promote(inputs, number), std::move(sizes)}};
}

absl::StatusOr<BinaryOperands> Load(ExpressionBuilder& e, const Attributes& attributes,
                                    absl::Span<const DType> inputs, DType type,
                                    const char* second) {
  BinaryOperands x{};
  x.type = type;
  if (inputs.size() == 2) {
    x.a = e.Cast(0, type);
    x.b = e.Cast(1, type);
  } else if (attributes.Find(second) != nullptr) {
    x.a = e.Cast(0, type);
    x.b = e.Constant(attributes.Real(second), type);
  } else if (attributes.Find("self") != nullptr) {
    x.a = e.Constant(attributes.Real("self"), type);
    x.b = e.Cast(0, type);
  } else {
    return absl::InvalidArgumentError(
        hal::Cat("needs a second tensor or attribute '", second, "'"));
  }
  return x;
}

DType WithNumber(DType type, const Attributes& attributes, absl::Span<const DType> inputs,
                 const char* second) {
  const Attribute* number = inputs.size() == 2 ? nullptr : Number(attributes, second);
  if (number == nullptr) return type;
  if (std::holds_alternative<double>(*number) && !IsFloat(type)) return DType::kFloat32;
  if (std::holds_alternative<int64_t>(*number) && type == DType::kBool) return DType::kInt32;
  return type;
}

}  // namespace

Inferred InferSame(const Attributes&, Types inputs) { return std::vector<TensorType>{inputs[0]}; }

Inferred InferFloat(const Attributes&, Types inputs) {
  return std::vector<TensorType>{{ToFloat(inputs[0].dtype), inputs[0].sizes}};
}

Inferred InferBool(const Attributes&, Types inputs) {
  return std::vector<TensorType>{{DType::kBool, inputs[0].sizes}};
}

Inferred InferBinary(const Attributes& attributes, Types inputs) {
  return InferTwo(attributes, inputs, "other");
}

Inferred InferFloatBinary(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTwo(attributes, inputs, "other"));
  types[0].dtype = ToFloat(types[0].dtype);
  return types;
}

Inferred InferCompare(const Attributes& attributes, Types inputs) {
  ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTwo(attributes, inputs, "other"));
  types[0].dtype = DType::kBool;
  return types;
}

Inferred InferPow(const Attributes& attributes, Types inputs) {
  return InferTwo(attributes, inputs, "exponent");
}

DType ComputeType(absl::Span<const DType> types) {
  DType type = DType::kBool;
  for (DType t : types) type = PromotePair(type, DeviceType(t));
  return IsFloat(type) ? DType::kFloat32 : type;
}

absl::StatusOr<BinaryOperands> LoadBinary(ExpressionBuilder& e, const Attributes& attributes,
                                          absl::Span<const DType> inputs, DType result,
                                          const char* second) {
  DType type = PromotePair(ComputeType(inputs), DeviceType(result));
  if (IsFloat(type)) type = DType::kFloat32;
  return Load(e, attributes, inputs, WithNumber(type, attributes, inputs, second), second);
}

absl::StatusOr<BinaryOperands> LoadComparison(ExpressionBuilder& e, const Attributes& attributes,
                                              absl::Span<const DType> inputs) {
  const DType type = WithNumber(ComputeType(inputs), attributes, inputs, "other");
  ASSIGN_OR_RETURN(BinaryOperands x, Load(e, attributes, inputs, type, "other"));
  if (inputs.size() == 1 && inputs[0] == DType::kBFloat16 && attributes.Find("other") != nullptr) {
    x.b = e.Cast(e.Cast(x.b, DType::kBFloat16), DType::kFloat32);
  }
  return x;
}

}  // namespace openhpu::graph
