// Any bytes as a TPC's kernel image and descriptors.
#include "simulator/queue_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::simulator::FuzzTpc(data, size);
  return 0;
}
