// For tests: random descriptors that Gaudi2's MME can run (mme_descriptor.md, sections 2, 3 and 7),
// in every combination of what the model takes, over three operands of at most
// kGaudi2RandomElements each. And random changes to a descriptor's fields.
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_RANDOM_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_RANDOM_H_

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "hal/abi/gaudi2/mme.h"

namespace openhpu::simulator {

inline constexpr int64_t kGaudi2RandomElements = 1 << 16;

class RandomGaudi2Mme {
 public:
  explicit RandomGaudi2Mme(uint32_t seed) : random_(seed) {}

  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  int64_t Between(int64_t first, int64_t last) { return first + Below(last - first + 1); }
  bool OneIn(int64_t n) { return Below(n) == 0; }

  // Low words of the addresses of A, B and C.
  hal::abi::gaudi2::MmeDescriptor Descriptor(std::array<uint32_t, 3> at);
  // Changes one field of a descriptor, mostly to something that still runs.
  void Change(hal::abi::gaudi2::MmeDescriptor& d);

 private:
  void Tensor(int64_t k, bool input, bool transposed, hal::abi::gaudi2::MmeTensor& t);
  void Places(bool swap, hal::abi::gaudi2::MmeTensor& t,
              std::vector<hal::abi::gaudi2::MmeAgu*> agus);
  void Route(bool hx2, hal::abi::gaudi2::MmeDescriptor& d);

  std::mt19937_64 random_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_RANDOM_H_
