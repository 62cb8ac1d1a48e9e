// Seeds of ioctl_fuzz: what programs do, as bytes of FuzzNode. The numbers are those of
// <misc/habanalabs.h>.
#ifndef TESTING_FUZZ_NODE_SEEDS_H_
#define TESTING_FUZZ_NODE_SEEDS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace openhpu::testing {

struct NodeSeed {
  std::string name, bytes;
};
// For both tables of ioctls.
std::vector<NodeSeed> NodeSeeds();

}  // namespace openhpu::testing

#endif  // TESTING_FUZZ_NODE_SEEDS_H_
