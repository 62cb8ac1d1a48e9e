// Seeds of gaudi2_queues_fuzz: what programs put into Gaudi2's queues, as bytes of
// FuzzGaudi2Queues.
#ifndef TESTING_FUZZ_GAUDI2_QUEUE_SEEDS_H_
#define TESTING_FUZZ_GAUDI2_QUEUE_SEEDS_H_

#include <string>
#include <vector>

namespace openhpu::testing {

struct QueueSeed {
  std::string name, bytes;
};
// Each in all modes.
std::vector<QueueSeed> Gaudi2QueueSeeds();

}  // namespace openhpu::testing

#endif  // TESTING_FUZZ_GAUDI2_QUEUE_SEEDS_H_
