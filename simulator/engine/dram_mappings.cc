#include "simulator/engine/dram_mappings.h"

#include "absl/strings/str_format.h"

namespace openhpu::simulator {

absl::Status DramMappings::Map(uint64_t address, uint64_t offset, uint64_t bytes) {
  if (address < begin_ || address >= end_ || bytes > end_ - address) {
    return absl::OutOfRangeError(absl::StrFormat(
        "0x%x is outside of 0x%x to 0x%x, where DRAM is mapped", address, begin_, end_));
  }
  const auto next = mappings_.lower_bound(address);
  if ((next != mappings_.end() && next->first - address < bytes) || Find(address) != nullptr) {
    return absl::AlreadyExistsError(absl::StrFormat("DRAM is mapped at 0x%x already", address));
  }
  mappings_[address] = {address, bytes, offset, ++count_};
  return absl::OkStatus();
}

absl::Status DramMappings::Unmap(uint64_t address) {
  if (mappings_.erase(address) == 0) {
    return absl::NotFoundError(
        absl::StrFormat("no DRAM is mapped at device address 0x%x", address));
  }
  return absl::OkStatus();
}

const DramMappings::Mapping* DramMappings::Find(uint64_t address) const {
  auto it = mappings_.upper_bound(address);
  if (it == mappings_.begin()) return nullptr;
  --it;
  return address - it->first < it->second.bytes ? &it->second : nullptr;
}

}  // namespace openhpu::simulator
