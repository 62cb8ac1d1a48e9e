// Gradients with an output mask: three results, of which those that nobody wants are undefined.
#include <ATen/core/Tensor.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <array>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

using ThreeTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Mask = std::array<bool, 3>;
using OptionalTensor = c10::optional<at::Tensor>;

bool Given(const OptionalTensor& t) { return t && t->defined(); }

// The operands of a node: those that are given, and `absent` positions.
class Operands {
 public:
  void Add(const at::Tensor& t) {
    inputs_.push_back(t);
    ++position_;
  }
  void Add(const OptionalTensor& t) {
    if (Given(t)) {
      Add(*t);
    } else {
      absent_.push_back(position_++);
    }
  }
  at::ArrayRef<at::Tensor> inputs() const { return inputs_; }
  // Adds what the operands and the mask say to `attributes`.
  void Describe(const Mask& mask, graph::Attributes& attributes) const {
    if (!absent_.empty()) attributes.Set("absent", absent_);
    attributes.Set("output_mask", std::vector<int64_t>(mask.begin(), mask.end()));
  }

 private:
  std::vector<at::Tensor> inputs_;
  std::vector<int64_t> absent_;
  int64_t position_ = 0;
};

// Records `op`, whose results are those of the mask.
ThreeTensors RecordMasked(const char* op, graph::Attributes attributes, const Operands& operands,
                          const Mask& mask) {
  operands.Describe(mask, attributes);
  const std::optional<std::vector<graph::TensorType>> types =
      InferDeclared(op, attributes, operands.inputs());
  TORCH_CHECK(types, op, " does not take these tensors on hpu");
  std::vector<at::Tensor> made;
  bool empty = false;
  for (const graph::TensorType& type : *types) {
    made.push_back(
        EmptyContiguous({type.sizes.data(), type.sizes.size()}, ToScalarType(type.dtype)));
    empty |= made.back().numel() == 0;
  }
  if (empty || operands.inputs()[0].numel() == 0) {
    for (at::Tensor& t : made) t.zero_();
  } else if (!made.empty()) {
    Record(op, std::move(attributes), operands.inputs(), made);
  }
  std::array<at::Tensor, 3> results;
  size_t next = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (mask[i]) results[i] = made[next++];
  }
  return {results[0], results[1], results[2]};
}

ThreeTensors LayerNormBackward(const at::Tensor& gradient, const at::Tensor& input,
                               at::IntArrayRef shape, const at::Tensor& mean,
                               const at::Tensor& rstd, const OptionalTensor& weight,
                               const OptionalTensor& bias, Mask mask) {
  Operands operands;
  for (const at::Tensor* t : {&gradient, &input, &mean, &rstd}) operands.Add(*t);
  operands.Add(weight);
  operands.Add(bias);
  return RecordMasked("native_layer_norm_backward", {{"normalized_shape", shape.vec()}}, operands,
                      mask);
}

ThreeTensors GroupNormBackward(const at::Tensor& gradient, const at::Tensor& input,
                               const at::Tensor& mean, const at::Tensor& rstd,
                               const OptionalTensor& weight, int64_t, int64_t, int64_t,
                               int64_t group, Mask mask) {
  Operands operands;
  for (const at::Tensor* t : {&gradient, &input, &mean, &rstd}) operands.Add(*t);
  operands.Add(weight);
  return RecordMasked("native_group_norm_backward", {{"group", group}}, operands, mask);
}

ThreeTensors BatchNormBackward(const at::Tensor& gradient, const at::Tensor& input,
                               const OptionalTensor& weight, const OptionalTensor& running_mean,
                               const OptionalTensor& running_var, const OptionalTensor& save_mean,
                               const OptionalTensor& save_rstd, bool train, double epsilon,
                               Mask mask) {
  Operands operands;
  operands.Add(gradient);
  operands.Add(input);
  // What the mode does not read is left out: evaluation saves statistics of size 0.
  const OptionalTensor none;
  operands.Add(weight);
  operands.Add(train ? none : running_mean);
  operands.Add(train ? none : running_var);
  operands.Add(train ? save_mean : none);
  operands.Add(train ? save_rstd : none);
  return RecordMasked("native_batch_norm_backward", {{"train", train}, {"eps", epsilon}}, operands,
                      mask);
}

ThreeTensors ConvolutionBackward(const at::Tensor& gradient, const at::Tensor& input,
                                 const at::Tensor& weight, at::IntArrayRef stride,
                                 at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                                 at::IntArrayRef output_padding, int64_t groups, Mask mask) {
  Operands operands;
  for (const at::Tensor* t : {&gradient, &input, &weight}) operands.Add(*t);
  graph::Attributes attributes = {{"stride", stride.vec()},
                                  {"padding", padding.vec()},
                                  {"dilation", dilation.vec()},
                                  {"transposed", transposed},
                                  {"output_padding", output_padding.vec()},
                                  {"groups", groups}};
  if (InferDeclared("convolution_backward", attributes, operands.inputs())) {
    return RecordMasked("convolution_backward", std::move(attributes), operands, mask);
  }
  CountFallback("aten::convolution_backward");
  const at::OptionalIntArrayRef bias_sizes =
      mask[2] ? at::OptionalIntArrayRef(gradient.sizes().slice(1, 1)) : c10::nullopt;
  const auto [d_input, d_weight, d_bias] =
      at::convolution_backward(gradient.cpu(), input.cpu(), weight.cpu(), bias_sizes, stride,
                               padding, dilation, transposed, output_padding, groups, mask);
  const auto on_hpu = [&](const at::Tensor& t) { return t.defined() ? t.to(input.device()) : t; };
  return {on_hpu(d_input), on_hpu(d_weight), on_hpu(d_bias)};
}

// By hand because PyTorch's meta kernel of it fails.
at::Tensor HuberLossBackward(const at::Tensor& gradient, const at::Tensor& self,
                             const at::Tensor& target, int64_t reduction, double delta) {
  const at::Tensor result = EmptyContiguous(self.sizes(), self.scalar_type());
  if (result.numel() > 0) {
    Record("huber_loss_backward", {{"reduction", reduction}, {"delta", delta}},
           {gradient, self, target}, {result});
  }
  return result;
}

}  // namespace

void RegisterGradients(torch::Library& library) {
  library.impl("convolution_backward_overrideable", TORCH_FN(ConvolutionBackward));
  library.impl("huber_loss_backward", TORCH_FN(HuberLossBackward));
  library.impl("native_batch_norm_backward", TORCH_FN(BatchNormBackward));
  library.impl("native_group_norm_backward", TORCH_FN(GroupNormBackward));
  library.impl("native_layer_norm_backward", TORCH_FN(LayerNormBackward));
}

}  // namespace openhpu::python
