// Factories and views: what makes tensors without work on the device. Views share their storage;
// none of them may ever fall back to the CPU, where a write through the copy would be lost.
#include <ATen/ATen.h>
#include <ATen/InferSize.h>
#include <ATen/TensorUtils.h>
#include <ATen/WrapDimUtils.h>
#include <torch/library.h>

#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

at::Tensor Empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> dtype,
                 c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>,
                 c10::optional<at::MemoryFormat> format) {
  const c10::ScalarType type = dtype.value_or(at::typeMetaToScalarType(at::get_default_dtype()));
  const c10::MemoryFormat wanted = format.value_or(c10::MemoryFormat::Contiguous);
  if (wanted == c10::MemoryFormat::ChannelsLast)
    return EmptyTensor(sizes, c10::get_channels_last_strides_2d(sizes), type);
  if (wanted == c10::MemoryFormat::ChannelsLast3d)
    return EmptyTensor(sizes, c10::get_channels_last_strides_3d(sizes), type);
  return EmptyContiguous(sizes, type);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides,
                        c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                        c10::optional<at::Device>, c10::optional<bool>) {
  return EmptyTensor(sizes, strides,
                     dtype.value_or(at::typeMetaToScalarType(at::get_default_dtype())));
}

at::Tensor AsStrided(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                     c10::optional<int64_t> offset) {
  return MakeView(self, sizes, strides, offset.value_or(self.storage_offset()));
}

at::Tensor View(const at::Tensor& self, at::IntArrayRef wanted) {
  const at::DimVector sizes = at::infer_size_dv(wanted, self.numel());
  const auto strides = at::detail::computeStride(self.sizes(), self.strides(), sizes);
  TORCH_CHECK(strides.has_value(),
              "view size is not compatible with input tensor's size and stride (at least one "
              "dimension spans across two contiguous subspaces). Use "
              ".reshape(...) instead.");
  return MakeView(self, sizes, *strides, self.storage_offset());
}

at::Tensor ReshapeAlias(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides) {
  return MakeView(self, sizes, strides, self.storage_offset());
}

at::Tensor Alias(const at::Tensor& self) {
  return MakeView(self, self.sizes(), self.strides(), self.storage_offset());
}

at::Tensor Unfold(const at::Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  const int64_t dim = at::maybe_wrap_dim(dimension, self.dim(), /*wrap_scalar=*/true);
  at::DimVector sizes(self.sizes().begin(), self.sizes().end());
  at::DimVector strides(self.strides().begin(), self.strides().end());
  const int64_t extent = self.dim() == 0 ? 1 : sizes[dim];
  TORCH_CHECK(step > 0, "step is ", step, " but must be > 0");
  TORCH_CHECK(size <= extent, "maximum size for tensor at dimension ", dim, " is ", extent,
              " but size is ", size);
  sizes.push_back(size);
  strides.push_back(self.dim() == 0 ? 1 : strides[dim]);
  if (self.dim() > 0) {
    sizes[dim] = (extent - size) / step + 1;
    strides[dim] *= step;
  }
  return MakeView(self, sizes, strides, self.storage_offset());
}

at::Tensor ViewDtype(const at::Tensor& self, at::ScalarType type) {
  if (type == self.scalar_type()) return Alias(self);
  TORCH_CHECK(c10::elementSize(type) == c10::elementSize(self.scalar_type()) &&
                  type != c10::kLong && self.scalar_type() != c10::kLong,
              "view(dtype) from ", self.scalar_type(), " to ", type,
              " is not supported on hpu: both must have one width, and int64 is stored as int32 on "
              "the device");
  at::Tensor view = MakeView(self, self.sizes(), self.strides(), self.storage_offset());
  view.unsafeGetTensorImpl()->set_storage_and_dtype(self.storage(),
                                                    c10::scalarTypeToTypeMeta(type));
  return view;
}

const at::Tensor& Resize(const at::Tensor& self, at::IntArrayRef sizes,
                         c10::optional<at::MemoryFormat> format) {
  TORCH_CHECK(
      !format || *format == c10::MemoryFormat::Contiguous || *format == c10::MemoryFormat::Preserve,
      "resize_ to a memory format other than contiguous is not supported on hpu");
  int64_t elements = 1;
  for (int64_t s : sizes) elements *= s;
  GrowStorage(self, self.storage_offset() + elements);
  self.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return self;
}

at::Tensor& SetStorage(at::Tensor& self, at::Storage source, int64_t offset, at::IntArrayRef sizes,
                       at::IntArrayRef strides) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(source));
  self.unsafeGetTensorImpl()->set_storage_offset(offset);
  if (strides.size() == sizes.size() && !sizes.empty()) {
    self.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  } else {
    self.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  }
  return self;
}

at::Tensor& SetTensor(at::Tensor& self, const at::Tensor& source) {
  return SetStorage(self, source.storage(), source.storage_offset(), source.sizes(),
                    source.strides());
}

at::Tensor& SetSource(at::Tensor& self, at::Storage source) {
  const int64_t elements =
      static_cast<int64_t>(source.nbytes() / c10::elementSize(self.scalar_type()));
  return SetStorage(self, std::move(source), 0, {elements}, {1});
}

at::Tensor& SetNothing(at::Tensor& self) {
  return SetTensor(self, EmptyContiguous({0}, self.scalar_type()));
}

}  // namespace

void RegisterViews(torch::Library& library) {
  library.impl("empty.memory_format", TORCH_FN(Empty));
  library.impl("empty_strided", TORCH_FN(EmptyStrided));
  library.impl("as_strided", TORCH_FN(AsStrided));
  library.impl("view", TORCH_FN(View));
  library.impl("view.dtype", TORCH_FN(ViewDtype));
  library.impl("_reshape_alias", TORCH_FN(ReshapeAlias));
  library.impl("alias", TORCH_FN(Alias));
  library.impl("unfold", TORCH_FN(Unfold));
  library.impl("resize_", TORCH_FN(Resize));
  library.impl("set_.source_Storage_storage_offset", TORCH_FN(SetStorage));
  library.impl("set_.source_Tensor", TORCH_FN(SetTensor));
  library.impl("set_.source_Storage", TORCH_FN(SetSource));
  library.impl("set_", TORCH_FN(SetNothing));
}

}  // namespace openhpu::python
