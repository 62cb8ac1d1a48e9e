#include "simulator/engine/address_space.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kVersionPage = 64 * 1024;  // of PageVersion()
constexpr uint64_t kHostPage = 4096;          // of host mappings

absl::StatusOr<void*> ReserveSparse(uint64_t bytes, const char* what) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("cannot reserve %d bytes of address space for the machine's %s: %s", bytes,
                        what, std::strerror(errno)));
  }
  return memory;
}

uint64_t Pages(uint64_t bytes) { return (bytes + kVersionPage - 1) / kVersionPage; }

absl::Status Unmapped(DeviceAddress address, uint64_t bytes) {
  return absl::OutOfRangeError(absl::StrFormat(
      "%d bytes at device address 0x%x are not in one mapped region", bytes, address.value()));
}

}  // namespace

absl::Status MachineMemory::Block::Reserve(const char* what) {
  if (bytes == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(void* contents, ReserveSparse(bytes, what));
  host = static_cast<std::byte*>(contents);
  // Fewer page faults, where the host has large pages; it may refuse.
  madvise(contents, bytes, MADV_HUGEPAGE);
  ASSIGN_OR_RETURN(void* pages, ReserveSparse(Pages(bytes) * sizeof(uint64_t), what));
  versions = static_cast<uint64_t*>(pages);
  return absl::OkStatus();
}

void MachineMemory::Block::Release() {
  if (host != nullptr) munmap(host, bytes);
  if (versions != nullptr) munmap(versions, Pages(bytes) * sizeof(uint64_t));
}

// The part of the range that lies in the block; whether there is one.
bool MachineMemory::Block::Touch(uint64_t address, uint64_t count, uint64_t version) {
  const uint64_t begin = std::max(address, base);
  const uint64_t end = std::min(address + count, base + bytes);
  if (begin >= end) return false;
  std::fill(versions + (begin - base) / kVersionPage,
            versions + (end - 1 - base) / kVersionPage + 1, version);
  return true;
}

absl::StatusOr<std::unique_ptr<MachineMemory>> MachineMemory::Create(const hal::Chip& chip) {
  std::unique_ptr<MachineMemory> memory(new MachineMemory(chip));
  RETURN_IF_ERROR(memory->dram_.Reserve("DRAM"));
  RETURN_IF_ERROR(memory->sram_.Reserve("SRAM"));
  return memory;
}

MachineMemory::MachineMemory(const hal::Chip& chip) {
  const hal::AddressMap& map = chip.address_map();
  // Where users see it: by virtual address on a chip that maps it, behind the kernel's start.
  const hal::AddressRange user = hal::UserDram(chip);
  dram_.base = user.begin + user.bytes - map.dram_bytes().value();
  dram_.bytes = map.dram_bytes().value();
  sram_.base = map.sram_base().value();
  sram_.bytes = map.sram_bytes().value();
  host_begin_ = (map.host_va_start().value() + kHostPage - 1) / kHostPage * kHostPage;
  host_end_ = map.host_va_end().value() / kHostPage * kHostPage;
  next_host_ = host_begin_;
}

MachineMemory::~MachineMemory() {
  dram_.Release();
  sram_.Release();
}

absl::StatusOr<std::byte*> MachineMemory::ResolveElsewhere(DeviceAddress address, uint64_t bytes) {
  const uint64_t offset = address.value() - sram_.base;
  if (offset < sram_.bytes && bytes <= sram_.bytes - offset) return sram_.host + offset;
  if (const auto it = FindMapping(address.value()); it != mappings_.end()) {
    const uint64_t inside = address.value() - it->first;
    if (bytes <= it->second.bytes - inside) return it->second.host + inside;
  }
  return Unmapped(address, bytes);
}

std::map<uint64_t, MachineMemory::Mapping>::const_iterator MachineMemory::FindMapping(
    uint64_t address) const {
  auto it = mappings_.upper_bound(address);
  if (it == mappings_.begin()) return mappings_.end();
  --it;
  return address - it->first < it->second.bytes ? it : mappings_.end();
}

uint64_t MachineMemory::PageVersion(DeviceAddress address) const {
  for (const Block* block : {&dram_, &sram_}) {
    const uint64_t offset = address.value() - block->base;
    if (offset < block->bytes) return block->versions[offset / kVersionPage] + 1;
  }
  return 0;
}

void MachineMemory::Touch(DeviceAddress address, uint64_t bytes) {
  const uint64_t version = ++last_version_;
  if (!dram_.Touch(address.value(), bytes, version)) sram_.Touch(address.value(), bytes, version);
}

absl::StatusOr<Region> MachineMemory::RegionOf(DeviceAddress address) const {
  if (address.value() - dram_.base < dram_.bytes) return Region::kDram;
  if (address.value() - sram_.base < sram_.bytes) return Region::kSram;
  if (FindMapping(address.value()) != mappings_.end()) return Region::kHost;
  return Unmapped(address, 1);
}

absl::StatusOr<DeviceAddress> MachineMemory::MapHost(void* host, uint64_t bytes) {
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("a host mapping needs a pointer and at least one byte");
  }
  const auto full = [&] {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "no device addresses left between 0x%x and 0x%x to map %d bytes of host memory",
        host_begin_, host_end_, bytes));
  };
  if (bytes > host_end_ - host_begin_) return full();
  // One page more than the bytes fill, so that the next address does not depend on this pointer's
  // low bits, and one that stays unmapped, so that running over the end is found.
  const uint64_t span = (bytes / kHostPage + 3) * kHostPage;
  const auto fits = [&](uint64_t begin, uint64_t end) {
    return begin < end && span <= end - begin;
  };
  uint64_t begin = next_host_;
  if (!fits(begin, host_end_)) {
    // The addresses have been through once: the first gap between mappings.
    begin = host_begin_;
    for (const auto& [at, mapping] : mappings_) {
      if (fits(begin, at / kHostPage * kHostPage)) break;
      begin = at / kHostPage * kHostPage + (mapping.bytes / kHostPage + 3) * kHostPage;
    }
    if (!fits(begin, host_end_)) return full();
  }
  next_host_ = begin + span;
  const uint64_t address = begin + reinterpret_cast<uintptr_t>(host) % kHostPage;
  mappings_[address] = {static_cast<std::byte*>(host), bytes};
  return DeviceAddress(address);
}

absl::Status MachineMemory::MapHostAt(DeviceAddress address, void* host, uint64_t bytes) {
  const uint64_t at = address.value();
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("a host mapping needs a pointer and at least one byte");
  }
  if (at < host_begin_ || at >= host_end_ || bytes > host_end_ - at) {
    return absl::OutOfRangeError(
        absl::StrFormat("0x%x is outside of 0x%x to 0x%x, where host memory is mapped", at,
                        host_begin_, host_end_));
  }
  auto next = mappings_.lower_bound(at);
  const bool overlaps =
      (next != mappings_.end() && next->first - at < bytes) || FindMapping(at) != mappings_.end();
  if (overlaps) {
    return absl::AlreadyExistsError(absl::StrFormat("host memory is mapped at 0x%x already", at));
  }
  mappings_[at] = {static_cast<std::byte*>(host), bytes};
  next_host_ =
      std::max(next_host_, at / kHostPage * kHostPage + (bytes / kHostPage + 3) * kHostPage);
  return absl::OkStatus();
}

absl::Status MachineMemory::UnmapHost(DeviceAddress address) {
  if (mappings_.erase(address.value()) == 0) {
    return absl::NotFoundError(
        absl::StrFormat("no host memory is mapped at device address 0x%x", address.value()));
  }
  return absl::OkStatus();
}

}  // namespace openhpu::simulator
