// The boxed handler: any ATen operator whose op is declared in //graph.
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TypeProperties.h>
#include <torch/library.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "graph/op.h"
#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

enum class Form : uint8_t { kFunctional, kInPlace, kOut };

struct Binding {
  const graph::OpDeclaration* declaration;
  Form form;
  std::optional<c10::OperatorHandle> functional;  // kOut: whose meta kernel gives the shapes
};
using Bindings = std::unordered_map<c10::OperatorName, Binding>;

Bindings& AllBindings() {
  static Bindings bindings;
  return bindings;
}

bool IsCpuScalar(const at::Tensor& t) { return t.defined() && t.device().is_cpu() && t.dim() == 0; }

at::Tensor MetaLike(const at::Tensor& t) {
  if (!t.defined() || t.is_meta()) return t;
  at::Tensor meta = at::empty_strided(t.sizes(), t.strides(), t.options().device(c10::kMeta));
  if (t.unsafeGetTensorImpl()->is_wrapped_number()) meta.unsafeGetTensorImpl()->set_wrapped_number(true);
  return meta;
}

c10::IValue MetaLike(const c10::IValue& value) {
  if (value.isTensor()) return MetaLike(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(MetaLike(t));
    return list;
  }
  if (value.isList() && value.toListRef().size() > 0) {  // Tensor?[]
    const auto elements = value.toListRef();
    if (elements[0].isTensor() || elements[0].isNone()) {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::IValue& e : elements) {
        list.push_back(e.isNone() ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(MetaLike(e.toTensor())));
      }
      return list;
    }
  }
  if (value.isDevice()) return c10::Device(c10::kMeta);
  return value;
}

// A non-tensor argument as an attribute; nothing for what the device does not care about.
std::optional<graph::Attribute> ToAttribute(const c10::Argument& argument, const c10::IValue& value) {
  if (value.isNone()) return std::nullopt;
  const c10::TypeKind kind = argument.real_type()->kind();
  const auto is_kind = [&](c10::TypeKind wanted) {
    if (kind == wanted) return true;
    const auto optional = argument.real_type()->cast<c10::OptionalType>();
    return optional && optional->getElementType()->kind() == wanted;
  };
  if (is_kind(c10::TypeKind::LayoutType) || is_kind(c10::TypeKind::DeviceObjType) || is_kind(c10::TypeKind::MemoryFormatType) ||
      is_kind(c10::TypeKind::GeneratorType)) {
    return std::nullopt;
  }
  if (is_kind(c10::TypeKind::ScalarTypeType)) return ToDType(value.toScalarType());
  if (value.isBool()) return value.toBool();
  if (value.isInt()) return value.toInt();
  if (value.isDouble()) return value.toDouble();
  if (value.isIntList()) return value.toIntVector();
  if (value.isBoolList()) {
    std::vector<int64_t> bits;
    for (bool b : value.toBoolList()) bits.push_back(b);
    return bits;
  }
  if (value.isString()) return std::string(value.toStringRef());
  return std::nullopt;
}

struct Arguments {
  std::vector<at::Tensor> tensors;      // in the order of the schema, lists flattened, absent optionals omitted
  std::vector<bool> promoted;           // takes part in type promotion: conditions, masks and indices do not
  graph::Attributes attributes;
};

Arguments Collect(const c10::FunctionSchema& schema, c10::ArrayRef<c10::IValue> values) {
  static const std::set<std::string> kNotPromoted = {"condition", "mask", "index", "indices"};
  Arguments out;
  const auto add = [&](const c10::Argument& argument, const at::Tensor& t) {
    out.tensors.push_back(t);
    out.promoted.push_back(kNotPromoted.count(argument.name()) == 0);
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    const c10::IValue& value = values[i];
    if (argument.is_out()) continue;
    const bool optional_tensor = argument.type()->str() == "Tensor?";
    if (value.isTensor() && value.toTensor().defined()) {
      add(argument, value.toTensor());
      if (optional_tensor) out.attributes.Set(absl::StrCat("has_", argument.name()), true);
    } else if (value.isTensorList()) {
      for (const at::Tensor& t : value.toTensorVector()) add(argument, t);
    } else if (std::optional<graph::Attribute> attribute = ToAttribute(argument, value)) {
      out.attributes.Set(argument.name(), *std::move(attribute));
    } else {
      TORCH_CHECK(!value.isList() || value.toListRef().empty(), schema.operator_name(), ": argument ", argument.name(),
                  " of this kind is not supported on hpu");
    }
  }
  return out;
}

// The dtype in which an element-wise op computes: PyTorch's result type of its operands, or what the result is when that is wider (int / int is float).
c10::ScalarType ComputeType(const Arguments& arguments, const c10::FunctionSchema& schema, c10::ArrayRef<c10::IValue> values, c10::ScalarType result) {
  at::native::ResultTypeState state = {};
  for (size_t i = 0; i < arguments.tensors.size(); ++i) {
    if (arguments.promoted[i]) state = at::native::update_result_type_state(arguments.tensors[i], state);
  }
  c10::ScalarType common = at::native::result_type(state);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].isScalar() && schema.arguments()[i].real_type()->kind() == c10::TypeKind::NumberType) {
      const c10::Scalar scalar = values[i].toScalar();
      if (scalar.isFloatingPoint() && !c10::isFloatingType(common)) common = c10::kFloat;
      if (scalar.isIntegral(false) && common == c10::kBool) common = c10::kLong;
    }
  }
  if (result == c10::kBool) return common;
  if (c10::isFloatingType(result) && !c10::isFloatingType(common)) return result;
  return common;
}

std::vector<at::Tensor> MetaResults(const c10::OperatorHandle& op, c10::ArrayRef<c10::IValue> values) {
  torch::jit::Stack stack;
  for (const c10::IValue& value : values) stack.push_back(MetaLike(value));
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::Meta), &stack);
  std::vector<at::Tensor> results;
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) results.push_back(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& t : value.toTensorVector()) results.push_back(t);
    }
  }
  return results;
}

std::string InPlaceName(std::string_view name) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('.', 1));
  return absl::StrCat(parts.first, "_", parts.second.empty() ? "" : ".", parts.second);
}

std::optional<c10::OperatorHandle> FindSchema(const std::string& name) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('.', 1));
  const auto found = c10::Dispatcher::singleton().findSchema({absl::StrCat("aten::", parts.first), parts.second});
  return found ? std::optional<c10::OperatorHandle>(*found) : std::nullopt;
}

// The out= overload of a functional one: the same arguments, then the outputs.
std::optional<c10::OperatorHandle> FindOut(std::string_view name, const c10::FunctionSchema& functional) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('.', 1));
  for (const std::string& overload : {std::string("out"), parts.second + "_out", std::string("output")}) {
    std::optional<c10::OperatorHandle> op = FindSchema(absl::StrCat(parts.first, ".", overload));
    if (!op) continue;
    const auto& arguments = op->schema().arguments();
    const auto& wanted = functional.arguments();
    if (arguments.size() != wanted.size() + functional.returns().size()) continue;
    bool same = true;
    for (size_t i = 0; i < wanted.size(); ++i) same &= arguments[i].name() == wanted[i].name() && *arguments[i].type() == *wanted[i].type();
    if (same) return op;
  }
  return std::nullopt;
}

}  // namespace

void Record(std::string_view op, graph::Attributes attributes, at::ArrayRef<at::Tensor> inputs, at::ArrayRef<at::Tensor> outputs) {
  Device* device = ValueOrThrow(Device::Get());
  std::vector<graph::TensorRef> in, out;
  in.reserve(inputs.size());
  out.reserve(outputs.size());
  for (const at::Tensor& t : inputs) in.push_back(Ref(t));
  for (const at::Tensor& t : outputs) out.push_back(Ref(t));
  std::lock_guard lock(device->mutex());
  ThrowIfError(device->current_recorder().Record(op, std::move(attributes), in, out, absl::StrCat(op, " ", UserLine())));
}

void RecordCopy(const at::Tensor& src, const at::Tensor& dst) {
  if (dst.numel() == 0) return;
  at::Tensor from = src;
  if (src.sizes() != dst.sizes()) from = src.expand(dst.sizes());
  Record("copy", {}, {from}, {dst});
}

at::Tensor OnDevice(const at::Tensor& tensor, c10::ScalarType type) {
  if (IsCpuScalar(tensor)) {
    at::Tensor constant = EmptyContiguous({}, type);
    const c10::Scalar value = tensor.item();
    graph::Attribute attribute = value.isFloatingPoint() ? graph::Attribute(value.toDouble())
                                 : value.isBoolean()     ? graph::Attribute(value.toBool())
                                                         : graph::Attribute(value.toLong());
    Record("full", {{"fill_value", std::move(attribute)}}, {}, {constant});
    return constant;
  }
  TORCH_CHECK(tensor.device().type() == c10::DeviceType::HPU, "Expected all tensors to be on the same device, but found at least two devices, hpu:0 and ",
              tensor.device(), "!");
  if (tensor.scalar_type() == type) return tensor;
  at::Tensor cast = EmptyContiguous(tensor.sizes(), type);
  RecordCopy(tensor, cast);
  return cast;
}

void RunDeclared(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const Binding& binding = AllBindings().at(op.operator_name());
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size();
  const std::vector<c10::IValue> values(stack->end() - static_cast<ptrdiff_t>(count), stack->end());
  const c10::OperatorHandle& shaped = binding.form == Form::kOut ? *binding.functional : op;
  const size_t shaped_count = shaped.schema().arguments().size();
  const c10::ArrayRef<c10::IValue> functional_values(values.data(), shaped_count);

  const std::vector<at::Tensor> metas = MetaResults(shaped, functional_values);
  Arguments arguments = Collect(shaped.schema(), functional_values);

  const bool element_wise = binding.declaration->expression != nullptr;
  if (element_wise) {
    const c10::ScalarType compute = ComputeType(arguments, shaped.schema(), functional_values, metas[0].scalar_type());
    for (size_t i = 0; i < arguments.tensors.size(); ++i) {
      at::Tensor& t = arguments.tensors[i];
      t = OnDevice(t, arguments.promoted[i] ? compute : t.scalar_type());
    }
  } else {
    for (at::Tensor& t : arguments.tensors) t = OnDevice(t, t.scalar_type());
  }

  std::vector<at::Tensor> results;
  if (binding.form == Form::kFunctional) {
    for (const at::Tensor& meta : metas) results.push_back(EmptyTensor(meta.sizes(), meta.strides(), meta.scalar_type()));
    Record(binding.declaration->name, std::move(arguments.attributes), arguments.tensors, results);
  } else {
    if (binding.form == Form::kInPlace) {
      results.push_back(values[0].toTensor());
    } else {
      for (size_t i = shaped_count; i < count; ++i) {
        const at::Tensor& out = values[i].toTensor();
        at::native::resize_output(out, metas[i - shaped_count].sizes());
        results.push_back(out);
      }
    }
    // The op's own result type, then a cast into what the caller gave, where they differ.
    std::vector<at::Tensor> made = results;
    for (size_t i = 0; i < made.size(); ++i) {
      c10::ScalarType natural = metas[i].scalar_type();
      if (binding.form == Form::kInPlace && element_wise && natural != c10::kBool) {
        natural = ComputeType(arguments, shaped.schema(), functional_values, natural);
      }
      if (natural != made[i].scalar_type()) made[i] = EmptyContiguous(results[i].sizes(), natural);
    }
    Record(binding.declaration->name, std::move(arguments.attributes), arguments.tensors, made);
    for (size_t i = 0; i < made.size(); ++i) {
      if (!made[i].is_same(results[i])) RecordCopy(made[i], results[i]);
    }
  }

  stack->erase(stack->end() - static_cast<ptrdiff_t>(count), stack->end());
  if (schema.returns().size() == 1 && schema.returns()[0].type()->kind() == c10::TypeKind::ListType) {
    stack->emplace_back(std::move(results));
    return;
  }
  for (at::Tensor& result : results) stack->emplace_back(std::move(result));
}

// Every `aten` name of every declaration, with its in-place and out= forms. `skip` are written by hand.
void RegisterDeclared(torch::Library& library, const std::set<std::string>& skip) {
  const auto bind = [&](const c10::OperatorHandle& op, const graph::OpDeclaration* declaration, Form form, std::optional<c10::OperatorHandle> functional) {
    const std::string name = absl::StrCat(op.schema().name().substr(6), op.schema().overload_name().empty() ? "" : ".", op.schema().overload_name());
    if (skip.count(name) || !AllBindings().emplace(op.operator_name(), Binding{declaration, form, std::move(functional)}).second) return;
    library.impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&RunDeclared>());
  };
  for (const graph::OpDeclaration* declaration : graph::AllOps()) {
    for (std::string_view aten : declaration->aten) {
      const std::string name(aten);
      const std::optional<c10::OperatorHandle> op = FindSchema(name);
      TORCH_CHECK(op.has_value(), "op ", std::string(declaration->name), " names the ATen operator ", name, ", which this PyTorch does not have");
      bind(*op, declaration, Form::kFunctional, std::nullopt);
      if (std::optional<c10::OperatorHandle> in_place = FindSchema(InPlaceName(name))) bind(*in_place, declaration, Form::kInPlace, std::nullopt);
      if (std::optional<c10::OperatorHandle> out = FindOut(name, op->schema())) bind(*out, declaration, Form::kOut, op);
    }
  }
}

}  // namespace openhpu::python
