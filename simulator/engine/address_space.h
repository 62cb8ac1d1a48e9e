// The machine's memory: DRAM, SRAM and mapped host memory behind one device address space, in place
// in sparse host memory reserved at the chip's real size (pages appear when touched, filled with
// zeros). Keeps page versions for caches of derived data. Not thread-safe.
#ifndef SIMULATOR_ENGINE_ADDRESS_SPACE_H_
#define SIMULATOR_ENGINE_ADDRESS_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/chip.pb.h"
#include "simulator/engine/dram_mappings.h"
#include "simulator/functional/access.h"

namespace openhpu::simulator {

enum class Region : uint8_t { kDram, kSram, kHost };

class MachineMemory final : public AddressSpace {
 public:
  // ResourceExhausted when the host refuses the reservation.
  static absl::StatusOr<std::unique_ptr<MachineMemory>> Create(const hal::Chip& chip);
  ~MachineMemory() override;
  MachineMemory(const MachineMemory&) = delete;
  MachineMemory& operator=(const MachineMemory&) = delete;

  // OutOfRange, with the address, unless all bytes lie in one region or one host mapping.
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    const uint64_t offset = address.value() - view_.base;
    if (offset < view_.bytes && bytes <= view_.bytes - offset) return view_.host + offset;
    return ResolveElsewhere(address, bytes);
  }
  // Never 0 for the chip's own memory, always 0 for host memory, which others write at will, and
  // for addresses that nothing is at.
  uint64_t PageVersion(DeviceAddress address) const override;
  // Marks [address, address + bytes) written.
  void Touch(DeviceAddress address, uint64_t bytes);
  absl::StatusOr<Region> RegionOf(DeviceAddress address) const;

  // Host mappings: a device view of [host, host + bytes), at an address whose low 12 bits are the
  // host pointer's and which depends on the order and the sizes of mappings only. The memory stays
  // the caller's. UnmapHost: NotFound unless it is the address of a mapping. Of a chip with huge
  // pages `huge` is for a mapping of them: addresses of their own, and the low bits of a huge page.
  absl::StatusOr<DeviceAddress> MapHost(void* host, uint64_t bytes, bool huge = false);
  absl::Status UnmapHost(DeviceAddress address);
  // At this very address: AlreadyExists when something is mapped there, OutOfRange outside of the
  // window. The address need not have the low bits of the pointer.
  absl::Status MapHostAt(DeviceAddress address, void* host, uint64_t bytes);

  // Of a chip that sees DRAM by virtual address: DRAM is where it is mapped alone, from the first
  // call on. Before, all of it is where its user begins.
  void HideDram();
  // [offset, offset + bytes) of the user's DRAM at `address`. AlreadyExists when something is
  // mapped there, OutOfRange where there is no DRAM or no address for it. An access lies in one
  // mapping.
  absl::Status MapDram(DeviceAddress address, uint64_t offset, uint64_t bytes);
  absl::Status UnmapDram(DeviceAddress address);
  // DRAM by physical address, mapped or not, for debugging: null where there is none.
  std::byte* PhysicalDram(uint64_t address, uint64_t bytes);

 private:
  // The chip's own memory of one kind: contents, and the version of each page.
  struct Block {
    uint64_t base = 0;
    uint64_t bytes = 0;
    std::byte* host = nullptr;
    uint64_t* versions = nullptr;  // one less than PageVersion()

    absl::Status Reserve(const char* what);
    void Release();
    bool Touch(uint64_t address, uint64_t count, uint64_t version);
  };
  struct Mapping {
    std::byte* host;
    uint64_t bytes;
  };
  // Of device addresses, for mappings of host memory.
  struct HostWindow {
    uint64_t begin = 0, end = 0, page = 1;
    uint64_t next = 0;
  };
  // What of DRAM was resolved last, so that nothing need be looked for again.
  struct View {
    uint64_t base = 0, bytes = 0;
    std::byte* host = nullptr;
  };
  explicit MachineMemory(const hal::Chip& chip);
  absl::StatusOr<std::byte*> ResolveElsewhere(DeviceAddress address, uint64_t bytes);
  // The mapping that holds the address, or mappings_.end().
  std::map<uint64_t, Mapping>::const_iterator FindMapping(uint64_t address) const;

  Block dram_, sram_;
  View view_;
  uint64_t dram_user_offset_ = 0, dram_physical_ = 0;
  bool dram_is_mapped_ = false;  // HideDram()
  DramMappings dram_mappings_;
  HostWindow pages_, huge_pages_;
  uint64_t last_version_ = 0;
  std::map<uint64_t, Mapping> mappings_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_ADDRESS_SPACE_H_
