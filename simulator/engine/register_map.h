// Which block of registers an address of the configuration space lies in: by page, so that a
// message finds its way at the cost of one look.
#ifndef SIMULATOR_ENGINE_REGISTER_MAP_H_
#define SIMULATOR_ENGINE_REGISTER_MAP_H_

#include <cstdint>
#include <vector>

#include "simulator/engine/block_registers.h"

namespace openhpu::simulator {

class RegisterMap {
 public:
  struct Place {
    RegisterBlock block = RegisterBlock::kNone;
    uint16_t index = 0;  // which block of the kind, as Add was told
    uint32_t offset = 0;
  };

  RegisterMap() = default;
  // Of the space at [base, base + bytes).
  RegisterMap(uint64_t base, uint64_t bytes);

  // Blocks are whole pages, and do not overlap.
  void Add(uint64_t base, uint64_t bytes, RegisterBlock block, uint16_t index);

  bool Holds(uint64_t address) const { return (address - base_) / kPageBytes < pages_.size(); }
  // The place of an address that it holds; kNone where there is no block.
  Place Find(uint64_t address) const {
    const Page& page = pages_[(address - base_) / kPageBytes];
    return {page.block, page.index, static_cast<uint32_t>(address - page.base)};
  }

 private:
  static constexpr uint64_t kPageBytes = 4096;
  struct Page {
    RegisterBlock block = RegisterBlock::kNone;
    uint16_t index = 0;
    uint64_t base = 0;  // of the block
  };

  uint64_t base_ = 0;
  std::vector<Page> pages_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_REGISTER_MAP_H_
