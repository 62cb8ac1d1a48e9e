#include "python/native/random.h"

#include <ATen/ATen.h>
#include <ATen/native/Resize.h>

#include <limits>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/random_state.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

using OptionalGenerator = c10::optional<at::Generator>;

void RecordRandom(std::string_view op, graph::Attributes attributes,
                  at::ArrayRef<at::Tensor> inputs, at::ArrayRef<at::Tensor> outputs,
                  const OptionalGenerator& generator) {
  if (outputs[0].numel() == 0) return;
  Device* device = ValueOrThrow(Device::Get());
  attributes.Set("size", outputs[0].sizes().vec());
  attributes.Set("dtype", ToDType(outputs[0].scalar_type()));
  // Before the lock: nobody waits for the interpreter with the device locked. A draw and its node
  // belong together, so the lock is held for both.
  const std::string source = UserLine();
  std::lock_guard lock(device->mutex());
  const Draw draw = TakeDraw(*device, generator);
  attributes.Set("draw", draw.number);
  std::vector<graph::TensorRef> in = {Ref(draw.state)}, out;
  for (const at::Tensor& t : inputs) in.push_back(Ref(t));
  for (const at::Tensor& t : outputs) out.push_back(Ref(t));
  ThrowIfError(device->current_recorder().Record(op, std::move(attributes), in, out, source));
}

at::Tensor& Uniform(at::Tensor& self, double from, double to, OptionalGenerator generator) {
  TORCH_CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from,
              " > to=", to);
  RecordRandom("random_uniform", {{"from", from}, {"to", to}}, {}, {self}, generator);
  return self;
}

at::Tensor& Normal(at::Tensor& self, double mean, double std, OptionalGenerator generator) {
  TORCH_CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  RecordRandom("random_normal", {{"mean", mean}, {"std", std}}, {}, {self}, generator);
  return self;
}

// out = standard normals * std + mean, both tensors or numbers of out's dtype.
template <typename Mean, typename Std>
at::Tensor& NormalInto(at::IntArrayRef sizes, const Mean& mean, const Std& std,
                       OptionalGenerator generator, at::Tensor& out) {
  at::native::resize_output(out, sizes);
  Normal(out, 0, 1, std::move(generator));
  out.mul_(std).add_(mean);
  return out;
}

at::Tensor& NormalTensorFloatOut(const at::Tensor& mean, double std, OptionalGenerator generator,
                                 at::Tensor& out) {
  TORCH_CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  return NormalInto(mean.sizes(), mean, c10::Scalar(std), std::move(generator), out);
}

at::Tensor& NormalFloatTensorOut(double mean, const at::Tensor& std, OptionalGenerator generator,
                                 at::Tensor& out) {
  return NormalInto(std.sizes(), c10::Scalar(mean), std, std::move(generator), out);
}

at::Tensor& NormalTensorTensorOut(const at::Tensor& mean, const at::Tensor& std,
                                  OptionalGenerator generator, at::Tensor& out) {
  const std::vector<int64_t> sizes = at::infer_size(mean.sizes(), std.sizes());
  return NormalInto(sizes, mean, std, std::move(generator), out);
}

at::Tensor NormalTensorFloat(const at::Tensor& mean, double std, OptionalGenerator generator) {
  at::Tensor out = at::empty_like(mean);
  return NormalTensorFloatOut(mean, std, std::move(generator), out);
}

at::Tensor NormalFloatTensor(double mean, const at::Tensor& std, OptionalGenerator generator) {
  at::Tensor out = at::empty_like(std);
  return NormalFloatTensorOut(mean, std, std::move(generator), out);
}

at::Tensor NormalTensorTensor(const at::Tensor& mean, const at::Tensor& std,
                              OptionalGenerator generator) {
  at::Tensor out = at::empty({0}, mean.options());
  return NormalTensorTensorOut(mean, std, std::move(generator), out);
}

void CheckProbability(double p) {
  TORCH_CHECK(0 <= p && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
}

at::Tensor& BernoulliFloat(at::Tensor& self, double p, OptionalGenerator generator) {
  CheckProbability(p);
  RecordRandom("random_bernoulli", {{"p", p}}, {}, {self}, generator);
  return self;
}

at::Tensor& BernoulliTensor(at::Tensor& self, const at::Tensor& p, OptionalGenerator generator) {
  const at::Tensor there = p.device().is_cpu() ? p.to(self.device()) : p;
  RecordRandom("random_bernoulli_tensor", {}, {there.expand(self.sizes())}, {self}, generator);
  return self;
}

at::Tensor& BernoulliOut(const at::Tensor& self, OptionalGenerator generator, at::Tensor& out) {
  at::native::resize_output(out, self.sizes());
  return BernoulliTensor(out, self, std::move(generator));
}

at::Tensor Bernoulli(const at::Tensor& self, OptionalGenerator generator) {
  at::Tensor out = at::empty_like(self);
  return BernoulliTensor(out, self, std::move(generator));
}

// The largest number that random_ may give to a tensor of this type; floats: up to which all whole
// numbers exist.
int64_t LargestRandom(c10::ScalarType type) {
  switch (type) {
    case c10::kBool:
      return 1;
    case c10::kByte:
      return UINT8_MAX;
    case c10::kChar:
      return INT8_MAX;
    case c10::kShort:
      return INT16_MAX;
    case c10::kFloat:
    case c10::kDouble:
      return int64_t{1} << 24;
    case c10::kBFloat16:
      return int64_t{1} << 8;
    default:
      return INT32_MAX;  // int64 is stored so, too
  }
}

// Of [low, last].
at::Tensor& RandomInteger(at::Tensor& self, int64_t low, int64_t last,
                          const OptionalGenerator& generator) {
  TORCH_CHECK(low >= INT32_MIN && last <= INT32_MAX, "random_: [", low, ", ", last,
              "] exceeds the range of int32, which hpu stores whole numbers as");
  RecordRandom("random_integer", {{"low", low}, {"range", last - low + 1}}, {}, {self}, generator);
  return self;
}

at::Tensor& RandomFrom(at::Tensor& self, int64_t from, c10::optional<int64_t> to,
                       OptionalGenerator generator) {
  const int64_t end = to ? *to : LargestRandom(self.scalar_type()) + 1;
  TORCH_CHECK(from < end, "random_ expects 'from' to be less than 'to', but got from=", from,
              " >= to=", end);
  return RandomInteger(self, from, end - 1, generator);
}

at::Tensor& RandomTo(at::Tensor& self, int64_t to, OptionalGenerator generator) {
  return RandomFrom(self, 0, to, std::move(generator));
}

at::Tensor& Random(at::Tensor& self, OptionalGenerator generator) {
  return RandomInteger(self, 0, LargestRandom(self.scalar_type()), generator);
}

at::Tensor& Exponential(at::Tensor& self, double lambd, OptionalGenerator generator) {
  TORCH_CHECK(lambd > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambd);
  RecordRandom("random_exponential", {{"lambd", lambd}}, {}, {self}, generator);
  return self;
}

at::Tensor& LogNormal(at::Tensor& self, double mean, double std, OptionalGenerator generator) {
  TORCH_CHECK(std > 0, "log_normal_ expects std > 0.0, but found std=", std);
  RecordRandom("random_log_normal", {{"mean", mean}, {"std", std}}, {}, {self}, generator);
  return self;
}

at::Tensor& Geometric(at::Tensor& self, double p, OptionalGenerator generator) {
  TORCH_CHECK(0 < p && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  RecordRandom("random_geometric", {{"p", p}}, {}, {self}, generator);
  return self;
}

at::Tensor& Cauchy(at::Tensor& self, double median, double sigma, OptionalGenerator generator) {
  RecordRandom("random_cauchy", {{"median", median}, {"sigma", sigma}}, {}, {self}, generator);
  return self;
}

at::Tensor& RandpermOut(int64_t n, OptionalGenerator generator, at::Tensor& out) {
  TORCH_CHECK(n >= 0, "n must be non-negative, got", n);
  at::native::resize_output(out, {n});
  RecordRandom("random_permutation", {{"n", n}}, {}, {out}, generator);
  return out;
}

std::tuple<at::Tensor, at::Tensor> NativeDropout(const at::Tensor& input, double p,
                                                 c10::optional<bool> train) {
  at::Tensor out = at::empty_like(input);
  at::Tensor mask = at::empty_like(input, input.options().dtype(c10::kBool));
  if (train && !*train) {
    RecordCopy(input, out);
    mask.fill_(true);
    return {out, mask};
  }
  TORCH_CHECK(0 <= p && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  RecordRandom("random_dropout", {{"p", p}}, {input}, {out, mask}, c10::nullopt);
  return {out, mask};
}

// The largest of probability / exponential number is each category with its probability, and the
// next ones follow without replacement.
at::Tensor& MultinomialOut(const at::Tensor& self, int64_t samples, bool replacement,
                           OptionalGenerator generator, at::Tensor& out) {
  TORCH_CHECK(
      self.is_floating_point(),
      "multinomial only supports floating-point dtypes for input, got: ", self.scalar_type());
  TORCH_CHECK(out.scalar_type() == c10::kLong,
              "multinomial expects Long tensor out, got: ", out.scalar_type());
  TORCH_CHECK(self.dim() > 0 && self.dim() <= 2, "prob_dist must be 1 or 2 dim");
  const int64_t categories = self.size(-1);
  TORCH_CHECK(samples > 0, "cannot sample n_sample <= 0 samples");
  TORCH_CHECK(replacement || samples <= categories,
              "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  std::vector<int64_t> sizes(self.sizes().begin(), self.sizes().end() - 1);
  sizes.push_back(samples);
  at::native::resize_output(out, sizes);
  if (out.numel() == 0) return out;
  const at::Tensor weights = self.to(c10::kFloat);
  if (replacement && samples > 1) {
    sizes.push_back(categories);
    at::Tensor q = EmptyContiguous(sizes, c10::kFloat);
    Exponential(q, 1, std::move(generator));
    out.copy_(at::argmax(weights.unsqueeze(-2).div(q), -1));
    return out;
  }
  at::Tensor q = EmptyContiguous(self.sizes(), c10::kFloat);
  Exponential(q, 1, std::move(generator));
  const at::Tensor order = weights.div(q);
  out.copy_(samples == 1 ? at::argmax(order, -1, true) : std::get<1>(at::topk(order, samples)));
  return out;
}

at::Tensor Multinomial(const at::Tensor& self, int64_t samples, bool replacement,
                       OptionalGenerator generator) {
  at::Tensor out = at::empty({0}, self.options().dtype(c10::kLong));
  return MultinomialOut(self, samples, replacement, std::move(generator), out);
}

}  // namespace

void RegisterRandom(torch::Library& library) {
  library.impl("uniform_", TORCH_FN(Uniform));
  library.impl("normal_", TORCH_FN(Normal));
  library.impl("normal.Tensor_float", TORCH_FN(NormalTensorFloat));
  library.impl("normal.Tensor_float_out", TORCH_FN(NormalTensorFloatOut));
  library.impl("normal.float_Tensor", TORCH_FN(NormalFloatTensor));
  library.impl("normal.float_Tensor_out", TORCH_FN(NormalFloatTensorOut));
  library.impl("normal.Tensor_Tensor", TORCH_FN(NormalTensorTensor));
  library.impl("normal.Tensor_Tensor_out", TORCH_FN(NormalTensorTensorOut));
  library.impl("bernoulli", TORCH_FN(Bernoulli));
  library.impl("bernoulli.out", TORCH_FN(BernoulliOut));
  library.impl("bernoulli_.float", TORCH_FN(BernoulliFloat));
  library.impl("bernoulli_.Tensor", TORCH_FN(BernoulliTensor));
  library.impl("random_.from", TORCH_FN(RandomFrom));
  library.impl("random_.to", TORCH_FN(RandomTo));
  library.impl("random_", TORCH_FN(Random));
  library.impl("exponential_", TORCH_FN(Exponential));
  library.impl("log_normal_", TORCH_FN(LogNormal));
  library.impl("geometric_", TORCH_FN(Geometric));
  library.impl("cauchy_", TORCH_FN(Cauchy));
  library.impl("randperm.generator_out", TORCH_FN(RandpermOut));
  library.impl("native_dropout", TORCH_FN(NativeDropout));
  library.impl("multinomial", TORCH_FN(Multinomial));
  library.impl("multinomial.out", TORCH_FN(MultinomialOut));
}

}  // namespace openhpu::python
