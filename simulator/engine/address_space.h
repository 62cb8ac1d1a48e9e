// The machine's memory: DRAM, SRAM and mapped host memory behind one device address space, in place in sparse host memory reserved at the chip's real size (pages
// appear when touched). Keeps page versions for caches of derived data.
#ifndef SIMULATOR_ENGINE_ADDRESS_SPACE_H_
#define SIMULATOR_ENGINE_ADDRESS_SPACE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/functional/access.h"

namespace openhpu::simulator {

enum class Region : uint8_t { kDram, kSram, kHost };

class MachineMemory final : public AddressSpace {
 public:
  // ResourceExhausted when the host refuses the reservation.
  static absl::StatusOr<std::unique_ptr<MachineMemory>> Create(const hal::Chip& chip);
  ~MachineMemory() override;

  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override;
  uint64_t PageVersion(DeviceAddress address) const override;
  // Marks [address, address + bytes) written.
  void Touch(DeviceAddress address, uint64_t bytes);
  absl::StatusOr<Region> RegionOf(DeviceAddress address) const;

  // Host mappings: a device view of [host, host + bytes), at an address whose low 12 bits are the host pointer's and which depends on the order of
  // mappings only. UnmapHost: NotFound unless it is the address of a mapping.
  absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes);
  absl::Status UnmapHost(DeviceAddress address);

 private:
  struct Mapping {
    std::byte* host;
    uint64_t bytes;
  };
  explicit MachineMemory(const hal::Chip& chip);

  uint64_t dram_base_, dram_bytes_, sram_base_, sram_bytes_, host_begin_, host_end_, next_host_;
  std::byte* dram_ = nullptr;
  std::byte* sram_ = nullptr;
  std::vector<uint32_t> dram_versions_, sram_versions_;
  std::map<uint64_t, Mapping> mappings_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_ADDRESS_SPACE_H_
