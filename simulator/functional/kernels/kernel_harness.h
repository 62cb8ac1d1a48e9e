// For tests and benchmarks of kernels: a memory, tensors in it, and running a launch whole or in
// boxes.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_KERNEL_HARNESS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_KERNEL_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/base/dtype.h"
#include "hal/kernel/launch.h"
#include "simulator/functional/access.h"
#include "simulator/functional/kernel.h"

namespace openhpu::simulator {

// One region of bytes at kBase; what lies outside does not resolve.
class ArrayMemory : public AddressSpace {
 public:
  static constexpr DeviceAddress kBase{0x20000000};
  explicit ArrayMemory(size_t bytes) : bytes_(bytes) {}

  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override;
  uint64_t PageVersion(DeviceAddress) const override { return 0; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// A launch with tensors laid out one after another, with a gap, in a memory of its own.
class KernelHarness {
 public:
  explicit KernelHarness(hal::KernelLaunch launch);

  ArrayMemory& memory() { return *memory_; }
  BoundLaunch& bound() { return bound_; }
  const hal::KernelLaunch& launch() const { return launch_; }
  const Kernel& kernel() const { return *kernel_; }

  // Element `at` of tensor i as double (floats and integers alike); dims of size 1 are broadcast.
  double Get(size_t i, const hal::TpcDims& at) const;
  void Set(size_t i, const hal::TpcDims& at, double value);
  uint32_t GetBits(size_t i, const hal::TpcDims& at) const;
  void Fill(size_t i, const std::function<double(const hal::TpcDims&)>& value);
  // Uniform in [low, high], whole numbers for integers.
  void FillRandom(size_t i, uint32_t seed, double low, double high);

  // Prepares, runs the launch in at most `parts` boxes.
  absl::Status Run(int parts = 1);
  // The memory after running in `parts` boxes from the memory as it is now; this memory stays.
  std::vector<std::byte> BytesAfter(int parts);

 private:
  std::byte* Address(size_t i, const hal::TpcDims& at) const;

  hal::KernelLaunch launch_;
  std::unique_ptr<const Kernel> kernel_;
  std::unique_ptr<ArrayMemory> memory_;
  BoundLaunch bound_;
};

// A tensor whose rows are dense and lie `gap` elements apart.
hal::KernelTensor DenseTensor(DType dtype, const hal::TpcDims& sizes, uint32_t gap = 0);

// Calls f for every coordinate.
void ForEach(const hal::TpcDims& sizes, const std::function<void(const hal::TpcDims&)>& f);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_KERNEL_HARNESS_H_
