// at::Tensor <-> graph: storages whose memory appears when a segment that writes them is launched.
//
// A StorageImpl's DataPtr holds a graph::Storage in its context and a placeholder as its address:
// non-null, never dereferenced (a page without access), because a null pointer makes Python's
// storage() throw. StorageImpl counts logical bytes (int64 and float64: 8 an element), the
// graph::Storage device bytes (4: they are stored as int32 and float32).
#ifndef PYTHON_NATIVE_TENSOR_H_
#define PYTHON_NATIVE_TENSOR_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/ScalarType.h>

#include <memory>

#include "absl/status/status.h"
#include "graph/recorder.h"
#include "hal/base/dtype.h"

namespace openhpu::python {

// c10::Error (a RuntimeError in Python) with the status's message.
void ThrowIfError(const absl::Status& status);
template <typename T>
T ValueOrThrow(absl::StatusOr<T> value) {
  ThrowIfError(value.status());
  return *std::move(value);
}

// The device's dtype for torch's; float64 is float32 there. Throws naming the ones it does not have
// (float16, complex ...).
DType ToDType(c10::ScalarType type);
// int64 and float64: half as wide on the device.
inline bool IsNarrowed(c10::ScalarType type) { return type == c10::kLong || type == c10::kDouble; }
c10::ScalarType ToScalarType(DType type);

c10::Allocator* HpuAllocator();

// An uninitialised tensor on hpu.
at::Tensor EmptyTensor(at::IntArrayRef sizes, at::IntArrayRef strides, c10::ScalarType type);
at::Tensor EmptyContiguous(at::IntArrayRef sizes, c10::ScalarType type);

// A view of self's storage with other sizes, strides (elements) and offset; `type` has the width of
// self's, on host and device.
at::Tensor MakeView(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                    int64_t offset);

// Like `tensor`, on this storage, which is as large as its own.
at::Tensor WithStorage(const at::Tensor& tensor, std::shared_ptr<graph::Storage> storage);

// What the recorder takes. Throws unless the tensor lives on hpu and its storage is ours.
graph::TensorRef Ref(const at::Tensor& tensor);
graph::Storage& StorageOf(const at::Tensor& tensor);
// Makes room for `elements` from the start (resize_): the contents up to the old size are kept.
void GrowStorage(const at::Tensor& tensor, int64_t elements);

// The device address of the tensor's first element; materialises.
uint64_t DeviceAddressOf(const at::Tensor& tensor);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_TENSOR_H_
