// Pinned host memory: what `pin_memory()` gives is host memory that knows it. The simulated card
// reads all of the host's alike.
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include <memory>

#include "python/native/lowering.h"

namespace openhpu::python {
namespace {

void DeletePinned(void* context) {
  std::unique_ptr<c10::DataPtr>(static_cast<c10::DataPtr*>(context));
}

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const override {
    auto memory = std::make_unique<c10::DataPtr>(c10::GetCPUAllocator()->allocate(bytes));
    void* data = memory->get();
    return {data, memory.release(), &DeletePinned, c10::Device(c10::kCPU)};
  }
};

at::Tensor PinMemory(const at::Tensor& self, c10::optional<c10::Device> /*device*/) {
  TORCH_CHECK(self.device().is_cpu(), "cannot pin '", self.toString(),
              "' only dense CPU tensors can be pinned");
  static PinnedAllocator allocator;
  const size_t bytes =
      at::detail::computeStorageNbytes(self.sizes(), self.strides(), self.dtype().itemsize());
  at::Storage storage(c10::Storage::use_byte_size_t(), bytes, allocator.allocate(bytes), &allocator,
                      /*resizable=*/false);
  at::Tensor pinned = at::empty({0}, self.options().pinned_memory(false));
  pinned.set_(std::move(storage), 0, self.sizes(), self.strides());
  return pinned.copy_(self);
}

bool IsPinned(const at::Tensor& self, c10::optional<c10::Device> /*device*/) {
  return self.device().is_cpu() && self.has_storage() &&
         self.storage().data_ptr().get_deleter() == &DeletePinned;
}

}  // namespace

void RegisterPinned(torch::Library& library) {
  library.impl("_pin_memory", TORCH_FN(PinMemory));
  library.impl("is_pinned", TORCH_FN(IsPinned));
}

}  // namespace openhpu::python
