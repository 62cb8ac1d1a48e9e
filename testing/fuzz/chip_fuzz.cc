// Any text as a chip file: what is accepted stays so, and opens as a card or is refused.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hal/chip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using openhpu::hal::Chip;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Chip> chip = openhpu::hal::ParseChip(text, "input");
  if (!chip.ok()) return 0;
  if (!openhpu::hal::CheckChip(*chip).ok()) std::abort();
  const openhpu::hal::AddressRange dram = openhpu::hal::UserDram(*chip);
  if (dram.begin + dram.bytes < dram.begin) std::abort();
  return 0;
}
