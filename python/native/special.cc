// ATen operators that do not fit the generic form: other argument orders, optional operands, or a
// backend's own entry points.
#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <set>

#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {

void RegisterViews(torch::Library& library);
void RegisterCopies(torch::Library& library);

namespace {

graph::Attribute ToAttribute(const c10::Scalar& value) {
  if (value.isBoolean()) return value.toBool();
  if (value.isFloatingPoint()) return value.toDouble();
  return static_cast<int64_t>(value.toLong());
}

std::vector<int64_t> ToVector(at::IntArrayRef values) { return values.vec(); }

at::Tensor& Fill(at::Tensor& self, const c10::Scalar& value) {
  if (self.numel() > 0)
    Record("full", {{"fill_value", ToAttribute(value)}, {"size", self.sizes().vec()}}, {}, {self});
  return self;
}

at::Tensor& FillTensor(at::Tensor& self, const at::Tensor& value) {
  TORCH_CHECK(value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ",
              value.dim(), " dimensions.");
  if (self.numel() > 0) RecordCopy(OnDevice(value, self.scalar_type()), self);
  return self;
}

at::Tensor& Zero(at::Tensor& self) { return Fill(self, 0); }

at::Tensor& ArangeOut(const c10::Scalar& start, const c10::Scalar& end, const c10::Scalar& step,
                      at::Tensor& out) {
  const at::Tensor meta =
      at::arange(start, end, step, at::TensorOptions().dtype(out.scalar_type()).device(c10::kMeta));
  at::native::resize_output(out, meta.sizes());
  if (out.numel() > 0)
    Record("arange", {{"start", ToAttribute(start)}, {"step", ToAttribute(step)}}, {}, {out});
  return out;
}

// Every convolution of a device without its own arrives here. 1-D ones come as 2-D with a height of
// one.
at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight,
                       const c10::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  const auto meta_of = [](const at::Tensor& t) {
    return at::empty_strided(t.sizes(), t.strides(), t.options().device(c10::kMeta));
  };
  const at::Tensor meta = at::convolution(
      meta_of(input), meta_of(weight),
      bias && bias->defined() ? c10::optional<at::Tensor>(meta_of(*bias)) : c10::nullopt, stride,
      padding, dilation, transposed, output_padding, groups);
  TORCH_CHECK_NOT_IMPLEMENTED(!transposed,
                              "aten::convolution: transposed convolution is not supported on hpu");
  TORCH_CHECK_NOT_IMPLEMENTED(input.dim() <= 4,
                              "aten::convolution: 3-D convolution is not supported on hpu");
  const at::Tensor out = EmptyContiguous(meta.sizes(), meta.scalar_type());
  if (out.numel() == 0) return out;
  const bool has_bias = bias && bias->defined();
  std::vector<at::Tensor> inputs = {input, weight};
  if (has_bias) inputs.push_back(*bias);
  Record("convolution",
         {{"stride", ToVector(stride)},
          {"padding", ToVector(padding)},
          {"dilation", ToVector(dilation)},
          {"groups", groups},
          {"has_bias", has_bias}},
         inputs, {out});
  return out;
}

const std::set<std::string> kByHand = {"full",
                                       "fill_.Scalar",
                                       "fill_.Tensor",
                                       "zero_",
                                       "arange",
                                       "arange.start",
                                       "arange.start_step",
                                       "arange.start_out",
                                       "arange.out",
                                       "convolution",
                                       "convolution_overrideable",
                                       "copy_",
                                       "_copy_from",
                                       "clone",
                                       "_to_copy",
                                       "copy"};

}  // namespace

void RegisterLowerings() {
  // Libraries live as long as the process: the dispatcher forgets what a destroyed one registered.
  static auto* const aten =
      new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::HPU, __FILE__, __LINE__);
  static auto* const all =
      new torch::Library(torch::Library::IMPL, "_", c10::DispatchKey::HPU, __FILE__, __LINE__);
  RegisterViews(*aten);
  RegisterCopies(*aten);
  aten->impl("fill_.Scalar", TORCH_FN(Fill));
  aten->impl("fill_.Tensor", TORCH_FN(FillTensor));
  aten->impl("zero_", TORCH_FN(Zero));
  aten->impl("arange.start_out", TORCH_FN(ArangeOut));
  aten->impl("convolution_overrideable", TORCH_FN(Convolution));
  RegisterDeclared(*aten, kByHand);
  all->fallback(torch::CppFunction::makeFromBoxedFunction<&FallBack>());
}

}  // namespace openhpu::python
