// The commands that a command processor runs, and what of them it has when their memory is unmapped
// under its feet.
#ifndef SIMULATOR_ENGINE_FETCHED_COMMANDS_H_
#define SIMULATOR_ENGINE_FETCHED_COMMANDS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hal/base/strong_int.h"

namespace openhpu::simulator {

struct FetchedCommands {
  FetchedCommands() = default;
  // `data` may be of `kept`, which moves with it.
  FetchedCommands(FetchedCommands&&) = default;
  FetchedCommands& operator=(FetchedCommands&&) = default;

  const std::byte* data = nullptr;
  uint64_t base = 0;   // where they lie on the device; 0: in the kernel driver's copy
  uint32_t bytes = 0;  // of `data`
  Picoseconds latency;

  // Of unmapped ones `data` is `kept`: the beginning, as far as it was fetched, and `lost` bytes
  // are missing behind it. The beginning is not fetched again without a look at the memory.
  bool unmapped = false;
  uint32_t lost = 0;
  std::vector<std::byte> kept;

  void Keep(uint64_t fetched) {
    const auto left = static_cast<uint32_t>(std::min<uint64_t>(fetched, bytes));
    kept.assign(data, data + left);
    data = kept.data();
    lost = bytes - left;
    bytes = left;
    unmapped = true;
  }
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_FETCHED_COMMANDS_H_
