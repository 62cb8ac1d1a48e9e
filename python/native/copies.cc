// Copies between host and device, and inside the device. int64 and float64 are narrowed to int32
// and float32 on the way in, with a range check, and widened on the way out.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "python/native/device.h"
#include "python/native/gil.h"
#include "python/native/host_step.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

bool IsHpu(const at::Tensor& t) { return t.device().type() == c10::DeviceType::HPU; }

bool RangeChecked() {
  static const bool checked = [] {
    const char* value = std::getenv("PT_HPU_ENABLE_VALID_DATA_RANGE_CHECK");
    return value == nullptr || (std::string(value) != "0" && std::string(value) != "false");
  }();
  return checked;
}

// `from` holds `count` elements of the host's type; infinities and NaNs pass.
template <typename Device, typename Host>
std::vector<char> Narrow(const void* from, int64_t count) {
  const Host* values = static_cast<const Host*>(from);
  std::vector<char> out(static_cast<size_t>(count) * sizeof(Device));
  Device* narrow = reinterpret_cast<Device*>(out.data());
  constexpr Host kLow = std::numeric_limits<Device>::lowest(),
                 kHigh = std::numeric_limits<Device>::max();
  Host low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    bool finite = true;
    if constexpr (std::is_floating_point_v<Host>) finite = std::isfinite(values[i]);
    if (finite) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    narrow[i] = static_cast<Device>(values[i]);
  }
  constexpr bool kInteger = std::is_integral_v<Host>;
  TORCH_CHECK(!RangeChecked() || (low >= kLow && high <= kHigh), "Error when trying to cast ",
              kInteger ? "Long to Int" : "Double to Float", ", Input values range [", low, ", ",
              high, "] exceeds ", kInteger ? "Int" : "Float", " range [", kLow, ", ", kHigh, "]");
  return out;
}

template <typename Device, typename Host>
void Widen(const std::vector<char>& from, void* to) {
  const Device* narrow = reinterpret_cast<const Device*>(from.data());
  Host* out = static_cast<Host*>(to);
  for (size_t i = 0; i < from.size() / sizeof(Device); ++i) out[i] = static_cast<Host>(narrow[i]);
}

uint64_t DeviceBytes(int64_t elements, c10::ScalarType type) {
  return static_cast<uint64_t>(elements) * StorageBytes(ToDType(type));
}

// dst is dense; src is a dense CPU tensor of its dtype.
void Upload(const at::Tensor& src, const at::Tensor& dst) {
  Device* device = ValueOrThrow(Device::Get());
  const c10::ScalarType type = dst.scalar_type();
  std::vector<char> narrowed;
  const void* bytes = src.data_ptr();
  if (type == c10::kLong) narrowed = Narrow<int32_t, int64_t>(bytes, dst.numel());
  if (type == c10::kDouble) narrowed = Narrow<float, double>(bytes, dst.numel());
  if (IsNarrowed(type)) bytes = narrowed.data();
  graph::Storage& storage = StorageOf(dst);
  WithoutGil no_gil;
  std::lock_guard lock(device->mutex());
  ThrowIfError(device->current_recorder().CopyFromHost(
      bytes, DeviceBytes(dst.numel(), type), storage, DeviceBytes(dst.storage_offset(), type)));
}

// src is dense on hpu; dst is a dense CPU tensor of its dtype. In a capture the value becomes a
// guard: a replay that would read another one fails.
void Download(const at::Tensor& src, const at::Tensor& dst) {
  Device* device = ValueOrThrow(Device::Get());
  const c10::ScalarType type = src.scalar_type();
  const uint64_t bytes = DeviceBytes(src.numel(), type);
  std::vector<char> narrow(IsNarrowed(type) ? bytes : 0);
  char* host = IsNarrowed(type) ? narrow.data() : static_cast<char*>(dst.data_ptr());
  graph::Storage& storage = StorageOf(src);
  const bool guarded = Device::InCapture() && DataDependenceMode() == DataDependence::kGuard;
  const std::string line = guarded ? UserLine() : "";  // before the lock
  {
    WithoutGil no_gil;
    std::lock_guard lock(device->mutex());
    graph::Recorder& recorder = device->current_recorder();
    absl::Status status =
        recorder.CopyToHost(storage, DeviceBytes(src.storage_offset(), type), bytes, host);
    if (status.ok() && guarded) {
      const auto* read = reinterpret_cast<const std::byte*>(host);
      status = recorder.Guard(Ref(src), {read, read + bytes}, line);
    }
    Capture* capture = device->current_capture();
    if (!status.ok() && capture != nullptr) device->DiscardCapture(*capture, status.message());
    ThrowIfError(status);
    ThrowIfError(device->TakeDeferredError());
  }
  if (type == c10::kLong) Widen<int32_t, int64_t>(narrow, dst.data_ptr());
  if (type == c10::kDouble) Widen<float, double>(narrow, dst.data_ptr());
}

void RefuseReadingIfAsked(const char* what) {
  if (Device::InCapture() && DataDependenceMode() == DataDependence::kError)
    RefuseDuringCapture(what, "a replay could not give the host its values");
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
    // A capture keeps the values: each replay copies them from a tensor that nobody writes.
    if (dst.is_contiguous() && !Device::InCapture()) {
      Upload(dense, dst);
    } else {
      const at::Tensor staged = EmptyContiguous(dst.sizes(), dst.scalar_type());
      Upload(dense, staged);
      RecordCopy(staged, dst);
    }
    return dst;
  }
  TORCH_CHECK(dst.device().is_cpu(), "copies from hpu to ", dst.device(), " are not supported");
  RefuseReadingIfAsked("a copy from hpu to the host");
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
  RefuseReadingIfAsked("aten::_local_scalar_dense");
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
