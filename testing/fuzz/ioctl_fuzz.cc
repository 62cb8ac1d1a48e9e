// Any bytes as ioctls, and other calls, on the emulated device node.
#include "simulator/device_node/node_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::simulator::FuzzNode(data, size);
  return 0;
}
