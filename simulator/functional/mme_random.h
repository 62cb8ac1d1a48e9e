// For tests: random descriptors that hardware can run (mme_descriptor.md, sections 1 to 3), in
// every combination of their features, over three operands of at most kRandomElements each. And
// random changes to a descriptor's fields.
#ifndef SIMULATOR_FUNCTIONAL_MME_RANDOM_H_
#define SIMULATOR_FUNCTIONAL_MME_RANDOM_H_

#include <array>
#include <cstdint>
#include <random>

#include "hal/abi/gaudi/mme.h"
#include "simulator/functional/mme_testing.h"

namespace openhpu::simulator {

inline constexpr int64_t kRandomElements = 1 << 16;

class RandomMme {
 public:
  struct Options {
    bool numerics = false;  // roundings other than to nearest, reductions
  };

  explicit RandomMme(uint32_t seed, Options options) : random_(seed), options_(options) {}

  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  int64_t Between(int64_t first, int64_t last) { return first + Below(last - first + 1); }
  bool OneIn(int64_t n) { return Below(n) == 0; }

  hal::abi::gaudi::MmeDescriptor Descriptor(const Addresses& at);
  // Changes one field of a descriptor, mostly to something that still runs.
  void Change(hal::abi::gaudi::MmeDescriptor& d);

 private:
  void Tensor(int64_t k, bool input, bool transposed, int64_t m, hal::abi::gaudi::MmeTensor& t);
  void Agu(const hal::abi::gaudi::MmeTensor& t, hal::abi::gaudi::MmeAgu& agu);
  uint32_t Mask() { return OneIn(3) ? static_cast<uint32_t>(Below(64)) : 0; }
  std::array<uint32_t, 6> Dims(const std::array<int64_t, 6>& sizes);
  uint32_t Reduction(bool f32);

  std::mt19937_64 random_;
  const Options options_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_RANDOM_H_
