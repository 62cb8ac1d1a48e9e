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
constexpr int kMappingShift = 40;             // of versions: more than any machine writes

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
  memory->view_ = {memory->dram_.base, memory->dram_.bytes, memory->dram_.host};
  return memory;
}

MachineMemory::MachineMemory(const hal::Chip& chip) {
  const hal::AddressMap& map = chip.address_map();
  // Where users see it: by virtual address on a chip that maps it, behind the kernel's start.
  const hal::AddressRange user = hal::UserDram(chip);
  dram_user_offset_ = map.dram_bytes().value() - user.bytes;
  dram_physical_ = map.dram_base().value();
  dram_.base = user.begin - dram_user_offset_;
  dram_.bytes = map.dram_bytes().value();
  dram_mappings_ = DramMappings(map.dram_va_start().value(), map.dram_va_end().value());
  sram_.base = map.sram_base().value();
  sram_.bytes = map.sram_bytes().value();
  const auto window = [](uint64_t begin, uint64_t end, uint64_t page) {
    const uint64_t first = (begin + page - 1) / page * page;
    return HostWindow{first, end / page * page, page, first};
  };
  pages_ = window(map.host_va_start().value(), map.host_va_end().value(), kHostPage);
  if (map.has_host_huge_va_start()) {
    huge_pages_ = window(map.host_huge_va_start().value(), map.host_huge_va_end().value(),
                         map.host_huge_page_bytes().value());
  }
}

MachineMemory::~MachineMemory() {
  dram_.Release();
  sram_.Release();
}

absl::StatusOr<std::byte*> MachineMemory::ResolveElsewhere(DeviceAddress address, uint64_t bytes) {
  if (const DramMappings::Mapping* mapping = dram_mappings_.Find(address.value())) {
    view_ = {mapping->address, mapping->bytes, dram_.host + mapping->offset};
    const uint64_t inside = address.value() - view_.base;
    if (bytes <= view_.bytes - inside) return view_.host + inside;
    return Unmapped(address, bytes);
  }
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
  const uint64_t at = address.value();
  if (dram_is_mapped_) {
    const DramMappings::Mapping* const mapping = dram_mappings_.Find(at);
    if (mapping != nullptr) {
      // Another mapping at this address has shown another page.
      return (dram_.versions[(mapping->offset + (at - mapping->address)) / kVersionPage] + 1) ^
             (mapping->number << kMappingShift);
    }
  } else if (at - dram_.base < dram_.bytes) {
    return dram_.versions[(at - dram_.base) / kVersionPage] + 1;
  }
  return at - sram_.base < sram_.bytes ? sram_.versions[(at - sram_.base) / kVersionPage] + 1 : 0;
}

void MachineMemory::Touch(DeviceAddress address, uint64_t bytes) {
  const uint64_t version = ++last_version_;
  uint64_t at = address.value();
  if (dram_is_mapped_) {
    const DramMappings::Mapping* const mapping = dram_mappings_.Find(at);
    // From here on as if all of DRAM lay at dram_.base.
    if (mapping != nullptr) at = dram_.base + mapping->offset + (at - mapping->address);
    if (mapping == nullptr) return static_cast<void>(sram_.Touch(at, bytes, version));
  }
  if (!dram_.Touch(at, bytes, version)) sram_.Touch(at, bytes, version);
}

absl::StatusOr<Region> MachineMemory::RegionOf(DeviceAddress address) const {
  const uint64_t at = address.value();
  if (dram_is_mapped_ ? dram_mappings_.Find(at) != nullptr : at - dram_.base < dram_.bytes) {
    return Region::kDram;
  }
  if (at - sram_.base < sram_.bytes) return Region::kSram;
  if (FindMapping(at) != mappings_.end()) return Region::kHost;
  return Unmapped(address, 1);
}

void MachineMemory::HideDram() {
  dram_is_mapped_ = true;
  view_ = View();
}

absl::Status MachineMemory::MapDram(DeviceAddress address, uint64_t offset, uint64_t bytes) {
  const uint64_t all = dram_.bytes - dram_user_offset_;
  if (!dram_is_mapped_ || bytes == 0 || offset > all || bytes > all - offset) {
    return absl::OutOfRangeError(
        absl::StrFormat("%d bytes of DRAM from byte 0x%x on: it has %d", bytes, offset, all));
  }
  return dram_mappings_.Map(address.value(), dram_user_offset_ + offset, bytes);
}

std::byte* MachineMemory::PhysicalDram(uint64_t address, uint64_t bytes) {
  const uint64_t offset = address - dram_physical_;
  return offset < dram_.bytes && bytes <= dram_.bytes - offset ? dram_.host + offset : nullptr;
}

absl::Status MachineMemory::UnmapDram(DeviceAddress address) {
  view_ = View();
  return dram_mappings_.Unmap(address.value());
}

absl::StatusOr<DeviceAddress> MachineMemory::MapHost(void* host, uint64_t bytes, bool huge) {
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("a host mapping needs a pointer and at least one byte");
  }
  HostWindow& window = huge ? huge_pages_ : pages_;
  const auto full = [&] {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "no device addresses left between 0x%x and 0x%x to map %d bytes of host memory",
        window.begin, window.end, bytes));
  };
  if (bytes > window.end - window.begin) return full();
  // One page more than the bytes fill, so that the next address does not depend on this pointer's
  // low bits, and one that stays unmapped, so that running over the end is found.
  const uint64_t page = window.page;
  const auto span = [page](uint64_t count) { return (count / page + 3) * page; };
  const auto fits = [&](uint64_t begin, uint64_t end) {
    return begin < end && span(bytes) <= end - begin;
  };
  uint64_t begin = window.next;
  if (!fits(begin, window.end)) {
    // The addresses have been through once: the first gap between mappings.
    begin = window.begin;
    for (auto it = mappings_.lower_bound(begin); it != mappings_.end() && it->first < window.end;
         ++it) {
      const uint64_t at = it->first / page * page;
      if (fits(begin, at)) break;
      begin = at + span(it->second.bytes);
    }
    if (!fits(begin, window.end)) return full();
  }
  window.next = begin + span(bytes);
  const uint64_t address = begin + reinterpret_cast<uintptr_t>(host) % page;
  mappings_[address] = {static_cast<std::byte*>(host), bytes};
  return DeviceAddress(address);
}

absl::Status MachineMemory::MapHostAt(DeviceAddress address, void* host, uint64_t bytes) {
  const uint64_t at = address.value();
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("a host mapping needs a pointer and at least one byte");
  }
  HostWindow& window = at >= huge_pages_.begin && at < huge_pages_.end ? huge_pages_ : pages_;
  if (at < window.begin || at >= window.end || bytes > window.end - at) {
    return absl::OutOfRangeError(
        absl::StrFormat("0x%x is outside of 0x%x to 0x%x, where host memory is mapped", at,
                        window.begin, window.end));
  }
  auto next = mappings_.lower_bound(at);
  const bool overlaps =
      (next != mappings_.end() && next->first - at < bytes) || FindMapping(at) != mappings_.end();
  if (overlaps) {
    return absl::AlreadyExistsError(absl::StrFormat("host memory is mapped at 0x%x already", at));
  }
  mappings_[at] = {static_cast<std::byte*>(host), bytes};
  window.next = std::max(window.next,
                         at / window.page * window.page + (bytes / window.page + 3) * window.page);
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
