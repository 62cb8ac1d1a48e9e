#include "simulator/functional/kernels/kernel_harness.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "hal/base/status_macros.h"
#include "hal/kernel/kernels.h"

namespace openhpu::simulator {

using hal::kTpcMaxDims;
using hal::TpcDims;

absl::StatusOr<std::byte*> ArrayMemory::Resolve(DeviceAddress address, uint64_t bytes) {
  const uint64_t offset = address.value() - kBase.value();
  if (address < kBase || offset > bytes_.size() || bytes > bytes_.size() - offset) {
    return absl::OutOfRangeError("not in the test's memory");
  }
  return bytes_.data() + offset;
}

KernelHarness::KernelHarness(hal::KernelLaunch launch) : launch_(std::move(launch)) {
  auto kernel = MakeKernel(launch_.image.guid, launch_.image.payload);
  if (!kernel.ok()) std::fprintf(stderr, "%s\n", kernel.status().ToString().c_str());
  OPENHPU_CHECK(kernel.ok());
  kernel_ = *std::move(kernel);
  uint64_t next = 64;
  for (const hal::KernelTensor& t : launch_.tensors) {
    bound_.tensors.push_back(t);
    bound_.addresses.push_back(ArrayMemory::kBase + next);
    uint64_t last = 0;
    for (int d = 0; d < kTpcMaxDims; ++d) {
      if (t.sizes[d] > 0) last += uint64_t{t.sizes[d] - 1} * t.strides[d];
    }
    next += ((last + 1) * StorageBytes(t.dtype) + 127) / 64 * 64;
  }
  bound_.scalars = launch_.scalars;
  memory_ = std::make_unique<ArrayMemory>(next + 64);
}

std::byte* KernelHarness::Address(size_t i, const TpcDims& at) const {
  const hal::KernelTensor& t = bound_.tensors[i];
  uint64_t offset = 0;
  for (int d = 0; d < kTpcMaxDims; ++d) {
    if (t.sizes[d] != 1) offset += uint64_t{at[d]} * t.strides[d];
  }
  return memory_->bytes().data() + (bound_.addresses[i].value() - ArrayMemory::kBase.value()) +
         offset * StorageBytes(t.dtype);
}

uint32_t KernelHarness::GetBits(size_t i, const TpcDims& at) const {
  uint32_t bits = 0;
  std::memcpy(&bits, Address(i, at), StorageBytes(bound_.tensors[i].dtype));
  return bits;
}

double KernelHarness::Get(size_t i, const TpcDims& at) const {
  const uint32_t bits = GetBits(i, at);
  switch (bound_.tensors[i].dtype) {
    case DType::kFloat32: {
      float f;
      std::memcpy(&f, &bits, sizeof f);
      return f;
    }
    case DType::kBFloat16:
      return BFloat16ToFloat(static_cast<uint16_t>(bits));
    case DType::kInt32:
    case DType::kInt64:
      return static_cast<int32_t>(bits);
    case DType::kInt16:
      return static_cast<int16_t>(bits);
    case DType::kInt8:
      return static_cast<int8_t>(bits);
    case DType::kUInt8:
    case DType::kBool:
      return bits;
  }
  return 0;
}

void KernelHarness::Set(size_t i, const TpcDims& at, double value) {
  std::byte* to = Address(i, at);
  const DType dtype = bound_.tensors[i].dtype;
  if (dtype == DType::kFloat32) {
    const auto f = static_cast<float>(value);
    std::memcpy(to, &f, sizeof f);
  } else if (dtype == DType::kBFloat16) {
    const uint16_t b = FloatToBFloat16(static_cast<float>(value));
    std::memcpy(to, &b, sizeof b);
  } else {
    const auto n = static_cast<int64_t>(std::floor(value));
    const uint64_t bits = dtype == DType::kBool ? (n & 1) : static_cast<uint64_t>(n);
    std::memcpy(to, &bits, StorageBytes(dtype));
  }
}

void KernelHarness::Fill(size_t i, const std::function<double(const TpcDims&)>& value) {
  ForEach(bound_.tensors[i].sizes, [&](const TpcDims& at) { Set(i, at, value(at)); });
}

void KernelHarness::FillRandom(size_t i, uint32_t seed, double low, double high) {
  std::mt19937 random(seed);
  Fill(i, [&](const TpcDims&) { return low + (high - low) * (random() >> 8) * 0x1p-24; });
}

absl::Status KernelHarness::Run(int parts) {
  RETURN_IF_ERROR(kernel_->Prepare(bound_));
  for (const hal::IndexBox& box : hal::SplitIndexSpace(launch_, parts)) {
    RETURN_IF_ERROR(kernel_->Run(bound_, box, *memory_));
  }
  return absl::OkStatus();
}

std::vector<std::byte> KernelHarness::BytesAfter(int parts) {
  const std::vector<std::byte> before = memory_->bytes();
  const absl::Status status = Run(parts);
  OPENHPU_CHECK(status.ok());
  std::vector<std::byte> after = before;
  std::swap(after, memory_->bytes());
  return after;
}

hal::KernelTensor DenseTensor(DType dtype, const TpcDims& sizes, uint32_t gap) {
  hal::KernelTensor t;
  t.dtype = dtype;
  t.sizes = sizes;
  t.strides[0] = 1;
  uint32_t stride = sizes[0] + gap;
  for (int d = 1; d < kTpcMaxDims; ++d) {
    t.strides[d] = stride;
    stride *= sizes[d];
  }
  return t;
}

void ForEach(const TpcDims& sizes, const std::function<void(const TpcDims&)>& f) {
  for (uint32_t size : sizes) {
    if (size == 0) return;
  }
  TpcDims at = {};
  while (true) {
    f(at);
    int d = 0;
    while (d < kTpcMaxDims && ++at[d] == sizes[d]) at[d++] = 0;
    if (d == kTpcMaxDims) return;
  }
}

}  // namespace openhpu::simulator
