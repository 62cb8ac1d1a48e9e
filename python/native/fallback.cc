// What has no lowering runs on the CPU: counted, ruled by PT_HPU_PLACE_ON_CPU, and an error while a
// graph is captured.
#include <ATen/native/CPUFallback.h>
#include <Python.h>
#include <frameobject.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "hal/kernel/text.h"
#include "python/native/device.h"
#include "python/native/gil.h"
#include "python/native/host_step.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

std::mutex counts_mutex;
std::map<std::string, uint64_t>& Counts() {
  static auto* counts = new std::map<std::string, uint64_t>;
  return *counts;
}

// PT_HPU_PLACE_ON_CPU: empty allows every op, "none" no op, else a comma-separated list of the ops
// ("aten::sort", "sort" or "sort.stable") that may run on the CPU.
bool MayFallBack(const std::string& name) {
  const char* value = std::getenv("PT_HPU_PLACE_ON_CPU");
  if (value == nullptr || *value == '\0') return true;
  const std::string base = name.substr(0, name.find('.'));
  const std::vector<std::string> listed = absl::StrSplit(value, ',', absl::SkipWhitespace());
  return std::any_of(listed.begin(), listed.end(), [&](const std::string& item) {
    const std::string full = absl::StrContains(item, "::") ? item : hal::Cat("aten::", item);
    return full == name || full == base;
  });
}

// Ops whose kernels no static shape could serve; index.Tensor falls back for masks.
bool SizeDependsOnData(const std::string& name) {
  static const std::set<std::string>* const kOps =
      new std::set<std::string>{"aten::nonzero",
                                "aten::masked_select",
                                "aten::index",
                                "aten::_unique",
                                "aten::_unique2",
                                "aten::unique_dim",
                                "aten::unique_consecutive",
                                "aten::unique_dim_consecutive",
                                "aten::repeat_interleave",
                                "aten::bincount"};
  return kOps->count(name.substr(0, name.find('.'))) > 0;
}

// A write through the CPU copy of these would be lost: in-place ops on tensor lists, and ops whose
// result is a view of an argument.
bool LosesWrites(const c10::FunctionSchema& schema) {
  for (const c10::Argument& argument : schema.arguments()) {
    if (argument.alias_info() != nullptr && argument.alias_info()->isWrite() &&
        argument.type()->kind() == c10::TypeKind::ListType)
      return true;
  }
  for (const c10::Argument& result : schema.returns()) {
    if (result.alias_info() != nullptr && !result.alias_info()->isWrite()) return true;
  }
  return false;
}

}  // namespace

std::string UserLine() {
  if (const std::string* line = LineOfHostStep(); line != nullptr) return *line;
  // A thread that Python does not know has no line, and once there is no interpreter cannot ask for
  // one. Others that ask then stand still: PyTorch's bindings, which ask after them, end the
  // process.
  if (!Py_IsInitialized() && PyGILState_GetThisThreadState() == nullptr) return "";
  // PyTorch's bindings have let the interpreter go before they dispatch.
  const WithGil gil;
  std::string line;
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  while (frame != nullptr) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    const std::string name = file != nullptr ? file : "";
    Py_DECREF(code);
    if (!absl::StrContains(name, "/torch/") && !absl::StrContains(name, "/habana_frameworks/") &&
        !absl::StrContains(name, "/torchvision/")) {
      line = hal::Cat(name.substr(name.rfind('/') + 1), ":", PyFrame_GetLineNumber(frame));
      Py_DECREF(frame);
      break;
    }
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  return line;
}

std::map<std::string, uint64_t> FallbackCounts() {
  std::lock_guard lock(counts_mutex);
  return Counts();
}

void RefuseDuringCapture(const std::string& op, const std::string& why) {
  if (!Device::InCapture()) return;
  Device* device = ValueOrThrow(Device::Get());
  const std::string line =
      UserLine();  // before the lock: nobody waits for the interpreter with the device locked
  std::lock_guard lock(device->mutex());
  Capture* capture = device->current_capture();
  if (capture == nullptr) return;
  const std::string message = hal::Cat(op, " is not supported during HPU Graph capturing",
                                       line.empty() ? "" : hal::Cat(" (", line, ")"), ": ", why);
  device->DiscardCapture(*capture, message);
  TORCH_CHECK(false, message);
}

namespace {

// Throws where PT_HPU_PLACE_ON_CPU forbids it; counts.
void CheckMayFallBack(const std::string& name) {
  TORCH_CHECK(MayFallBack(name), name, " is not yet supported on HPU. PT_HPU_PLACE_ON_CPU=",
              std::getenv("PT_HPU_PLACE_ON_CPU"), " does not allow it on the CPU (", UserLine(),
              ").");
  std::lock_guard lock(counts_mutex);
  ++Counts()[name];
}

}  // namespace

void CountFallback(const std::string& name) {
  RefuseDuringCapture(name,
                      hal::Cat(SizeDependsOnData(name) ? "the size of its result depends on data"
                                                       : "it has no hpu kernel",
                               ", and cpu fallback is not supported during hpu graph capturing"));
  CheckMayFallBack(name);
}

void FallBack(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const std::string name = schema.overload_name().empty()
                               ? schema.name()
                               : hal::Cat(schema.name(), ".", schema.overload_name());
  TORCH_CHECK_NOT_IMPLEMENTED(
      !LosesWrites(schema), name,
      " is not yet supported on HPU. On the CPU, its writes through views or lists would be lost.");
  if (CpuOpsBreakCaptures() && Device::InCapture()) {
    CheckMayFallBack(name);
    return RunAsHostStep(op, stack, UserLine());
  }
  CountFallback(name);
  // PyTorch moves tensors and lists of them, but not lists of optional ones (indices).
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    c10::IValue& value = (*stack)[stack->size() - schema.arguments().size() + i];
    const auto list = schema.arguments()[i].type()->cast<c10::ListType>();
    if (!list || list->getElementType()->kind() != c10::TypeKind::OptionalType) continue;
    c10::List<c10::optional<at::Tensor>> on_cpu;
    for (const c10::IValue& element : value.toListRef()) {
      on_cpu.push_back(element.isTensor() ? c10::optional<at::Tensor>(element.toTensor().cpu())
                                          : c10::nullopt);
    }
    value = std::move(on_cpu);
  }
  at::native::cpu_fallback(op, stack);
}

}  // namespace openhpu::python
