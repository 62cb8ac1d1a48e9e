#include "python/native/host_step.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"
#include "python/native/device.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

bool OnHpu(const at::Tensor& t) { return t.defined() && t.device().type() == c10::DeviceType::HPU; }

at::Tensor CpuCopy(const at::Tensor& t) { return OnHpu(t) ? t.detach().cpu() : t; }

// `value` with its tensors on the CPU.
c10::IValue OnCpu(const c10::IValue& value) {
  if (value.isTensor()) return CpuCopy(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(CpuCopy(t));
    return list;
  }
  if (value.isList() && !value.toListRef().empty() &&
      (value.toListRef()[0].isTensor() || value.toListRef()[0].isNone())) {  // Tensor?[]
    c10::List<c10::optional<at::Tensor>> list;
    for (const c10::IValue& e : value.toListRef()) {
      list.push_back(e.isTensor() ? c10::optional<at::Tensor>(CpuCopy(e.toTensor()))
                                  : c10::nullopt);
    }
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == c10::DeviceType::HPU)
    return c10::Device(c10::kCPU);
  return value;
}

void CollectTensors(const c10::IValue& value, std::vector<at::Tensor>* tensors) {
  if (value.isTensor()) {
    if (OnHpu(value.toTensor())) tensors->push_back(value.toTensor());
  } else if (value.isList()) {
    for (const c10::IValue& e : value.toListRef()) CollectTensors(e, tensors);
  }
}

thread_local const std::string* line_of_host_step = nullptr;
class HostStepScope {
 public:
  explicit HostStepScope(const std::string& line) : before_(line_of_host_step) {
    line_of_host_step = &line;
  }
  ~HostStepScope() { line_of_host_step = before_; }
  HostStepScope(const HostStepScope&) = delete;
  HostStepScope& operator=(const HostStepScope&) = delete;

 private:
  const std::string* const before_;
};

// One operator of a capture: what it is called with, and where its results go.
class HostOperator {
 public:
  HostOperator(const c10::OperatorHandle& op, std::vector<c10::IValue> arguments,
               StreamIndex stream, std::string source)
      : op_(op),
        arguments_(std::move(arguments)),
        stream_(stream),
        source_(std::move(source)),
        name_(c10::toString(op.operator_name())) {}

  // Throws.
  void Run(Device& device) {
    const EagerScope eager(stream_);
    const HostStepScope step(source_);
    torch::jit::Stack stack;
    for (const c10::IValue& argument : arguments_) stack.push_back(OnCpu(argument));
    const torch::jit::Stack given = stack;
    op_.callBoxed(&stack);
    WriteArguments(given);
    TakeResults(stack);
    ThrowIfError(device.Flush(stream_));
  }

  const std::vector<c10::IValue>& results() const { return results_; }
  std::vector<at::Tensor> Reads() const {
    std::vector<at::Tensor> tensors;
    for (const c10::IValue& argument : arguments_) CollectTensors(argument, &tensors);
    return tensors;
  }
  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }

 private:
  const std::vector<c10::Argument>& schema_arguments() const { return op_.schema().arguments(); }

  // What the operator wrote in its arguments goes back to hpu.
  void WriteArguments(const torch::jit::Stack& cpu) {
    for (size_t i = 0; i < arguments_.size(); ++i) {
      const auto* alias = schema_arguments()[i].alias_info();
      if (alias == nullptr || !alias->isWrite() || !arguments_[i].isTensor()) continue;
      const at::Tensor &mine = arguments_[i].toTensor(), &written = cpu[i].toTensor();
      if (!OnHpu(mine)) continue;
      if (mine.sizes() != written.sizes()) {
        TORCH_CHECK(!ran_, name_, " at ", source_, ": its result has sizes ", written.sizes(),
                    " and had ", mine.sizes(), " when the HPU Graph was captured");
        mine.resize_(written.sizes());
      }
      mine.copy_(written);
    }
  }

  void TakeResults(const torch::jit::Stack& returned) {
    const auto& returns = op_.schema().returns();
    if (ran_) {
      for (size_t i = 0; i < returned.size(); ++i) Refresh(results_[i], returned[i], returns[i]);
      return;
    }
    for (size_t i = 0; i < returned.size(); ++i) {
      const c10::IValue& value = returned[i];
      if (const c10::IValue* argument = WrittenArgument(returns[i])) {
        results_.push_back(*argument);
      } else if (value.isTensor() && value.toTensor().defined()) {
        results_.emplace_back(value.toTensor().to(HpuDevice()));
      } else if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& t : value.toTensorVector()) list.push_back(t.to(HpuDevice()));
        results_.emplace_back(std::move(list));
      } else {
        results_.push_back(value);
      }
    }
    ran_ = true;
  }

  void Refresh(const c10::IValue& mine, const c10::IValue& now, const c10::Argument& result) {
    if (WrittenArgument(result) != nullptr) return;  // done
    if (mine.isTensor() && mine.toTensor().defined()) {
      RefreshTensor(mine.toTensor(), now.toTensor());
    } else if (mine.isTensorList()) {
      const std::vector<at::Tensor> list = mine.toTensorVector(), other = now.toTensorVector();
      TORCH_CHECK(list.size() == other.size(), name_, " at ", source_, ": it gives ", other.size(),
                  " tensors and gave ", list.size(), " when the HPU Graph was captured");
      for (size_t i = 0; i < list.size(); ++i) RefreshTensor(list[i], other[i]);
    } else {
      TORCH_CHECK(mine == now, "HPU Graph replay: ", name_, " at ", source_, " gave ", mine,
                  " at capture and gives ", now, " now");
    }
  }

  void RefreshTensor(const at::Tensor& mine, const at::Tensor& now) {
    TORCH_CHECK(mine.sizes() == now.sizes(), name_, " at ", source_, ": its result has sizes ",
                now.sizes(), " and had ", mine.sizes(), " when the HPU Graph was captured");
    mine.copy_(now);
  }

  const c10::IValue* WrittenArgument(const c10::Argument& result) const {
    const auto* alias = result.alias_info();
    if (alias == nullptr || !alias->isWrite()) return nullptr;
    for (size_t i = 0; i < arguments_.size(); ++i) {
      const auto* of = schema_arguments()[i].alias_info();
      if (of != nullptr && of->isWrite() && of->beforeSets() == alias->beforeSets())
        return &arguments_[i];
    }
    return nullptr;
  }

  static c10::Device HpuDevice() { return {c10::DeviceType::HPU, 0}; }

  const c10::OperatorHandle op_;
  const std::vector<c10::IValue> arguments_;
  const StreamIndex stream_;
  const std::string source_, name_;
  bool ran_ = false;
  std::vector<c10::IValue> results_;
};

std::string Setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

}  // namespace

const std::string* LineOfHostStep() { return line_of_host_step; }

DataDependence DataDependenceMode() {
  const std::string mode = Setting("OPENHPU_GRAPH_DATA_DEPENDENCE", "guard");
  if (mode == "guard") return DataDependence::kGuard;
  if (mode == "error") return DataDependence::kError;
  TORCH_CHECK(mode == "freeze", "OPENHPU_GRAPH_DATA_DEPENDENCE=", mode,
              ": expected guard, error or freeze");
  return DataDependence::kFreeze;
}

bool CpuOpsBreakCaptures() {
  const std::string mode = Setting("OPENHPU_GRAPH_CPU_OPS", "refuse");
  TORCH_CHECK(mode == "refuse" || mode == "break", "OPENHPU_GRAPH_CPU_OPS=", mode,
              ": expected refuse or break");
  return mode == "break";
}

void RunAsHostStep(const c10::OperatorHandle& op, torch::jit::Stack* stack,
                   const std::string& source) {
  Device* device = ValueOrThrow(Device::Get());
  const auto count = static_cast<ptrdiff_t>(op.schema().arguments().size());
  const StreamIndex stream = Device::CurrentStream();
  auto host = std::make_shared<HostOperator>(
      op, std::vector<c10::IValue>(stack->end() - count, stack->end()), stream, source);
  std::vector<std::shared_ptr<graph::Storage>> reads;
  for (const at::Tensor& t : host->Reads()) reads.push_back(Ref(t).storage);

  std::lock_guard lock(device->mutex());
  Capture* capture = device->current_capture();
  TORCH_CHECK(capture != nullptr, host->name(), ": no capture is in progress");
  TORCH_CHECK(!capture->dry_run, host->name(), " at ", source,
              ": OPENHPU_GRAPH_CPU_OPS=break cannot run an operator on the CPU in a dry run: its "
              "operands have not been computed");
  const absl::Status status = device->current_recorder().HostStep(
      [device, host]() -> absl::Status {
        try {
          host->Run(*device);
        } catch (const c10::Error& error) {
          return absl::FailedPreconditionError(error.what_without_backtrace());
        } catch (const std::exception& error) {
          return absl::FailedPreconditionError(error.what());
        }
        return absl::OkStatus();
      },
      reads, {});
  if (!status.ok()) device->DiscardCapture(*capture, status.message());
  ThrowIfError(status);
  stack->erase(stack->end() - count, stack->end());
  for (const c10::IValue& result : host->results()) stack->push_back(result);
}

}  // namespace openhpu::python
