#include "simulator/engine/mme_traffic.h"

#include <algorithm>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {

absl::Status AddFetched(const Fabric& fabric, const std::vector<AccessBox>& boxes, uint64_t rereads,
                        uint64_t overlapping, uint64_t most, Traffic& traffic) {
  ASSIGN_OR_RETURN(const Traffic once, fabric.Measure(boxes));
  const uint64_t total = once.bytes_read();
  traffic.channels |= once.channels;
  if (total == 0) return absl::OkStatus();
  most = std::max(total, most);
  const uint64_t fetched = std::min(most, total * overlapping) > most / rereads
                               ? most
                               : std::min(most, total * overlapping * rereads);
  for (size_t region = 0; region < once.read.size(); ++region) {
    traffic.read[region] +=
        static_cast<uint64_t>(static_cast<unsigned __int128>(once.read[region]) * fetched / total);
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
