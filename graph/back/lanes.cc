#include "graph/back/lanes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace openhpu::graph {
namespace {

constexpr char kElementWise[] = "openhpu.fused";

uint64_t Extent(const hal::KernelTensor& tensor) {
  uint64_t last = 0;
  for (int dim = 0; dim < hal::kTpcMaxDims; ++dim)
    last += uint64_t{tensor.sizes[dim] - 1} * tensor.strides[dim];
  return (last + 1) * static_cast<uint64_t>(StorageBytes(tensor.dtype));
}

bool Overlap(const hal::KernelTensor& a, const hal::SymbolicAddress& at_a,
             const hal::KernelTensor& b, const hal::SymbolicAddress& at_b) {
  return at_a.symbol == at_b.symbol && at_a.offset < at_b.offset + Extent(b) &&
         at_b.offset < at_a.offset + Extent(a);
}

// No byte belongs to two elements.
bool ElementsAreApart(const hal::KernelTensor& tensor) {
  std::array<std::pair<uint64_t, uint64_t>, hal::kTpcMaxDims> dims;  // stride, size
  for (int dim = 0; dim < hal::kTpcMaxDims; ++dim)
    dims[dim] = {tensor.strides[dim], tensor.sizes[dim]};
  std::sort(dims.begin(), dims.end());
  uint64_t extent = 1;
  for (const auto& [stride, size] : dims) {
    if (size == 1) continue;
    if (stride < extent) return false;
    extent += (size - 1) * stride;
  }
  return true;
}

bool SameView(const hal::KernelTensor& a, const hal::SymbolicAddress& at_a,
              const hal::KernelTensor& b, const hal::SymbolicAddress& at_b) {
  return at_a.offset == at_b.offset && StorageBytes(a.dtype) == StorageBytes(b.dtype) &&
         a.sizes == b.sizes && a.strides == b.strides;
}

}  // namespace

bool SameLanes(const TpcStep& before, const TpcStep& after) {
  const hal::KernelLaunch &x = before.launch, &y = after.launch;
  if (x.image.guid != kElementWise || y.image.guid != kElementWise) return false;
  if (x.index_space != y.index_space || x.splittable != y.splittable) return false;
  for (size_t i = 0; i < x.tensors.size(); ++i) {
    for (size_t j = 0; j < y.tensors.size(); ++j) {
      const hal::KernelTensor &a = x.tensors[i], &b = y.tensors[j];
      if (!a.written && !b.written) continue;
      if (!Overlap(a, before.addresses[i], b, after.addresses[j])) continue;
      // One of them is an output, so its sizes are the launch's: no box shares an element of it.
      if (!SameView(a, before.addresses[i], b, after.addresses[j]) || !ElementsAreApart(a))
        return false;
    }
  }
  return true;
}

}  // namespace openhpu::graph
