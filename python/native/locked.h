// How the module's functions reach the device.
#ifndef PYTHON_NATIVE_LOCKED_H_
#define PYTHON_NATIVE_LOCKED_H_

#include <pybind11/pybind11.h>
#include <torch/csrc/autograd/python_variable.h>

#include <mutex>

#include "python/native/device.h"
#include "python/native/gil.h"
#include "python/native/tensor.h"

namespace openhpu::python {

inline at::Tensor TensorOf(const pybind11::handle& object) {
  if (!THPVariable_Check(object.ptr())) throw pybind11::type_error("expected a torch.Tensor");
  return THPVariable_Unpack(object.ptr());
}

// Runs `work(device)` with the device locked and the interpreter free.
template <typename Work>
auto Locked(Work work) {
  WithoutGil no_gil;
  Device* device = ValueOrThrow(Device::Get());
  std::lock_guard lock(device->mutex());
  return work(*device);
}

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_LOCKED_H_
