// Where DRAM is seen on a chip that maps it: ranges of device addresses, each of a stretch of the
// memory. Not thread-safe.
#ifndef SIMULATOR_ENGINE_DRAM_MAPPINGS_H_
#define SIMULATOR_ENGINE_DRAM_MAPPINGS_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"

namespace openhpu::simulator {

class DramMappings {
 public:
  struct Mapping {
    uint64_t address = 0, bytes = 0;
    uint64_t offset = 0;  // in the memory
    uint64_t number = 0;  // counts all that ever were, from 1
  };
  DramMappings() = default;
  // Of device addresses in [begin, end).
  DramMappings(uint64_t begin, uint64_t end) : begin_(begin), end_(end) {}

  // AlreadyExists when something is mapped there, OutOfRange outside of the addresses.
  absl::Status Map(uint64_t address, uint64_t offset, uint64_t bytes);
  // NotFound unless it is the first address of a mapping.
  absl::Status Unmap(uint64_t address);
  // The mapping that holds the address; null when none does.
  const Mapping* Find(uint64_t address) const;

 private:
  uint64_t begin_ = 0, end_ = 0;
  std::map<uint64_t, Mapping> mappings_;
  uint64_t count_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_DRAM_MAPPINGS_H_
