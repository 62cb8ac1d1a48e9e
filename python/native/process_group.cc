// Work of a collective that the device has been given. Python's own subclass of torch's Work would
// not do: what C++ keeps of it (DistributedDataParallel does) forgets its methods when Python's
// part of the object dies.
#include <torch/csrc/jit/python/pybind_utils.h>
#include <torch/csrc/utils/pybind.h>

#include <chrono>
#include <memory>
#include <torch/csrc/distributed/c10d/Work.hpp>
#include <utility>
#include <vector>

#include "python/native/bridge.h"

namespace openhpu::python {
namespace {

namespace py = pybind11;

class DoneWork final : public c10d::Work {
 public:
  DoneWork(std::vector<at::Tensor> tensors, c10::intrusive_ptr<c10::ivalue::Future> future)
      : tensors_(std::move(tensors)), future_(std::move(future)) {}
  bool isCompleted() override { return true; }
  bool isSuccess() const override { return true; }
  bool wait(std::chrono::milliseconds /*timeout*/) override { return true; }
  void synchronize() override {}
  std::vector<at::Tensor> result() override { return tensors_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

 private:
  const std::vector<at::Tensor> tensors_;
  const c10::intrusive_ptr<c10::ivalue::Future> future_;
};

}  // namespace

void RegisterProcessGroup(py::module_& module) {
  // `future`: a torch.futures.Future that is done.
  module.def("done_work", [](std::vector<at::Tensor> tensors,
                             const std::shared_ptr<torch::jit::PythonFutureWrapper>& future) {
    return c10::intrusive_ptr<c10d::Work>(
        c10::make_intrusive<DoneWork>(std::move(tensors), future->fut));
  });
}

}  // namespace openhpu::python
