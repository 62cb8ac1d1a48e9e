// The memory of the fuzzers of both MMEs, and how they fail.
#ifndef SIMULATOR_FUNCTIONAL_MME_FUZZ_MEMORY_H_
#define SIMULATOR_FUNCTIONAL_MME_FUZZ_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "simulator/functional/access.h"
#include "simulator/functional/mme_fuzz.h"

namespace openhpu::simulator {

class FuzzMemory final : public AddressSpace {
 public:
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    const uint64_t offset = address.value() - kMmeFuzzBase;
    if (offset > kMmeFuzzBytes || bytes > kMmeFuzzBytes - offset) {
      return absl::OutOfRangeError("outside of the fuzzer's memory");
    }
    first = std::min(first, address.value());
    last = std::max(last, address.value() + bytes);
    dirty_ = std::max(dirty_, offset + bytes);
    return bytes_.data() + offset;
  }
  uint64_t PageVersion(DeviceAddress) const override { return 0; }

  // Zeros again: a fuzzer has no time to map it anew.
  void Clear() {
    std::fill_n(bytes_.begin(), dirty_, std::byte{0});
    dirty_ = 0;
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }

  uint64_t first = UINT64_MAX, last = 0;  // resolved

 private:
  uint64_t dirty_ = 0;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kMmeFuzzBytes);
};

inline void RequireOfMme(bool holds, const char* what, const absl::Status& status) {
  if (holds) return;
  std::fprintf(stderr, "MME: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

// What was resolved lies within the boxes.
inline bool WithinBoxes(const FuzzMemory& memory, const std::vector<AccessBox>& boxes) {
  uint64_t first = UINT64_MAX, last = 0;
  for (const AccessBox& box : boxes) {
    first = std::min(first, Begin(box).value());
    last = std::max(last, End(box).value());
  }
  return memory.first >= first && memory.last <= last;
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_FUZZ_MEMORY_H_
