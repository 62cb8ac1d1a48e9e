// For fuzzers: any bytes as descriptors of the MME.
#ifndef SIMULATOR_FUNCTIONAL_MME_FUZZ_H_
#define SIMULATOR_FUNCTIONAL_MME_FUZZ_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

struct MmeFuzzed {
  int analysed = 0, walked = 0, ran = 0;  // descriptors: whose loops, footprint, values were done
};

// Takes the bytes as up to four descriptors of 0x88 words, the last one filled up with zeros, which
// share accumulators: analyses them, takes their footprints, runs them both ways over 128 KiB of
// memory at kMmeFuzzBase. A descriptor of more than a thousand k-vectors is analysed only.
// Aborts if what refuses a descriptor and what runs it disagree, or a byte outside of its footprint
// was touched. Fit for LLVMFuzzerTestOneInput.
inline constexpr uint64_t kMmeFuzzBase = 0x20000000;
inline constexpr uint64_t kMmeFuzzBytes = 0x20000;
MmeFuzzed FuzzMme(const uint8_t* data, size_t size);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_FUZZ_H_
