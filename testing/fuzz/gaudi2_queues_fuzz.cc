// Any bytes as command buffers of every kind of queue.
#include "simulator/queue_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::simulator::FuzzGaudi2Queues(data, size);
  return 0;
}
