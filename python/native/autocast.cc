// torch.autocast("hpu"): kernels at dispatch key AutocastXPU, which hpu tensors carry and PyTorch
// leaves free, cast operands and call the operator again without the key. The casts are ordinary
// operators above autograd, so that gradients flow back through them.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/Dtype.h>
#include <torch/csrc/DynamicTypes.h>
#include <torch/library.h>

#include <string>
#include <vector>

#include "python/native/bridge.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

enum class Policy : uint8_t { kLower, kWide, kPromote };

bool Eligible(const at::Tensor& t) {
  return t.defined() && t.device().type() == c10::DeviceType::HPU && t.is_floating_point() &&
         t.scalar_type() != c10::kDouble;
}

// Calls `function(tensor)` on each tensor of an argument, and puts back what it returns.
template <typename Function>
void ForEachTensor(c10::IValue& value, Function function) {
  if (value.isTensor()) {
    value = function(value.toTensor());
  } else if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(function(t));
    value = std::move(list);
  }
}

// Buffers that the operator updates in place keep their type: a cast would be updated instead.
bool IsUpdated(const c10::Argument& argument) {
  return argument.name() == "running_mean" || argument.name() == "running_var";
}

template <Policy policy>
void Cast(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard without(c10::DispatchKey::AutocastXPU);
  const std::vector<c10::Argument>& arguments = op.schema().arguments();
  c10::IValue* values = stack->data() + (stack->size() - arguments.size());
  c10::ScalarType type =
      policy == Policy::kWide ? c10::kFloat : at::autocast::get_autocast_xpu_dtype();
  if (policy == Policy::kPromote) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      ForEachTensor(values[i], [&](const at::Tensor& t) {
        if (Eligible(t) && t.scalar_type() == c10::kFloat) type = c10::kFloat;
        return t;
      });
    }
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (IsUpdated(arguments[i])) continue;
    ForEachTensor(values[i], [&](const at::Tensor& t) {
      return Eligible(t) && t.scalar_type() != type ? t.to(type) : t;
    });
  }
  op.callBoxed(stack);
}

// In-place and out= forms write what they are given: their types are the program's business.
bool Writes(const c10::FunctionSchema& schema) {
  for (const c10::Argument& argument : schema.arguments()) {
    if (argument.is_out() || (argument.alias_info() != nullptr && argument.alias_info()->isWrite()))
      return true;
  }
  return false;
}

template <Policy policy>
void Register(torch::Library& library, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const c10::OperatorName& known : c10::Dispatcher::singleton().getAllOpNames()) {
      if (known.name != "aten::" + name) continue;
      const auto op = c10::Dispatcher::singleton().findSchema(known);
      if (!op || Writes(op->schema())) continue;
      const std::string full =
          known.overload_name.empty() ? name : name + "." + known.overload_name;
      library.impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&Cast<policy>>());
    }
  }
}

// Once a process. Names that this PyTorch does not have are skipped: the lists are of later ones.
void RegisterAutocast(const std::vector<std::string>& lower, const std::vector<std::string>& wide,
                      const std::vector<std::string>& promote) {
  constexpr c10::DispatchKey kKey = c10::DispatchKey::AutocastXPU;
  // Libraries live as long as the process: the dispatcher forgets what a destroyed one registered.
  static auto* const aten =
      new torch::Library(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  static auto* const all = new torch::Library(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  Register<Policy::kLower>(*aten, lower);
  Register<Policy::kWide>(*aten, wide);
  Register<Policy::kPromote>(*aten, promote);
  all->fallback(torch::CppFunction::makeFallthrough());
}

}  // namespace

void RegisterAutocastBindings(py::module_& module) {
  module.def("register_autocast", &RegisterAutocast);
  module.def("set_autocast_enabled", &at::autocast::set_xpu_enabled);
  module.def("is_autocast_enabled", &at::autocast::is_xpu_enabled);
  module.def("set_autocast_dtype", [](const py::object& dtype) {
    if (!THPDtype_Check(dtype.ptr())) throw py::type_error("expected a torch.dtype");
    at::autocast::set_autocast_xpu_dtype(reinterpret_cast<THPDtype*>(dtype.ptr())->scalar_type);
  });
  module.def("get_autocast_dtype", [] {
    return py::reinterpret_borrow<py::object>(
        reinterpret_cast<PyObject*>(torch::getTHPDtype(at::autocast::get_autocast_xpu_dtype())));
  });
}

}  // namespace openhpu::python
