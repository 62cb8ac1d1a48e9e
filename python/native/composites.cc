// PyTorch's composites that read sizes from data, made of operators whose sizes are fixed. They
// stay composites: gradients are those of what they are made of.
#include <ATen/ATen.h>
#include <ATen/NativeFunctions.h>
#include <torch/library.h>

namespace openhpu::python {
namespace {

// PyTorch's picks the elements whose target is not ignored; here those that are ignored count 0.
at::Tensor CrossEntropyLoss(const at::Tensor& self, const at::Tensor& target,
                            const c10::optional<at::Tensor>& weight, int64_t reduction,
                            int64_t ignore_index, double label_smoothing) {
  const bool probabilities = self.sizes() == target.sizes();
  if (label_smoothing <= 0 || label_smoothing > 1 || probabilities) {
    return at::native::cross_entropy_loss(self, target, weight, reduction, ignore_index,
                                          label_smoothing);
  }
  const int64_t class_dim = self.dim() == 1 ? 0 : 1, classes = self.size(class_dim);
  const at::Tensor input = at::log_softmax(self, class_dim, self.scalar_type());
  const at::Tensor exact = at::nll_loss_nd(input, target, weight, reduction, ignore_index);
  const at::Tensor ignored = target.eq(ignore_index);
  const bool weighted = weight.has_value() && weight->defined();
  at::Tensor smooth;
  if (weighted) {
    at::DimVector sizes(input.dim(), 1);
    sizes[class_dim] = weight->numel();
    smooth = -(input * weight->view(sizes)).sum(class_dim);
  } else {
    smooth = -input.sum(class_dim);
  }
  smooth = smooth.masked_fill(ignored, 0);
  if (reduction == at::Reduction::Sum) {
    smooth = smooth.sum();
  } else if (reduction == at::Reduction::Mean) {
    at::Tensor count;
    if (weighted) {
      const at::Tensor known = target.masked_fill(ignored, 0).flatten();
      count = weight->index_select(0, known).masked_fill(ignored.flatten(), 0).sum();
    } else {
      count = ignored.logical_not().sum();
    }
    smooth = smooth.sum() / count;
  }
  return exact * (1 - label_smoothing) + smooth * (label_smoothing / static_cast<double>(classes));
}

}  // namespace

void RegisterComposites(torch::Library& library) {
  // With autograd and without it (inference mode).
  static auto* const autograd = new torch::Library(
      torch::Library::IMPL, "aten", c10::DispatchKey::AutogradHPU, __FILE__, __LINE__);
  autograd->impl("cross_entropy_loss", TORCH_FN(CrossEntropyLoss));
  library.impl("cross_entropy_loss", TORCH_FN(CrossEntropyLoss));
}

}  // namespace openhpu::python
