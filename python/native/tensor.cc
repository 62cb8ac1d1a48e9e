#include "python/native/tensor.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/TensorBase.h>
#include <c10/core/StorageImpl.h>
#include <c10/core/TensorImpl.h>
#include <sys/mman.h>

#include <utility>

#include "python/native/device.h"

namespace openhpu::python {
namespace {

// AutocastXPU is PyTorch's spare key: autocast.cc casts there. Excluded unless autocast is on.
constexpr c10::DispatchKeySet kHpuKeys({c10::DispatchKey::HPU, c10::DispatchKey::AutocastXPU});

// What a DataPtr's context points to. `element_bytes` are logical ones: 8 for int64, whose device
// storage is half of that.
struct StorageContext {
  std::shared_ptr<graph::Storage> storage;
};

void DeleteContext(void* context) { delete static_cast<StorageContext*>(context); }

// One page that nobody may touch: a wild read of a placeholder faults instead of reading something.
void* Placeholder() {
  static void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page;
}

c10::DataPtr MakeDataPtr(uint64_t device_bytes) {
  Device* device = ValueOrThrow(Device::Get());
  auto* context = new StorageContext{device->engine().NewStorage(device_bytes)};
  return {Placeholder(), context, &DeleteContext, c10::Device(c10::DeviceType::HPU, 0)};
}

// For code of PyTorch's own that allocates by bytes; the tensors made here go through EmptyTensor,
// which knows the dtype.
class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const override { return MakeDataPtr(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &DeleteContext; }
};

StorageContext& ContextOf(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.device().type() == c10::DeviceType::HPU,
              "expected a tensor on hpu, got one on ", tensor.device());
  const c10::DataPtr& data = tensor.storage().data_ptr();
  TORCH_CHECK(data.get_deleter() == &DeleteContext,
              "the tensor's storage was not allocated by the hpu device");
  return *static_cast<StorageContext*>(data.get_context());
}

uint64_t DeviceBytes(int64_t elements, c10::ScalarType type) {
  return static_cast<uint64_t>(elements) * StorageBytes(ToDType(type));
}

int64_t SpannedElements(at::IntArrayRef sizes, at::IntArrayRef strides) {
  int64_t last = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return 0;
    last += (sizes[d] - 1) * strides[d];
  }
  return last + 1;
}

}  // namespace

void ThrowIfError(const absl::Status& status) {
  TORCH_CHECK(status.ok(), std::string(status.message()));
}

DType ToDType(c10::ScalarType type) {
  switch (type) {
    case c10::kFloat:
      return DType::kFloat32;
    case c10::kDouble:
      return DType::kFloat32;
    case c10::kBFloat16:
      return DType::kBFloat16;
    case c10::kInt:
      return DType::kInt32;
    case c10::kShort:
      return DType::kInt16;
    case c10::kChar:
      return DType::kInt8;
    case c10::kByte:
      return DType::kUInt8;
    case c10::kBool:
      return DType::kBool;
    case c10::kLong:
      return DType::kInt64;
    default:
      TORCH_CHECK(false, "dtype torch.", c10::toString(type),
                  " is not supported on hpu; supported are float32, float64 (stored as float32), "
                  "bfloat16, int64 (stored as int32), int32, int16, int8, uint8 and bool");
  }
}

c10::ScalarType ToScalarType(DType type) {
  switch (type) {
    case DType::kFloat32:
      return c10::kFloat;
    case DType::kBFloat16:
      return c10::kBFloat16;
    case DType::kInt32:
      return c10::kInt;
    case DType::kInt16:
      return c10::kShort;
    case DType::kInt8:
      return c10::kChar;
    case DType::kUInt8:
      return c10::kByte;
    case DType::kBool:
      return c10::kBool;
    case DType::kInt64:
      return c10::kLong;
  }
  return c10::kFloat;
}

c10::Allocator* HpuAllocator() {
  static Allocator allocator;
  return &allocator;
}

at::Tensor EmptyTensor(at::IntArrayRef sizes, at::IntArrayRef strides, c10::ScalarType type) {
  const int64_t elements = SpannedElements(sizes, strides);
  auto storage = c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), elements * static_cast<int64_t>(c10::elementSize(type)),
      MakeDataPtr(DeviceBytes(elements, type)), HpuAllocator(), /*resizable=*/true);
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), kHpuKeys,
                                                               c10::scalarTypeToTypeMeta(type));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return tensor;
}

at::Tensor EmptyContiguous(at::IntArrayRef sizes, c10::ScalarType type) {
  const graph::Dims strides = graph::ContiguousStrides({sizes.data(), sizes.size()});
  return EmptyTensor(sizes, {strides.data(), strides.size()}, type);
}

at::Tensor MakeView(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                    int64_t offset) {
  at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
      c10::TensorImpl::VIEW, c10::Storage(self.storage()), self.key_set(), self.dtype());
  view.unsafeGetTensorImpl()->set_storage_offset(offset);
  view.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return view;
}

at::Tensor WithStorage(const at::Tensor& tensor, std::shared_ptr<graph::Storage> storage) {
  auto impl = c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), tensor.storage().nbytes(),
      c10::DataPtr(Placeholder(), new StorageContext{std::move(storage)}, &DeleteContext,
                   c10::Device(c10::DeviceType::HPU, 0)),
      HpuAllocator(), /*resizable=*/true);
  at::Tensor like =
      at::detail::make_tensor<c10::TensorImpl>(std::move(impl), tensor.key_set(), tensor.dtype());
  like.unsafeGetTensorImpl()->set_storage_offset(tensor.storage_offset());
  like.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  return like;
}

graph::TensorRef Ref(const at::Tensor& tensor) {
  graph::TensorRef ref;
  ref.storage = ContextOf(tensor).storage;
  ref.dtype = ToDType(tensor.scalar_type());
  ref.sizes.assign(tensor.sizes().begin(), tensor.sizes().end());
  ref.strides.assign(tensor.strides().begin(), tensor.strides().end());
  ref.offset = tensor.storage_offset();
  return ref;
}

graph::Storage& StorageOf(const at::Tensor& tensor) { return *ContextOf(tensor).storage; }

void GrowStorage(const at::Tensor& tensor, int64_t elements) {
  StorageContext& context = ContextOf(tensor);
  const uint64_t wanted = DeviceBytes(elements, tensor.scalar_type());
  if (wanted <= context.storage->bytes()) return;
  Device* device = ValueOrThrow(Device::Get());
  std::shared_ptr<graph::Storage> larger = device->engine().NewStorage(wanted);
  const uint64_t kept = context.storage->bytes();
  if (kept > 0) {
    const auto flat = [&](std::shared_ptr<graph::Storage> storage) {
      return graph::TensorRef{
          std::move(storage), DType::kUInt8, {static_cast<int64_t>(kept)}, {1}, 0};
    };
    std::lock_guard lock(device->mutex());
    ThrowIfError(device->current_recorder().Record("copy", {}, {flat(context.storage)},
                                                   {flat(larger)}, "resize_"));
  }
  context.storage = std::move(larger);
  tensor.storage().unsafeGetStorageImpl()->set_nbytes(
      elements * static_cast<int64_t>(c10::elementSize(tensor.scalar_type())));
}

uint64_t DeviceAddressOf(const at::Tensor& tensor) {
  Device* device = ValueOrThrow(Device::Get());
  std::lock_guard lock(device->mutex());
  const DeviceAddress base = ValueOrThrow(StorageOf(tensor).Address());
  return base.value() + static_cast<uint64_t>(tensor.storage_offset()) *
                            StorageBytes(ToDType(tensor.scalar_type()));
}

}  // namespace openhpu::python
