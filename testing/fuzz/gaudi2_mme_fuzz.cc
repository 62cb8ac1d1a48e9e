// Any bytes as descriptors of Gaudi2's MME.
#include "simulator/functional/gaudi2_mme_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::simulator::FuzzGaudi2Mme(data, size);
  return 0;
}
