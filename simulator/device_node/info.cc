// INFO: what the kernel tells of a device.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "hal/chip.h"
#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
constexpr uint32_t kMostHardwareEvents = 2048;  // of any chip here
constexpr uint64_t kMilliwatts = 1000;
constexpr uint64_t kIdleWatts = 60, kBusyWatts = 200;  // the driver's cap of the PCI card is 200 W

// As the kernel does: as much as the caller has room for.
template <typename T>
int Answer(const hl_info_args& args, const T& value) {
  return CopyToUser(args.return_pointer, &value, std::min<size_t>(args.return_size, sizeof value));
}

template <size_t kSize>
void SetText(uint8_t (&to)[kSize], const char* text) {
  std::strncpy(reinterpret_cast<char*>(to), text, kSize - 1);
}

// Questions that are answered while the device is not operational.
bool IsAlwaysAnswered(uint32_t op) {
  switch (op) {
    case HL_INFO_HW_IP_INFO:
    case HL_INFO_DEVICE_STATUS:
    case HL_INFO_RESET_COUNT:
    case HL_INFO_HW_EVENTS:
    case HL_INFO_HW_EVENTS_AGGREGATE:
    case HL_INFO_CS_COUNTERS:
    case HL_INFO_CLK_THROTTLE_REASON:
    case HL_INFO_SYNC_MANAGER:
    case HL_INFO_OPEN_STATS:
    case HL_INFO_LAST_ERR_OPEN_DEV_TIME:
    case HL_INFO_CS_TIMEOUT_EVENT:
    case HL_INFO_RAZWI_EVENT:
    case HL_INFO_UNDEFINED_OPCODE_EVENT:
    case HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES:
    case HL_INFO_REGISTER_EVENTFD:
    case HL_INFO_UNREGISTER_EVENTFD:
    case HL_INFO_GET_EVENTS:
      return true;
    default:
      return false;
  }
}

}  // namespace

int Node::InfoIoctl(File& file, hl_info_args& args) {
  const Lock lock(mutex_);
  Called();
  if (file.kind == NodeKind::kCompute && !IsAlwaysAnswered(args.op)) {
    if (const int error = Usable(file); error != 0) return error;
  }
  switch (args.op) {
    case HL_INFO_REGISTER_EVENTFD:
    case HL_INFO_UNREGISTER_EVENTFD:
      return EventFdInfo(file, args);
    default:
      break;
  }
  if (args.return_pointer == 0 || args.return_size == 0) return -EINVAL;
  LookForFaults();
  return AnswerInfo(file, args);
}

int Node::HwIpInfo(const File& file, const hl_info_args& args) {
  const hal::AddressMap& map = chip().address_map();
  uapi::AccelHwIpInfo info;
  std::memset(&info, 0, sizeof info);
  hl_info_hw_ip_info& ip = info.misc;
  // What is the kernel's is left out, at the beginning of both memories.
  ip.sram_base_address = map.sram_base().value() + map.sram_reserved_bytes().value();
  ip.sram_size =
      static_cast<uint32_t>(map.sram_bytes().value() - map.sram_reserved_bytes().value());
  const hal::AddressRange dram = hal::UserDram(chip());
  ip.dram_base_address = dram.begin;
  ip.dram_size = dram.bytes;
  ip.dram_page_size = ip.device_mem_alloc_default_page_size = map.dram_page_bytes().value();
  ip.num_of_events = kernel_.hardware_events;
  ip.first_available_interrupt_id = kernel_.first_interrupt;
  ip.mme_master_slave_mode = kernel_.mme_master_slave;
  ip.edma_enabled_mask =
      static_cast<uint32_t>((uint64_t{1} << chip().dma().edma_count().value()) - 1);
  ip.device_id = pci_device_id();
  ip.dram_enabled = 1;
  const auto tpcs = static_cast<uint32_t>((uint64_t{1} << chip().tpc().count().value()) - 1);
  ip.tpc_enabled_mask = static_cast<uint8_t>(tpcs);
  ip.tpc_enabled_mask_ext = tpcs;
  ip.server_type = HL_SERVER_TYPE_UNKNOWN;
  SetText(ip.cpucp_version, "openhpu");
  SetText(ip.card_name, kernel_.card_name);
  info.mme_enabled_mask = static_cast<uint32_t>((1u << chip().mme().count().value()) - 1);
  return file.api == NodeApi::kMisc ? Answer(args, ip) : Answer(args, info);
}

bool Node::IsIdle() {
  return std::all_of(std::begin(words().busy_engines), std::end(words().busy_engines),
                     [](const std::atomic<uint64_t>& word) { return word == 0; });
}

int Node::EventFdInfo(File& file, const hl_info_args& args) {
  if (file.kind == NodeKind::kControl) return -EINVAL;
  Context& context = *file.context;
  if (args.op == HL_INFO_UNREGISTER_EVENTFD) {
    if (context.event_fd < 0) return -EINVAL;
    close(context.event_fd);
    context.event_fd = -1;
    return 0;
  }
  if (context.event_fd >= 0) return -EINVAL;
  // Only an eventfd will do, as for the kernel.
  const int copy = fcntl(static_cast<int>(args.eventfd), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return -EINVAL;
  char link[64] = {};
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
  const bool is_event = readlink(path, link, sizeof link - 1) > 0 &&
                        std::strncmp(link, "anon_inode:[eventfd", 19) == 0;
  if (!is_event) {
    close(copy);
    return -EINVAL;
  }
  context.event_fd = copy;
  if (context.events != 0) eventfd_write(copy, 1);
  return 0;
}

int Node::CountersInfo(const File& file, const hl_info_args& args) {
  const SubmissionCounters own =
      file.kind == NodeKind::kCompute ? file.context->counters : SubmissionCounters();
  hl_info_cs_counters counters;
  std::memset(&counters, 0, sizeof counters);
  counters.total_out_of_mem_drop_cnt = total_.out_of_memory;
  counters.ctx_out_of_mem_drop_cnt = own.out_of_memory;
  counters.total_parsing_drop_cnt = total_.parsing;
  counters.ctx_parsing_drop_cnt = own.parsing;
  counters.total_queue_full_drop_cnt = total_.queue_full;
  counters.ctx_queue_full_drop_cnt = own.queue_full;
  counters.total_device_in_reset_drop_cnt = total_.in_reset;
  counters.ctx_device_in_reset_drop_cnt = own.in_reset;
  counters.total_max_cs_in_flight_drop_cnt = total_.in_flight;
  counters.ctx_max_cs_in_flight_drop_cnt = own.in_flight;
  counters.total_validation_drop_cnt = total_.validation;
  counters.ctx_validation_drop_cnt = own.validation;
  return Answer(args, counters);
}

int Node::EngineStatusInfo(hl_info_args& args) {
  const std::string text = card_ == nullptr ? std::string() : card_->Describe();
  const size_t bytes = std::min<size_t>(args.return_size, text.size());
  const int error = CopyToUser(args.return_pointer, text.data(), bytes);
  args.user_buffer_actual_size = static_cast<uint32_t>(text.size());
  return error;
}

int Node::AnswerInfo(File& file, hl_info_args& args) {
  const bool misc = file.api == NodeApi::kMisc;
  Context* const context = file.kind == NodeKind::kCompute ? file.context.get() : nullptr;
  switch (args.op) {
    case HL_INFO_HW_IP_INFO:
      return HwIpInfo(file, args);
    case HL_INFO_HW_EVENTS:
    case HL_INFO_HW_EVENTS_AGGREGATE:
      return CopyToUser(args.return_pointer, std::array<uint32_t, kMostHardwareEvents>().data(),
                        std::min<size_t>(args.return_size, kernel_.hardware_events * 4));
    case HL_INFO_DRAM_USAGE: {
      hl_info_dram_usage usage{};
      usage.dram_free_mem = hal::UserDram(chip()).bytes - words().dram_used;
      usage.ctx_dram_mem = context == nullptr                  ? 0
                           : context->device_memory != nullptr ? context->device_memory->used()
                                                               : context->dram_bytes;
      return Answer(args, usage);
    }
    case HL_INFO_HW_IDLE: {
      if (context_ != nullptr && !context_->dead) LookAround(*context_);
      uapi::HwIdle idle{};
      idle.is_idle = IsIdle() ? 1 : 0;
      idle.busy_engines_mask = static_cast<uint32_t>(words().busy_engines[0]);
      std::copy(std::begin(words().busy_engines), std::end(words().busy_engines),
                idle.busy_engines_mask_ext);
      hl_info_hw_idle old{};
      std::memcpy(&old, &idle, sizeof old);
      return misc ? Answer(args, old) : Answer(args, idle);
    }
    case HL_INFO_DEVICE_STATUS: {
      hl_info_device_status answer{};
      answer.status = static_cast<uint32_t>(words().status.load());
      return Answer(args, answer);
    }
    case HL_INFO_DEVICE_UTILIZATION: {
      hl_info_device_utilization answer{};
      answer.utilization =
          context_ != nullptr && context_->submissions.oldest() != nullptr ? 100 : 0;
      return Answer(args, answer);
    }
    case HL_INFO_CLK_RATE: {
      hl_info_clk_rate answer{};
      answer.cur_clk_rate_mhz = static_cast<uint32_t>(ClockMhz());
      answer.max_clk_rate_mhz = static_cast<uint32_t>(chip().mme().clock_mhz().value());
      return Answer(args, answer);
    }
    case HL_INFO_RESET_COUNT: {
      hl_info_reset_count answer{};
      answer.hard_reset_cnt = static_cast<uint32_t>(words().hard_resets);
      answer.soft_reset_cnt = static_cast<uint32_t>(words().soft_resets);
      return Answer(args, answer);
    }
    case HL_INFO_TIME_SYNC: {
      uapi::AccelTimeSync answer{};
      answer.device_time = answer.host_time = answer.tsc_time =
          card_ == nullptr ? words().host_nanoseconds.load() : host_nanoseconds();
      hl_info_time_sync old{};
      std::memcpy(&old, &answer, sizeof old);
      return misc ? Answer(args, old) : Answer(args, answer);
    }
    case HL_INFO_CS_COUNTERS:
      return CountersInfo(file, args);
    case HL_INFO_PCI_COUNTERS:
      return Answer(args, hl_info_pci_counters());
    case HL_INFO_CLK_THROTTLE_REASON:
      return Answer(args, Throttling());
    case HL_INFO_SYNC_MANAGER: {
      const hal::SyncManagers& sync = chip().sync();
      if (args.dcore_id >= sync.count().value()) return -EINVAL;
      hl_info_sync_manager answer{};
      if (args.dcore_id == kernel_.kernels_manager) {
        answer.first_available_sync_object = static_cast<uint32_t>(sync.first_user_sob().value());
        answer.first_available_monitor = static_cast<uint32_t>(sync.first_user_monitor().value());
        answer.first_available_cq =
            static_cast<uint32_t>(sync.first_user_completion_queue().value());
      }
      return Answer(args, answer);
    }
    case HL_INFO_TOTAL_ENERGY: {
      hl_info_energy answer{};
      answer.total_energy_consumption = words().host_nanoseconds / 1000000000 * kIdleWatts;
      return Answer(args, answer);
    }
    case HL_INFO_PLL_FREQUENCY: {
      if (args.pll_index >= kernel_.plls) return -EINVAL;
      hl_pll_frequency_info answer{};
      for (uint16_t& output : answer.output) {
        output = static_cast<uint16_t>(
            args.pll_index == kernel_.tpc_pll   ? chip().tpc().clock_mhz().value()
            : args.pll_index == kernel_.dma_pll ? chip().dma().clock_mhz().value()
                                                : chip().mme().clock_mhz().value());
      }
      return Answer(args, answer);
    }
    case HL_INFO_POWER: {
      hl_power_info answer{};
      answer.power = (IsIdle() ? kIdleWatts : kBusyWatts) * kMilliwatts;
      return Answer(args, answer);
    }
    case HL_INFO_OPEN_STATS: {
      hl_open_stats_info answer{};
      answer.open_counter = words().opens;
      answer.is_compute_ctx_active = words().holder != 0 ? 1 : 0;
      answer.compute_ctx_in_release = 0;
      return Answer(args, answer);
    }
    case HL_INFO_LAST_ERR_OPEN_DEV_TIME:
      return Answer(args, hl_info_last_err_open_dev_time());
    case HL_INFO_CS_TIMEOUT_EVENT:
      return Answer(args, errors_.timeout);
    case HL_INFO_RAZWI_EVENT:
      return Answer(args, errors_.access);
    case HL_INFO_UNDEFINED_OPCODE_EVENT:
      return Answer(args, errors_.opcode);
    case HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES: {
      hl_info_dev_memalloc_page_sizes answer{};
      answer.page_order_bitmask = kernel_.page_orders;
      return Answer(args, answer);
    }
    case HL_INFO_GET_EVENTS: {
      if (context == nullptr) return -EINVAL;
      if (!context->dead) LookAround(*context);
      const uint64_t events = std::exchange(context->events, 0);
      return Answer(args, events);
    }
    case HL_INFO_ENGINE_STATUS:
      return EngineStatusInfo(args);
    case HL_INFO_DRAM_REPLACED_ROWS:
    case HL_INFO_DRAM_PENDING_ROWS:
    case HL_INFO_SECURED_ATTESTATION:
      return -EOPNOTSUPP;
    default:
      return -ENOTTY;
  }
}

uint64_t Node::host_nanoseconds() {
  const uint64_t now = card_->host_time().value() / kPicosecondsPerNanosecond;
  words().host_nanoseconds = now;
  return now;
}

}  // namespace openhpu::simulator
