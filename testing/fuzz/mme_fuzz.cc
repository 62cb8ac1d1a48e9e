// Any bytes as descriptors of the MME.
#include "simulator/functional/mme_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::simulator::FuzzMme(data, size);
  return 0;
}
