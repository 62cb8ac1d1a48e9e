#include "simulator/engine/register_map.h"

#include "hal/base/status_macros.h"

namespace openhpu::simulator {

RegisterMap::RegisterMap(uint64_t base, uint64_t bytes) : base_(base), pages_(bytes / kPageBytes) {}

void RegisterMap::Add(uint64_t base, uint64_t bytes, RegisterBlock block, uint16_t index) {
  for (uint64_t at = base; at < base + bytes; at += kPageBytes) {
    OPENHPU_CHECK(Holds(at));
    Page& page = pages_[(at - base_) / kPageBytes];
    OPENHPU_CHECK(page.block == RegisterBlock::kNone);
    page = {block, index, base};
  }
}

}  // namespace openhpu::simulator
