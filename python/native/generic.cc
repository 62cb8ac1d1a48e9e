// The boxed handler: any ATen operator whose op is declared in //graph.
#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "graph/op.h"
#include "hal/kernel/text.h"
#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/scalars.h"
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

std::vector<std::string>& UnknownNames() {
  static std::vector<std::string> names;
  return names;
}

// "add.Tensor" of aten::add.Tensor.
std::string ShortName(const c10::FunctionSchema& schema) {
  const std::string base = schema.name().substr(schema.name().rfind(':') + 1);
  return schema.overload_name().empty() ? base : hal::Cat(base, ".", schema.overload_name());
}

bool IsOptionalTensor(const c10::Argument& argument) {
  const auto optional = argument.type()->cast<c10::OptionalType>();
  return optional && optional->getElementType()->kind() == c10::TypeKind::TensorType;
}

// Tensor?[]
bool IsOptionalTensorList(const c10::Argument& argument) {
  const auto list = argument.type()->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::OptionalType;
}

bool IsCpuScalar(const at::Tensor& t) { return t.defined() && t.device().is_cpu() && t.dim() == 0; }

// Python numbers stay as they are: meta kernels written in Python read them.
at::Tensor MetaLike(const at::Tensor& t) {
  if (!t.defined() || t.is_meta() || t.unsafeGetTensorImpl()->is_wrapped_number()) return t;
  return at::empty_strided(t.sizes(), t.strides(), t.options().device(c10::kMeta));
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
        list.push_back(e.isNone() ? c10::optional<at::Tensor>()
                                  : c10::optional<at::Tensor>(MetaLike(e.toTensor())));
      }
      return list;
    }
  }
  if (value.isDevice()) return c10::Device(c10::kMeta);
  return value;
}

// A non-tensor argument as an attribute; nothing for what the device does not care about.
std::optional<graph::Attribute> ToAttribute(const c10::Argument& argument,
                                            const c10::IValue& value) {
  if (value.isNone()) return std::nullopt;
  const c10::TypeKind kind = argument.real_type()->kind();
  const auto is_kind = [&](c10::TypeKind wanted) {
    if (kind == wanted) return true;
    const auto optional = argument.real_type()->cast<c10::OptionalType>();
    return optional && optional->getElementType()->kind() == wanted;
  };
  if (is_kind(c10::TypeKind::LayoutType) || is_kind(c10::TypeKind::DeviceObjType) ||
      is_kind(c10::TypeKind::MemoryFormatType) || is_kind(c10::TypeKind::GeneratorType)) {
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
  std::vector<at::Tensor>
      tensors;  // in the order of the schema, lists flattened, absent optionals omitted
  std::vector<bool> from_list;  // of a Tensor[]: operands that become one tensor, so have its dtype
  graph::Attributes attributes;
};

graph::Attribute NumberAttribute(const at::Tensor& scalar) {
  const c10::Scalar value = scalar.item();
  if (value.isBoolean()) return value.toBool();
  if (value.isFloatingPoint()) return value.toDouble();
  return static_cast<int64_t>(value.toLong());
}

// The operands of two-operand ops that may be numbers: then they are attributes.
bool MayBeNumber(const graph::OpDeclaration& declaration, const std::string& argument) {
  return declaration.min_inputs == 1 && declaration.max_inputs == 2 &&
         (argument == "other" || argument == "self" || argument == "exponent");
}

Arguments Collect(const graph::OpDeclaration& declaration, const c10::FunctionSchema& schema,
                  c10::ArrayRef<c10::IValue> values) {
  Arguments out;
  std::vector<int64_t> absent;
  int64_t position = 0;  // among the tensors of the schema
  bool number = false;
  const auto add = [&](const at::Tensor& t, bool from_list) {
    out.tensors.push_back(t);
    out.from_list.push_back(from_list);
    ++position;
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    const c10::IValue& value = values[i];
    if (argument.is_out()) continue;
    if (value.isTensor() && value.toTensor().defined()) {
      const at::Tensor& t = value.toTensor();
      if (!number && IsCpuScalar(t) && MayBeNumber(declaration, argument.name())) {
        out.attributes.Set(argument.name(), NumberAttribute(t));
        number = true;
        ++position;
      } else {
        add(t, false);
      }
    } else if (value.isTensorList()) {
      for (const at::Tensor& t : value.toTensorVector()) add(t, true);
    } else if (IsOptionalTensorList(argument)) {
      for (const c10::IValue& element : value.toListRef()) {
        if (element.isTensor() && element.toTensor().defined()) {
          add(element.toTensor(), false);
        } else {
          absent.push_back(position++);
        }
      }
    } else if (IsOptionalTensor(argument) || value.isTensor()) {
      absent.push_back(position++);
    } else if (std::optional<graph::Attribute> attribute = ToAttribute(argument, value)) {
      out.attributes.Set(argument.name(), *std::move(attribute));
    } else {
      TORCH_CHECK(!value.isList() || value.toListRef().empty(), schema.operator_name(),
                  ": argument ", argument.name(), " of this kind is not supported on hpu");
    }
  }
  if (!absent.empty()) out.attributes.Set("absent", std::move(absent));
  return out;
}

// Indices, masks and what is compared may lie on the CPU: they are copied.
void TakeFromHost(const graph::OpDeclaration& declaration, std::vector<at::Tensor>& tensors) {
  static const auto* const kOps = new std::set<std::string_view>{
      "embedding", "eq",          "gather",         "ge",         "gt",
      "index",     "index_add",   "index_copy",     "index_fill", "index_select",
      "le",        "lt",          "masked_fill",    "ne",         "put",
      "scatter",   "scatter_add", "scatter_reduce", "take",       "where"};
  if (kOps->count(declaration.name) == 0) return;
  const auto there = std::find_if(tensors.begin(), tensors.end(), [](const at::Tensor& t) {
    return t.device().type() == c10::DeviceType::HPU;
  });
  if (there == tensors.end()) return;
  const c10::Device device = there->device();
  for (at::Tensor& t : tensors) {
    if (t.device().is_cpu() && t.dim() > 0) t = t.to(device);
  }
}

std::optional<std::vector<graph::TensorType>> Infer(const graph::OpDeclaration& declaration,
                                                    const graph::Attributes& attributes,
                                                    at::ArrayRef<at::Tensor> inputs) {
  std::vector<graph::TensorType> types;
  for (const at::Tensor& t : inputs)
    types.push_back({ToDType(t.scalar_type()), graph::Dims(t.sizes().begin(), t.sizes().end())});
  absl::StatusOr<std::vector<graph::TensorType>> results = declaration.infer(attributes, types);
  if (!results.ok()) return std::nullopt;
  return *std::move(results);
}

std::vector<at::Tensor> MetaResults(const c10::OperatorHandle& op,
                                    c10::ArrayRef<c10::IValue> values) {
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

// "add.Tensor" as {"add", "Tensor"}.
std::pair<std::string, std::string> SplitName(const std::string& name) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

std::string InPlaceName(const std::string& name) {
  const auto [base, overload] = SplitName(name);
  return hal::Cat(base, "_", overload.empty() ? "" : ".", overload);
}

std::optional<c10::OperatorHandle> FindSchema(const std::string& name) {
  const auto [base, overload] = SplitName(name);
  const auto found = c10::Dispatcher::singleton().findSchema({hal::Cat("aten::", base), overload});
  return found ? std::optional<c10::OperatorHandle>(*found) : std::nullopt;
}

// The overloads of each operator's base name ("add": "add.Tensor", "add_out" ...).
const std::multimap<std::string, c10::OperatorName>& Overloads() {
  static const auto* const overloads = [] {
    auto* made = new std::multimap<std::string, c10::OperatorName>;
    for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames())
      made->emplace(name.name, name);
    return made;
  }();
  return *overloads;
}

// The out= overload of a functional one, whatever its name: the same arguments, then the outputs.
std::optional<c10::OperatorHandle> FindOut(const c10::FunctionSchema& functional) {
  const auto& wanted = functional.arguments();
  const auto [first, last] = Overloads().equal_range(functional.name());
  for (auto it = first; it != last; ++it) {
    const auto op = c10::Dispatcher::singleton().findSchema(it->second);
    if (!op) continue;
    const auto& arguments = op->schema().arguments();
    if (arguments.size() != wanted.size() + functional.returns().size()) continue;
    bool same = true;
    for (size_t i = 0; i < arguments.size(); ++i) {
      same &= i < wanted.size() ? arguments[i].name() == wanted[i].name() &&
                                      *arguments[i].type() == *wanted[i].type()
                                : arguments[i].is_out();
    }
    if (same) return *op;
  }
  return std::nullopt;
}

// Masks, indices, labels and what is compared may still be on the host, as with the vendor's: they
// are copied. Anything else on two devices is a mistake of the program's.
bool TakesHostTensors(const c10::FunctionSchema& schema) {
  static const auto* const names = new std::set<std::string>{"aten::embedding",
                                                             "aten::embedding_dense_backward",
                                                             "aten::eq",
                                                             "aten::gather",
                                                             "aten::ge",
                                                             "aten::gt",
                                                             "aten::index_select",
                                                             "aten::le",
                                                             "aten::lt",
                                                             "aten::masked_fill",
                                                             "aten::masked_fill_",
                                                             "aten::ne",
                                                             "aten::nll_loss_backward",
                                                             "aten::nll_loss_forward",
                                                             "aten::nll_loss2d_forward",
                                                             "aten::nll_loss2d_backward",
                                                             "aten::where"};
  return names->count(schema.name()) > 0;
}

// PT_HPU_MAX_COMPOUND_OP_SIZE: a segment of so many nodes is launched without being asked. 0: none.
int64_t MaxSegmentNodes() {
  static const int64_t limit = [] {
    const char* value = std::getenv("PT_HPU_MAX_COMPOUND_OP_SIZE");
    return value == nullptr ? int64_t{0} : static_cast<int64_t>(std::strtoll(value, nullptr, 10));
  }();
  return limit;
}

// Called after a node was recorded, with the device locked.
void FlushFullSegment(Device& device, bool was_pending) {
  static auto* const nodes = new std::unordered_map<StreamIndex, int64_t>;
  int64_t& count = (*nodes)[Device::CurrentStream()];
  count = was_pending ? count + 1 : 1;
  if (count >= MaxSegmentNodes()) ThrowIfError(device.current_recorder().Flush());
}

}  // namespace

void Record(std::string_view op, graph::Attributes attributes, at::ArrayRef<at::Tensor> inputs,
            at::ArrayRef<at::Tensor> outputs) {
  Device* device = ValueOrThrow(Device::Get());
  std::vector<graph::TensorRef> in, out;
  in.reserve(inputs.size());
  out.reserve(outputs.size());
  for (const at::Tensor& t : inputs) in.push_back(Ref(t));
  for (const at::Tensor& t : outputs) out.push_back(Ref(t));
  const std::string source =
      UserLine();  // before the lock: nobody waits for the interpreter with the device locked
  std::lock_guard lock(device->mutex());
  graph::Recorder& recorder = device->current_recorder();
  const bool was_pending = recorder.pending();
  ThrowIfError(recorder.Record(op, std::move(attributes), in, out, source));
  if (MaxSegmentNodes() > 0) FlushFullSegment(*device, was_pending);
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
    Record("full", {{"fill_value", NumberAttribute(tensor)}, {"size", std::vector<int64_t>{}}}, {},
           {constant});
    return constant;
  }
  TORCH_CHECK(
      tensor.device().type() == c10::DeviceType::HPU,
      "Expected all tensors to be on the same device, but found at least two devices, hpu:0 and ",
      tensor.device(), "!");
  if (tensor.scalar_type() == type) return tensor;
  at::Tensor cast = EmptyContiguous(tensor.sizes(), type);
  RecordCopy(tensor, cast);
  return cast;
}

std::optional<std::vector<graph::TensorType>> InferDeclared(std::string_view op,
                                                            const graph::Attributes& attributes,
                                                            at::ArrayRef<at::Tensor> inputs) {
  return Infer(*ValueOrThrow(graph::FindOp(op)), attributes, inputs);
}

void RunDeclared(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const Binding& binding = AllBindings().at(op.operator_name());
  const graph::OpDeclaration& declaration = *binding.declaration;
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size();
  const std::vector<c10::IValue> values(stack->end() - static_cast<ptrdiff_t>(count), stack->end());
  const c10::OperatorHandle& shaped = binding.form == Form::kOut ? *binding.functional : op;
  const size_t shaped_count = shaped.schema().arguments().size();
  const c10::ArrayRef<c10::IValue> functional_values(values.data(), shaped_count);

  Arguments arguments = Collect(declaration, shaped.schema(), functional_values);
  // PyTorch's word first: its messages are what users know.
  std::vector<at::Tensor> metas;
  try {
    metas = MetaResults(shaped, functional_values);
  } catch (const c10::NotImplementedError&) {
  }
  const std::optional<std::vector<graph::TensorType>> inferred =
      Infer(declaration, arguments.attributes, arguments.tensors);
  if (!inferred) return FallBack(op, stack);
  if (metas.empty()) {
    for (const graph::TensorType& type : *inferred) {
      metas.push_back(
          at::empty({type.sizes.data(), type.sizes.size()},
                    at::TensorOptions().dtype(ToScalarType(type.dtype)).device(c10::kMeta)));
    }
  }
  const bool element_wise = declaration.expression != nullptr;
  TakeFromHost(declaration, arguments.tensors);
  for (size_t i = 0; i < arguments.tensors.size(); ++i) {
    at::Tensor& t = arguments.tensors[i];
    if (t.device().is_cpu() && !IsCpuScalar(t) && TakesHostTensors(schema))
      t = t.to(c10::Device(c10::DeviceType::HPU, 0));
    t = OnDevice(t, arguments.from_list[i] ? metas[0].scalar_type() : t.scalar_type());
  }

  if (!(metas.size() == 1 && metas[0].numel() == 0))
    PlaceScalars(declaration.name, arguments.attributes, arguments.tensors);

  std::vector<at::Tensor> results;
  switch (binding.form) {
    case Form::kFunctional:
      for (const at::Tensor& meta : metas)
        results.push_back(EmptyTensor(meta.sizes(), meta.strides(), meta.scalar_type()));
      break;
    case Form::kInPlace:
      results.push_back(values[0].toTensor());
      break;
    case Form::kOut:
      for (size_t i = shaped_count; i < count; ++i) {
        const at::Tensor& out = values[i].toTensor();
        at::native::resize_output(out, metas[i - shaped_count].sizes());
        results.push_back(out);
      }
      break;
  }
  // Element-wise ops cast to what they write; others give their own type, which is then cast.
  std::vector<at::Tensor> made = results;
  for (size_t i = 0; i < made.size(); ++i) {
    const c10::ScalarType natural = metas[i].scalar_type();
    if (!element_wise && natural != made[i].scalar_type())
      made[i] = EmptyContiguous(made[i].sizes(), natural);
  }
  std::vector<at::Tensor> recorded = made;
  while (recorded.size() > 1 && recorded.back().numel() == 0)
    recorded.pop_back();  // such as the unused statistics of a batch norm
  Record(declaration.name, std::move(arguments.attributes), arguments.tensors, recorded);
  for (size_t i = 0; i < made.size(); ++i) {
    if (!made[i].is_same(results[i])) RecordCopy(made[i], results[i]);
  }

  stack->erase(stack->end() - static_cast<ptrdiff_t>(count), stack->end());
  if (schema.returns().size() == 1 &&
      schema.returns()[0].type()->kind() == c10::TypeKind::ListType) {
    stack->emplace_back(std::move(results));
    return;
  }
  for (at::Tensor& result : results) stack->emplace_back(std::move(result));
}

void RegisterDeclared(torch::Library& library, const std::set<std::string>& skip) {
  const auto bind = [&](const c10::OperatorHandle& op, const graph::OpDeclaration* declaration,
                        Form form, std::optional<c10::OperatorHandle> functional) {
    const std::string name = ShortName(op.schema());
    // A composite of other operators stays one: a kernel of ours would take its gradient away.
    if (skip.count(name) || op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd))
      return;
    if (!AllBindings()
             .emplace(op.operator_name(), Binding{declaration, form, std::move(functional)})
             .second)
      return;
    library.impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&RunDeclared>());
  };
  for (const graph::OpDeclaration* declaration : graph::AllOps()) {
    for (std::string_view aten : declaration->aten) {
      const std::string name(aten);
      const std::optional<c10::OperatorHandle> op = FindSchema(name);
      if (!op) {
        UnknownNames().push_back(name);
        continue;
      }
      bind(*op, declaration, Form::kFunctional, std::nullopt);
      if (std::optional<c10::OperatorHandle> in_place = FindSchema(InPlaceName(name)))
        bind(*in_place, declaration, Form::kInPlace, std::nullopt);
      if (std::optional<c10::OperatorHandle> out = FindOut(op->schema()))
        bind(*out, declaration, Form::kOut, op);
    }
  }
}

std::vector<std::string> UnknownOperators() { return UnknownNames(); }

std::vector<std::string> BoundOperators() {
  std::vector<std::string> names;
  for (const auto& [name, binding] : AllBindings()) names.push_back(c10::toString(name));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace openhpu::python
