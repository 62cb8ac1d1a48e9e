#include "hal/habanalabs/opening.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"
#include "hal/habanalabs/discovery.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

constexpr char kScheme[] = "habanalabs:";

// Replaces a number of the chip file by what the kernel says.
absl::Status Replace(const char* path, uint64_t value, Chip& chip) {
  return OverrideChip(path, value, chip);
}

// How many TPCs there are without a gap: queue ids count engines from 0.
uint64_t CountTpcs(const hl_info_hw_ip_info& ip) {
  uint64_t mask = ip.tpc_enabled_mask | ip.tpc_enabled_mask_ext;
  uint64_t count = 0;
  for (; mask & 1; mask >>= 1) ++count;
  return count;
}

// Takes all of DRAM that can be had, in one allocation, and maps it: there is one user at a time.
absl::Status MapDram(const Connection& connection, const hl_info_hw_ip_info& ip, DeviceAddress at,
                     DeviceInfo& info) {
  hl_info_dram_usage usage;
  // An old kernel that does not tell has all of it to give.
  if (connection.Info(HL_INFO_DRAM_USAGE, &usage) < 0) usage.dram_free_mem = ip.dram_size;
  info.dram_user_bytes =
      std::min<uint64_t>(ip.dram_size, usage.dram_free_mem) / ip.dram_page_size * ip.dram_page_size;
  if (info.dram_user_bytes == 0) {
    return absl::UnavailableError(
        absl::StrCat(connection.node().path, ": no DRAM is free, of 0x", absl::Hex(ip.dram_size)));
  }
  hl_mem_args args = {};
  args.in.op = HL_MEM_OP_ALLOC;
  args.in.alloc.mem_size = info.dram_user_bytes;
  if (const int result = connection.Memory(&args); result < 0) {
    return ErrorStatus(-result,
                       absl::StrCat("allocating ", info.dram_user_bytes, " bytes of DRAM"));
  }
  const uint64_t handle = args.out.handle;
  args = {};
  args.in.op = HL_MEM_OP_MAP;
  args.in.flags = at.value() != 0 ? HL_MEM_FORCE_HINT : 0;
  args.in.map_device.hint_addr = at.value();
  args.in.map_device.handle = handle;
  if (const int result = connection.Memory(&args); result < 0) {
    return ErrorStatus(-result, absl::StrCat("mapping ", info.dram_user_bytes, " bytes of DRAM"));
  }
  info.dram_user_base = DeviceAddress(args.out.device_virt_addr);
  if (at.value() != 0 && info.dram_user_base != at) {
    return absl::InternalError(absl::StrCat("DRAM that was at 0x", absl::Hex(at.value()),
                                            " came to 0x", absl::Hex(info.dram_user_base.value())));
  }
  const AddressMap& map = info.chip.address_map();
  // The kernel's part stays what the chip file says: it is below what a user can see.
  const uint64_t kernels = map.dram_user_base().value() - map.dram_base().value();
  RETURN_IF_ERROR(Replace("address_map.dram_bytes", kernels + info.dram_user_bytes, info.chip));
  RETURN_IF_ERROR(Replace("address_map.dram_va_start", info.dram_user_base.value(), info.chip));
  return Replace("address_map.dram_page_bytes", ip.dram_page_size, info.chip);
}

}  // namespace

absl::StatusOr<Spec> ParseSpec(std::string_view view) {
  const std::string text(view);
  const auto bad = [&](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": ", why, "; want habanalabs:<n>[,timeout=<seconds>]"));
  };
  if (text.rfind(kScheme, 0) != 0) return bad("another kind of device");
  const std::vector<std::string> parts = absl::StrSplit(text.substr(sizeof kScheme - 1), ',');
  Spec spec;
  if (!absl::SimpleAtoi(parts[0], &spec.card)) {
    return bad(absl::StrCat("\"", parts[0], "\" is no card number"));
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<std::string, std::string> option =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    if (option.first != "timeout") return bad(absl::StrCat("unknown key \"", option.first, "\""));
    if (!absl::SimpleAtoi(option.second, &spec.timeout_seconds) || spec.timeout_seconds == 0) {
      return bad(absl::StrCat("timeout \"", option.second, "\" is no positive number of seconds"));
    }
  }
  return spec;
}

absl::StatusOr<Connection> OpenCard(Syscalls* syscalls, uint32_t number) {
  std::vector<std::string> tried;
  for (const Node& node : NodesOf(*syscalls, number)) {
    absl::StatusOr<Connection> connection = Connection::Open(syscalls, node, kOpenPatience);
    if (connection.ok() || !absl::IsNotFound(connection.status())) return connection;
    tried.push_back(std::string(connection.status().message()));
  }
  const std::string cards = DescribeCards(ListCards(*syscalls));
  return absl::NotFoundError(absl::StrCat(
      "habanalabs:", number, ": no such card (", absl::StrJoin(tried, "; "), "); ",
      cards.empty() ? std::string("sysfs lists none: is there a card, and the habanalabs driver "
                                  "loaded? Without a card use sim:<chip>")
                    : absl::StrCat("there are ", cards)));
}

absl::StatusOr<Device> TakeDevice(const Connection& connection, DeviceAddress dram) {
  const std::string& path = connection.node().path;
  hl_info_hw_ip_info ip;
  if (const int result = connection.Info(HL_INFO_HW_IP_INFO, &ip); result < 0) {
    return ErrorStatus(-result, absl::StrCat(path, ": asking what the card is"));
  }
  Device device;
  ASSIGN_OR_RETURN(device.generation, GenerationOf(ip.device_id));
  DeviceInfo& info = device.info;
  ASSIGN_OR_RETURN(info.chip, LoadChip(device.generation->chip));
  Chip& chip = info.chip;
  const AddressMap& map = chip.address_map();
  // The kernel tells what is the user's; the chip file has what there is.
  const bool is_dram_right =
      device.generation->maps_dram
          ? ip.dram_page_size != 0 && ip.dram_size >= ip.dram_page_size &&
                ip.dram_size <= map.dram_va_end().value() - map.dram_va_start().value()
          : ip.dram_base_address >= map.dram_user_base().value() && ip.dram_size != 0 &&
                ip.dram_base_address + ip.dram_size >= ip.dram_base_address;
  if (!is_dram_right ||
      ip.sram_base_address < map.sram_base().value() + map.sram_reserved_bytes().value() ||
      ip.sram_size == 0 || ip.sram_base_address + ip.sram_size < ip.sram_base_address) {
    return absl::InternalError(absl::StrCat(
        path, " says that the user's memory is DRAM of 0x", absl::Hex(ip.dram_size),
        " bytes (pages of 0x", absl::Hex(ip.dram_page_size), ") at 0x",
        absl::Hex(ip.dram_base_address), " and SRAM of 0x", absl::Hex(ip.sram_size), " bytes at 0x",
        absl::Hex(ip.sram_base_address), ", which no card of this kind has"));
  }
  if (device.generation->maps_dram) {
    RETURN_IF_ERROR(MapDram(connection, ip, dram, info));
  } else {
    info.dram_user_base = DeviceAddress(ip.dram_base_address);
    info.dram_user_bytes = ip.dram_size;
    RETURN_IF_ERROR(Replace("address_map.dram_user_base", ip.dram_base_address, chip));
    RETURN_IF_ERROR(Replace("address_map.dram_bytes",
                            ip.dram_base_address + ip.dram_size - map.dram_base().value(), chip));
  }
  RETURN_IF_ERROR(Replace("address_map.sram_reserved_bytes",
                          ip.sram_base_address - map.sram_base().value(), chip));
  RETURN_IF_ERROR(Replace("address_map.sram_bytes",
                          ip.sram_base_address + ip.sram_size - map.sram_base().value(), chip));
  if (device.generation->maps_dram && ip.edma_enabled_mask != 0) {
    // A bit for each EDMA, DCORE by DCORE; the chip file counts the PDMAs before them. An old
    // kernel has no mask.
    const uint64_t there = uint64_t{ip.edma_enabled_mask} << chip.dma().pdma_count().value();
    RETURN_IF_ERROR(Replace("dma.compute_mask", chip.dma().compute_mask().value() & there, chip));
  }
  RETURN_IF_ERROR(Replace("tpc.count", std::min(CountTpcs(ip), chip.tpc().count().value()), chip));
  RETURN_IF_ERROR(Replace("pci_device_id", ip.device_id, chip));
  if (const absl::Status status = CheckChip(chip); !status.ok()) {
    return absl::InternalError(
        absl::StrCat(path, " says what cannot be: ", std::string(status.message())));
  }
  info.sram_user_base = DeviceAddress(ip.sram_base_address);
  info.sram_user_bytes = ip.sram_size;
  return device;
}

absl::StatusOr<std::vector<SyncManagerInfo>> QuerySyncManagers(const Connection& connection,
                                                               const Device& device) {
  const Chip& chip = device.info.chip;
  std::vector<SyncManagerInfo> managers;
  for (uint64_t manager = 0; manager < chip.sync().count().value(); ++manager) {
    hl_info_sync_manager answer;
    if (const int result =
            connection.Info(HL_INFO_SYNC_MANAGER, &answer, device.generation->dcore(manager));
        result < 0) {
      return ErrorStatus(-result, absl::StrCat("asking about sync manager ", manager));
    }
    const uint64_t sobs = chip.sync().sobs().value(), monitors = chip.sync().monitors().value();
    if (answer.first_available_sync_object >= sobs || answer.first_available_monitor >= monitors) {
      return absl::InternalError(
          absl::StrCat("sync manager ", manager, " has nothing for the user, says the kernel"));
    }
    SyncManagerInfo info;
    info.first_sob = answer.first_available_sync_object;
    info.num_sobs = static_cast<uint32_t>(sobs) - info.first_sob;
    info.first_monitor = answer.first_available_monitor;
    info.num_monitors = static_cast<uint32_t>(monitors) - info.first_monitor;
    managers.push_back(info);
  }
  return managers;
}

}  // namespace openhpu::hal::habanalabs
