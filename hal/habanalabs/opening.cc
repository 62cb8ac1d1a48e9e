#include "hal/habanalabs/opening.h"

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "hal/abi/gaudi/blocks.h"
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

// The name of the chip file for a PCI device id.
absl::StatusOr<std::string> ChipOf(uint32_t device_id) {
  switch (device_id) {
    case kGaudiId:
    case kGaudiSecuredId:
      return std::string("gaudi");
    case kGaudi2Id:
      return absl::UnimplementedError(
          "the card is a Gaudi2 (0x1020): this driver speaks to Gaudi alone");
    case kGaudi3Id:
      return absl::UnimplementedError(
          "the card is a Gaudi3 (0x1060): Gaudi3 is a chip for studies in the simulator only");
    default:
      return absl::UnimplementedError(
          absl::StrCat("the card has device id 0x", absl::Hex(device_id), ", which is unknown"));
  }
}

// How many TPCs there are without a gap: queue ids count engines from 0.
uint64_t CountTpcs(const hl_info_hw_ip_info& ip) {
  uint64_t mask = ip.tpc_enabled_mask | ip.tpc_enabled_mask_ext;
  uint64_t count = 0;
  for (; mask & 1; mask >>= 1) ++count;
  return count;
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

absl::StatusOr<DeviceInfo> QueryDevice(const Connection& connection) {
  hl_info_hw_ip_info ip;
  if (const int result = connection.Info(HL_INFO_HW_IP_INFO, &ip); result < 0) {
    return ErrorStatus(-result, absl::StrCat(connection.node().path, ": asking what the card is"));
  }
  ASSIGN_OR_RETURN(const std::string name, ChipOf(ip.device_id));
  DeviceInfo info;
  ASSIGN_OR_RETURN(info.chip, LoadChip(name));
  Chip& chip = info.chip;
  const AddressMap& map = chip.address_map();
  // The kernel tells what is the user's; the chip file has what there is.
  if (ip.dram_base_address < map.dram_user_base().value() ||
      ip.sram_base_address < map.sram_base().value() + map.sram_reserved_bytes().value() ||
      ip.dram_size == 0 || ip.dram_base_address + ip.dram_size < ip.dram_base_address ||
      ip.sram_size == 0 || ip.sram_base_address + ip.sram_size < ip.sram_base_address) {
    return absl::InternalError(
        absl::StrCat(connection.node().path, " says that the user's memory is DRAM of 0x",
                     absl::Hex(ip.dram_size), " bytes at 0x", absl::Hex(ip.dram_base_address),
                     " and SRAM of 0x", absl::Hex(ip.sram_size), " bytes at 0x",
                     absl::Hex(ip.sram_base_address), ", which no card of this kind has"));
  }
  RETURN_IF_ERROR(Replace("address_map.dram_user_base", ip.dram_base_address, chip));
  RETURN_IF_ERROR(Replace("address_map.dram_bytes",
                          ip.dram_base_address + ip.dram_size - map.dram_base().value(), chip));
  RETURN_IF_ERROR(Replace("address_map.sram_reserved_bytes",
                          ip.sram_base_address - map.sram_base().value(), chip));
  RETURN_IF_ERROR(Replace("address_map.sram_bytes",
                          ip.sram_base_address + ip.sram_size - map.sram_base().value(), chip));
  RETURN_IF_ERROR(Replace("tpc.count", CountTpcs(ip), chip));
  RETURN_IF_ERROR(Replace("pci_device_id", ip.device_id, chip));
  if (const absl::Status status = CheckChip(chip); !status.ok()) {
    return absl::InternalError(absl::StrCat(
        connection.node().path, " says what cannot be: ", std::string(status.message())));
  }
  info.dram_user_base = DeviceAddress(ip.dram_base_address);
  info.dram_user_bytes = ip.dram_size;
  info.sram_user_base = DeviceAddress(ip.sram_base_address);
  info.sram_user_bytes = ip.sram_size;
  return info;
}

absl::StatusOr<std::vector<SyncManagerInfo>> QuerySyncManagers(const Connection& connection,
                                                               const Chip& chip) {
  // The kernel counts the corners in another order than their addresses have.
  const auto dcore = [](uint64_t manager) -> uint32_t {
    switch (manager) {
      case abi::gaudi::kWestSouth:
        return HL_GAUDI_WS_DCORE;
      case abi::gaudi::kEastSouth:
        return HL_GAUDI_ES_DCORE;
      case abi::gaudi::kWestNorth:
        return HL_GAUDI_WN_DCORE;
      default:
        return HL_GAUDI_EN_DCORE;
    }
  };
  std::vector<SyncManagerInfo> managers;
  for (uint64_t manager = 0; manager < chip.sync().count().value(); ++manager) {
    hl_info_sync_manager answer;
    if (const int result = connection.Info(HL_INFO_SYNC_MANAGER, &answer, dcore(manager));
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
