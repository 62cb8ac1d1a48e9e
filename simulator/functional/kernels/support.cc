#include "simulator/functional/kernels/support.h"

#include <algorithm>

#include "hal/base/dtype.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel/text.h"

namespace openhpu::simulator {

using hal::kTpcMaxDims;

uint64_t ElementBox::Count() const {
  uint64_t n = 1;
  for (uint32_t s : size) n *= s;
  return n;
}

ElementBox ToElements(const hal::IndexBox& box, const hal::TpcDims& sizes) {
  ElementBox elements;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    const uint64_t step = d == 0 ? hal::kVectorLanes : 1;
    const uint64_t begin = std::min<uint64_t>(box.base[d] * step, sizes[d]);
    const uint64_t end = std::min<uint64_t>((uint64_t{box.base[d]} + box.size[d]) * step, sizes[d]);
    elements.begin[d] = static_cast<uint32_t>(begin);
    elements.size[d] = static_cast<uint32_t>(end - begin);
  }
  return elements;
}

ElementBox Broadcast(ElementBox box, const hal::KernelTensor& tensor) {
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if (tensor.sizes[d] != 1) continue;
    box.begin[d] = 0;
    box.size[d] = std::min(box.size[d], 1u);
  }
  return box;
}

ElementBox Widen(ElementBox box, uint8_t mask, const hal::TpcDims& sizes) {
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if ((mask >> d & 1) == 0) continue;
    box.begin[d] = 0;
    box.size[d] = sizes[d];
  }
  return box;
}

AccessBox TensorAccess(const hal::KernelTensor& tensor, DeviceAddress address,
                       const ElementBox& box, bool write) {
  const auto bytes = static_cast<uint64_t>(StorageBytes(tensor.dtype));
  AccessBox access;
  access.write = write;
  access.base = address;
  if (box.Count() == 0) return access;
  uint64_t offset = 0;
  for (int d = 0; d < kTpcMaxDims; ++d) offset += uint64_t{box.begin[d]} * tensor.strides[d];
  access.base = address + offset * bytes;
  access.run = box.size[0] * bytes;
  int next = 0;
  for (int d = 1; d < kTpcMaxDims; ++d) {
    if (box.size[d] == 1) continue;
    const uint64_t stride = tensor.strides[d] * bytes;
    if (next == 0 && stride == access.run) {
      access.run *= box.size[d];
      continue;
    }
    access.sizes[next] = box.size[d];
    access.strides[next] = static_cast<int64_t>(stride);
    ++next;
  }
  return access;
}

absl::Status CheckExtents(const BoundLaunch& launch) {
  constexpr uint64_t kLongestElement = 8;
  if (launch.addresses.size() != launch.tensors.size()) {
    return absl::InvalidArgumentError(
        hal::Cat(launch.addresses.size(), " addresses for ", launch.tensors.size(), " tensors"));
  }
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const hal::KernelTensor& t = launch.tensors[i];
    if (static_cast<int>(t.dtype) >= kNumDTypes) {
      return absl::InvalidArgumentError(hal::Cat("tensor ", i, ": unknown dtype"));
    }
    unsigned __int128 end = launch.addresses[i].value();
    for (int d = 0; d < kTpcMaxDims; ++d) {
      if (t.sizes[d] == 0) continue;
      end += static_cast<unsigned __int128>(t.sizes[d] - 1) * t.strides[d] * StorageBytes(t.dtype);
    }
    if (launch.addresses[i].value() % static_cast<uint64_t>(StorageBytes(t.dtype)) != 0) {
      return absl::InvalidArgumentError(
          hal::Cat("tensor ", i, ": address is not a multiple of its element's size"));
    }
    if ((end + kLongestElement) >> 64 != 0) {
      return absl::InvalidArgumentError(hal::Cat("tensor ", i, " ends beyond the address space"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::byte*> ResolveTensor(const BoundLaunch& launch, size_t i, const ElementBox& box,
                                         AddressSpace& memory) {
  if (box.Count() == 0) return nullptr;
  const hal::KernelTensor& t = launch.tensors[i];
  const auto bytes = static_cast<uint64_t>(StorageBytes(t.dtype));
  uint64_t first = 0, extent = 1;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    first += uint64_t{box.begin[d]} * t.strides[d];
    extent += uint64_t{box.size[d] - 1} * t.strides[d];
  }
  return memory.Resolve(launch.addresses[i] + first * bytes, extent * bytes);
}

uint64_t RowVectors(uint64_t elements, DType dtype) {
  constexpr uint64_t kVectorBytes = 256;
  return (elements * static_cast<uint64_t>(StorageBytes(dtype)) + kVectorBytes - 1) / kVectorBytes;
}

uint64_t Rows(const ElementBox& box) {
  uint64_t rows = 1;
  for (int d = 1; d < kTpcMaxDims; ++d) rows *= box.size[d];
  return rows;
}

uint64_t BoxVectors(const hal::KernelTensor& tensor, const ElementBox& box) {
  return Rows(box) * RowVectors(box.size[0], tensor.dtype);
}

}  // namespace openhpu::simulator
