// For fuzzers: any bytes as descriptors of Gaudi2's MME.
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_FUZZ_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_FUZZ_H_

#include <cstddef>
#include <cstdint>

#include "simulator/functional/mme_fuzz.h"

namespace openhpu::simulator {

// As FuzzMme, of descriptors of 0xB6 words; one of more than 64 k-vectors, each of which is many
// times Gaudi's, is read only. Aborts if the two ways differ in a bit, or a byte outside of the
// footprint was touched. Fit for LLVMFuzzerTestOneInput.
MmeFuzzed FuzzGaudi2Mme(const uint8_t* data, size_t size);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_FUZZ_H_
