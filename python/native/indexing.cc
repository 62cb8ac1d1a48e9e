// Writing through index tensors and masks. Integer indices are a node; a mask becomes a choice
// between old and new, element by element, whose shape is fixed: so both work in captures. A mask
// among other indices goes through nonzero, whose result's size depends on data.
#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/core/IListRef.h>
#include <torch/library.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "python/native/device.h"
#include "python/native/lowering.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

using OptionalTensors = c10::List<c10::optional<at::Tensor>>;

bool IsMask(const at::Tensor& t) {
  return t.scalar_type() == c10::kBool || t.scalar_type() == c10::kByte;
}

at::Tensor There(const at::Tensor& t, const at::Tensor& self) {
  return t.device() == self.device() ? t : t.to(self.device());
}

// Where `mask` is set, element i of `rows` along `dim` for the i-th set element in row-major order,
// in the mask's place. What the others get is some row.
at::Tensor SpreadRows(const at::Tensor& rows, int64_t dim, const at::Tensor& mask) {
  const at::Tensor place =
      mask.reshape({-1}).to(c10::kInt).cumsum(0, c10::kInt).sub_(1).clamp_(0, rows.size(dim) - 1);
  std::vector<int64_t> sizes = rows.sizes().vec();
  sizes.erase(sizes.begin() + dim);
  sizes.insert(sizes.begin() + dim, mask.sizes().begin(), mask.sizes().end());
  return rows.index_select(dim, place).reshape(sizes);
}

// self = mask ? value : self, broadcasting both to self.
void Choose(const at::Tensor& self, const at::Tensor& mask, const at::Tensor& value) {
  if (self.numel() == 0) return;
  Record("where", {}, {mask, value, self}, {self});
}

// self[.., mask, ..] = values, the mask in place of dims `at` and on.
void PutAtMask(at::Tensor& self, const at::Tensor& mask, int64_t at, at::Tensor values,
               bool accumulate) {
  for (int64_t d = 0; d < mask.dim(); ++d) {
    TORCH_CHECK_INDEX(at + d < self.dim() && mask.size(d) == self.size(at + d),
                      "The shape of the mask ", mask.sizes(), " at index ", d,
                      " does not match the shape of the indexed tensor ", self.sizes(),
                      " at index ", at + d);
  }
  const int64_t rest = self.dim() - at - mask.dim();
  const auto mismatch = [&](int64_t count) {
    std::vector<int64_t> sizes(self.sizes().begin(), self.sizes().begin() + at);
    sizes.push_back(count);
    sizes.insert(sizes.end(), self.sizes().end() - rest, self.sizes().end());
    TORCH_CHECK_INDEX(at::is_expandable_to(values.sizes(), sizes),
                      "shape mismatch: value tensor of shape ", values.sizes(),
                      " cannot be broadcast to indexing result of shape ", at::IntArrayRef(sizes));
  };
  const int64_t rows = values.dim() > rest ? values.size(values.dim() - rest - 1) : 1;
  mismatch(rows);
  // As many rows as the mask has set elements: outside captures that is checked.
  if (rows != 1 && !Device::InCapture()) mismatch(mask.sum().item<int64_t>());
  if (rows == 0) return;
  if (values.dim() > rest) {
    const int64_t dim = values.dim() - rest - 1;
    if (rows != 1) {
      values = SpreadRows(values, dim, mask);
    } else {
      std::vector<int64_t> sizes = values.sizes().vec();
      sizes.insert(sizes.begin() + dim, mask.dim() - 1, 1);
      if (mask.dim() == 0) sizes.erase(sizes.begin() + dim);
      values = values.reshape(sizes);
    }
  }
  std::vector<int64_t> sizes(static_cast<size_t>(at), 1);
  sizes.insert(sizes.end(), mask.sizes().begin(), mask.sizes().end());
  sizes.insert(sizes.end(), static_cast<size_t>(rest), 1);
  if (accumulate) values = self.add(values);
  Choose(self, mask.to(c10::kBool).reshape(sizes), values);
}

at::Tensor& IndexPutImpl(at::Tensor& self, const OptionalTensors& given, const at::Tensor& source,
                         bool accumulate, bool /*unsafe*/) {
  TORCH_CHECK_INDEX(static_cast<int64_t>(given.size()) <= self.dim(),
                    "too many indices for tensor of dimension ", self.dim(), " (got ", given.size(),
                    ")");
  TORCH_CHECK(self.scalar_type() == source.scalar_type(),
              "Index put requires the source and destination dtypes match, got ",
              self.scalar_type(), " for the destination and ", source.scalar_type(),
              " for the source.");
  const at::Tensor values = There(source, self);
  std::vector<at::Tensor> indices;
  int64_t masks = 0, defined = 0;
  for (const c10::optional<at::Tensor>& index : given) {
    indices.push_back(index && index->defined() ? There(*index, self) : at::Tensor());
    if (!indices.back().defined()) continue;
    ++defined;
    masks += IsMask(indices.back());
  }
  if (defined == 0) {
    if (accumulate) {
      self.add_(values);
    } else {
      self.copy_(values);
    }
    return self;
  }
  if (masks == 1 && defined == 1) {
    const auto mask = std::find_if(indices.begin(), indices.end(),
                                   [](const at::Tensor& t) { return t.defined(); });
    PutAtMask(self, *mask, mask - indices.begin(), values, accumulate);
    return self;
  }
  std::vector<at::Tensor> expanded;  // masks as the indices of their set elements
  for (const at::Tensor& index : indices) {
    if (!index.defined() || !IsMask(index)) {
      expanded.push_back(index);
      continue;
    }
    const at::Tensor places = index.nonzero();
    for (int64_t d = 0; d < index.dim(); ++d) expanded.push_back(places.select(1, d));
  }
  // self, values, indices: positions of absent ones count from self.
  std::vector<at::Tensor> inputs = {self, values};
  std::vector<int64_t> absent;
  for (size_t d = 0; d < expanded.size(); ++d) {
    if (expanded[d].defined()) {
      if (expanded[d].numel() == 0) return self;
      inputs.push_back(expanded[d]);
    } else {
      absent.push_back(static_cast<int64_t>(d) + 1);
    }
  }
  graph::Attributes attributes = {{"accumulate", accumulate}};
  if (!absent.empty()) attributes.Set("absent", std::move(absent));
  if (self.numel() > 0) Record("index_put", std::move(attributes), inputs, {self});
  return self;
}

at::Tensor& IndexPut(at::Tensor& self, const OptionalTensors& indices, const at::Tensor& values,
                     bool accumulate) {
  return IndexPutImpl(self, indices, values, accumulate, false);
}

at::Tensor& MaskedScatter(at::Tensor& self, const at::Tensor& given, const at::Tensor& source) {
  TORCH_CHECK(self.scalar_type() == source.scalar_type(),
              "masked_scatter: expected self and source to have same dtypes but got",
              self.scalar_type(), " and ", source.scalar_type());
  TORCH_CHECK(IsMask(given), "masked_scatter: expected BoolTensor or ByteTensor for mask");
  const at::Tensor mask = There(given, self).to(c10::kBool).expand(self.sizes());
  if (!Device::InCapture()) {
    TORCH_CHECK(mask.sum().item<int64_t>() <= source.numel(),
                "Number of elements of source < number of ones in mask");
  }
  if (source.numel() == 0) return self;
  Choose(self, mask, SpreadRows(There(source, self).reshape({-1}), 0, mask));
  return self;
}

at::Tensor OneHot(const at::Tensor& self, int64_t classes) {
  TORCH_CHECK(self.scalar_type() == c10::kLong, "one_hot is only applicable to index tensor.");
  TORCH_CHECK(self.numel() > 0 || classes > 0,
              "Can not infer total number of classes from empty tensor.");
  if (classes == -1) classes = self.max().item<int64_t>() + 1;
  TORCH_CHECK(classes > 0, "num_classes should be positive");
  std::vector<int64_t> sizes = self.sizes().vec();
  sizes.push_back(classes);
  at::Tensor hot = at::zeros(sizes, self.options());
  if (self.numel() > 0) hot.scatter_(-1, self.unsqueeze(-1), 1);
  return hot;
}

at::Tensor ArgsortStable(const at::Tensor& self, bool stable, int64_t dim, bool descending) {
  return std::get<1>(at::sort(self, stable, dim, descending));
}

}  // namespace

void RegisterIndexing(torch::Library& library) {
  library.impl("index_put_", TORCH_FN(IndexPut));
  library.impl("_index_put_impl_", TORCH_FN(IndexPutImpl));
  library.impl("masked_scatter_", TORCH_FN(MaskedScatter));
  library.impl("one_hot", TORCH_FN(OneHot));
  library.impl("argsort.stable", TORCH_FN(ArgsortStable));
}

}  // namespace openhpu::python
