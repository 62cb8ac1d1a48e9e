// Chip files: loading and checking. The shipped ones are compiled in by name; a path loads any
// other.
#ifndef HAL_CHIP_H_
#define HAL_CHIP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"

namespace openhpu::hal {

// The names of the shipped chips, sorted.
std::vector<std::string> ShippedChips();

// A shipped chip by name, checked. NotFound lists the names there are.
absl::StatusOr<Chip> LoadChip(std::string_view name);

// Parses and checks a chip's text form. `where` names it in errors: InvalidArgument with line and
// column, or the first field that is absent, has no source or confidence, or contradicts another.
absl::StatusOr<Chip> ParseChip(std::string_view text, std::string_view where);

// Every Number set, with source and confidence; counts and sizes consistent.
absl::Status CheckChip(const Chip& chip);

// Where user work sees DRAM, and how much of it: by virtual address on a chip that maps DRAM, all
// but the kernel's start.
struct AddressRange {
  uint64_t begin = 0, bytes = 0;
};
AddressRange UserDram(const Chip& chip);

// Applies "tpc.count=4" style overrides: field path and integer value. The source becomes
// "override".
absl::Status OverrideChip(std::string_view path, uint64_t value, Chip& chip);

}  // namespace openhpu::hal

#endif  // HAL_CHIP_H_
