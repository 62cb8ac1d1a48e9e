// ATen operators that do not fit the generic form: other argument orders, optional operands, or a
// backend's own entry points.
#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <optional>
#include <set>
#include <tuple>

#include "python/native/lowering.h"
#include "python/native/random.h"
#include "python/native/tensor.h"

namespace openhpu::python {

void RegisterViews(torch::Library& library);
void RegisterComposites(torch::Library& library);
void RegisterCopies(torch::Library& library);
void RegisterForeach(torch::Library& library);
void RegisterGradients(torch::Library& library);
void RegisterIndexing(torch::Library& library);
void RegisterPinned(torch::Library& library);

namespace {

graph::Attribute ToAttribute(const c10::Scalar& value) {
  if (value.isBoolean()) return value.toBool();
  if (value.isFloatingPoint()) return value.toDouble();
  return static_cast<int64_t>(value.toLong());
}

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
  if (out.numel() == 0) return out;
  Record("arange",
         {{"start", ToAttribute(start)},
          {"end", ToAttribute(end)},
          {"step", ToAttribute(step)},
          {"dtype", ToDType(out.scalar_type())}},
         {}, {out});
  return out;
}

bool Given(const c10::optional<at::Tensor>& t) { return t && t->defined(); }

c10::optional<at::Tensor> OnCpu(const c10::optional<at::Tensor>& t) {
  return Given(t) ? c10::optional<at::Tensor>(t->cpu()) : c10::nullopt;
}

// Every convolution of a device without its own arrives here. PyTorch sends 1-D ones as 2-D with a
// height of one.
at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight,
                       const c10::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  const graph::Attributes attributes = {{"stride", stride.vec()},
                                        {"padding", padding.vec()},
                                        {"dilation", dilation.vec()},
                                        {"transposed", transposed},
                                        {"output_padding", output_padding.vec()},
                                        {"groups", groups}};
  std::vector<at::Tensor> inputs = {input, weight};
  if (Given(bias)) inputs.push_back(*bias);
  const std::optional<std::vector<graph::TensorType>> types =
      InferDeclared("convolution", attributes, inputs);
  if (!types) {
    CountFallback("aten::convolution");
    return at::convolution(input.cpu(), weight.cpu(), OnCpu(bias), stride, padding, dilation,
                           transposed, output_padding, groups)
        .to(input.device());
  }
  const graph::Dims& sizes = (*types)[0].sizes;
  const at::Tensor out = EmptyContiguous({sizes.data(), sizes.size()}, input.scalar_type());
  if (out.numel() > 0) Record("convolution", attributes, inputs, {out});
  return out;
}

using ThreeTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

// By hand because its schema keeps silent about what it writes: in training, the running
// statistics.
ThreeTensors NativeBatchNorm(const at::Tensor& input, const c10::optional<at::Tensor>& weight,
                             const c10::optional<at::Tensor>& bias,
                             const c10::optional<at::Tensor>& mean,
                             const c10::optional<at::Tensor>& variance, bool training,
                             double momentum, double epsilon) {
  graph::Attributes attributes = {{"training", training}, {"momentum", momentum}, {"eps", epsilon}};
  std::vector<at::Tensor> inputs = {input};
  std::vector<int64_t> absent;
  int64_t position = 1;
  for (const auto* t : {&weight, &bias, &mean, &variance}) {
    if (Given(*t)) {
      inputs.push_back(**t);
    } else {
      absent.push_back(position);
    }
    ++position;
  }
  if (!absent.empty()) attributes.Set("absent", std::move(absent));
  const int64_t channels = training ? input.size(1) : 0;
  const at::Tensor out = at::empty_like(input),
                   save_mean = EmptyContiguous({channels}, c10::kFloat),
                   save_rstd = EmptyContiguous({channels}, c10::kFloat);
  if (out.numel() == 0) return {out, save_mean, save_rstd};
  std::vector<at::Tensor> outputs = {out};
  if (training) {
    outputs.insert(outputs.end(), {save_mean, save_rstd});
    for (const auto* t : {&mean, &variance}) {
      if (Given(*t)) outputs.push_back(**t);
    }
  }
  Record("native_batch_norm", std::move(attributes), inputs, outputs);
  return {out, save_mean, save_rstd};
}

// What the declarations name too, but PyTorch makes of other operators, or is written here.
const std::set<std::string> kByHand = {"full",
                                       "full_like",
                                       "scalar_tensor",
                                       "fill.Scalar",
                                       "fill.Tensor",
                                       "fill_.Scalar",
                                       "fill_.Tensor",
                                       "zero_",
                                       "arange",
                                       "arange.start",
                                       "arange.start_step",
                                       "arange.start_out",
                                       "arange.out",
                                       "convolution",
                                       "_convolution",
                                       "convolution_overrideable",
                                       "copy_",
                                       "_copy_from",
                                       "clone",
                                       "_to_copy",
                                       "copy",
                                       "native_batch_norm",
                                       "convolution_backward_overrideable",
                                       "huber_loss_backward",
                                       "native_batch_norm_backward",
                                       "native_dropout",
                                       "native_group_norm_backward",
                                       "native_layer_norm_backward"};

}  // namespace

void RegisterLowerings() {
  // Libraries live as long as the process: the dispatcher forgets what a destroyed one registered.
  static auto* const aten =
      new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::HPU, __FILE__, __LINE__);
  static auto* const all =
      new torch::Library(torch::Library::IMPL, "_", c10::DispatchKey::HPU, __FILE__, __LINE__);
  RegisterViews(*aten);
  RegisterCopies(*aten);
  RegisterGradients(*aten);
  RegisterComposites(*aten);
  RegisterForeach(*aten);
  RegisterRandom(*aten);
  RegisterIndexing(*aten);
  RegisterPinned(*aten);
  aten->impl("fill_.Scalar", TORCH_FN(Fill));
  aten->impl("fill_.Tensor", TORCH_FN(FillTensor));
  aten->impl("zero_", TORCH_FN(Zero));
  aten->impl("arange.start_out", TORCH_FN(ArangeOut));
  aten->impl("convolution_overrideable", TORCH_FN(Convolution));
  aten->impl("native_batch_norm", TORCH_FN(NativeBatchNorm));
  RegisterDeclared(*aten, kByHand);
  all->fallback(torch::CppFunction::makeFromBoxedFunction<&FallBack>());
}

}  // namespace openhpu::python
