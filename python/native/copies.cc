// Copies between host and device, and inside the device. int64 is narrowed to int32 on the way in,
// with a range check, and widened on the way out.
#include <ATen/ATen.h>
#include <pybind11/pybind11.h>
#include <torch/library.h>

#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

bool IsHpu(const at::Tensor& t) { return t.device().type() == c10::DeviceType::HPU; }

// Waiting for the device must not hold the interpreter; backward threads have it not.
class WithoutGil {
 public:
  WithoutGil() {
    if (Py_IsInitialized() && PyGILState_Check()) state_ = PyEval_SaveThread();
  }
  ~WithoutGil() {
    if (state_ != nullptr) PyEval_RestoreThread(state_);
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

bool RangeChecked() {
  static const bool checked = [] {
    const char* value = std::getenv("PT_HPU_ENABLE_VALID_DATA_RANGE_CHECK");
    return value == nullptr || (std::string(value) != "0" && std::string(value) != "false");
  }();
  return checked;
}

std::vector<int32_t> Narrow(const int64_t* from, int64_t count) {
  std::vector<int32_t> out(static_cast<size_t>(count));
  const bool checked = RangeChecked();
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(!checked || (from[i] >= std::numeric_limits<int32_t>::min() &&
                             from[i] <= std::numeric_limits<int32_t>::max()),
                "Error when trying to cast Long to Int, Input values range exceeds the int32 range "
                "that hpu stores int64 in: ",
                from[i], " at flat index ", i);
    out[static_cast<size_t>(i)] = static_cast<int32_t>(from[i]);
  }
  return out;
}

// dst is dense; src is a dense CPU tensor of its dtype.
void Upload(const at::Tensor& src, const at::Tensor& dst) {
  Device* device = ValueOrThrow(Device::Get());
  const int64_t count = dst.numel();
  const uint64_t width = StorageBytes(ToDType(dst.scalar_type()));
  const uint64_t offset = static_cast<uint64_t>(dst.storage_offset()) * width;
  std::vector<int32_t> narrowed;
  const void* bytes = src.data_ptr();
  if (dst.scalar_type() == c10::kLong) {
    narrowed = Narrow(src.data_ptr<int64_t>(), count);
    bytes = narrowed.data();
  }
  WithoutGil no_gil;
  std::lock_guard lock(device->mutex());
  ThrowIfError(device->current_recorder().CopyFromHost(bytes, static_cast<uint64_t>(count) * width,
                                                       StorageOf(dst), offset));
}

// src is dense on hpu; dst is a dense CPU tensor of its dtype.
void Download(const at::Tensor& src, const at::Tensor& dst) {
  Device* device = ValueOrThrow(Device::Get());
  const int64_t count = src.numel();
  const uint64_t width = StorageBytes(ToDType(src.scalar_type()));
  const uint64_t offset = static_cast<uint64_t>(src.storage_offset()) * width;
  const bool widen = src.scalar_type() == c10::kLong;
  std::vector<int32_t> narrow(widen ? static_cast<size_t>(count) : 0);
  {
    WithoutGil no_gil;
    std::lock_guard lock(device->mutex());
    ThrowIfError(device->current_recorder().CopyToHost(
        StorageOf(src), offset, static_cast<uint64_t>(count) * width,
        widen ? static_cast<void*>(narrow.data()) : dst.data_ptr()));
  }
  if (!widen) return;
  int64_t* out = dst.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) out[i] = narrow[static_cast<size_t>(i)];
}

at::Tensor CopyFrom(const at::Tensor& self, const at::Tensor& dst, bool /*non_blocking*/) {
  if (dst.numel() == 0) return dst;
  if (IsHpu(self) && IsHpu(dst)) {
    RecordCopy(self, dst);
    return dst;
  }
  if (IsHpu(dst)) {
    TORCH_CHECK(self.device().is_cpu(), "copies from ", self.device(), " to hpu are not supported");
    ToDType(dst.scalar_type());
    const at::Tensor dense = self.to(dst.scalar_type()).expand(dst.sizes()).contiguous();
    if (dst.is_contiguous()) {
      Upload(dense, dst);
    } else {
      const at::Tensor staged = EmptyContiguous(dst.sizes(), dst.scalar_type());
      Upload(dense, staged);
      RecordCopy(staged, dst);
    }
    return dst;
  }
  TORCH_CHECK(dst.device().is_cpu(), "copies from hpu to ", dst.device(), " are not supported");
  at::Tensor dense = self;
  if (!self.is_contiguous()) {
    dense = EmptyContiguous(self.sizes(), self.scalar_type());
    RecordCopy(self, dense);
  }
  const bool direct =
      dst.is_contiguous() && dst.scalar_type() == self.scalar_type() && dst.sizes() == self.sizes();
  const at::Tensor host =
      direct ? dst : at::empty(dense.sizes(), dense.options().device(c10::kCPU));
  Download(dense, host);
  if (!direct) dst.copy_(host.expand(dst.sizes()));
  return dst;
}

at::Tensor CopyFromAndResize(const at::Tensor& self, const at::Tensor& dst) {
  if (dst.sizes() != self.sizes()) dst.resize_(self.sizes());
  return CopyFrom(self, dst, false);
}

at::Scalar LocalScalarDense(const at::Tensor& self) {
  const at::Tensor host = at::empty({}, self.options().device(c10::kCPU));
  CopyFrom(self.reshape({}), host, false);
  return host.item();
}

}  // namespace

void RegisterCopies(torch::Library& library) {
  library.impl("_copy_from", TORCH_FN(CopyFrom));
  library.impl("_copy_from_and_resize", TORCH_FN(CopyFromAndResize));
  library.impl("_local_scalar_dense", TORCH_FN(LocalScalarDense));
}

}  // namespace openhpu::python
