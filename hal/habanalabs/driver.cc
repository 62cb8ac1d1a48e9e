#include "hal/habanalabs/driver.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/errors.h"
#include "hal/habanalabs/opening.h"
#include "hal/habanalabs/refusal.h"

// Memory, submissions and events. Waiting is in driver_wait.cc, resetting in driver_reset.cc,
// command memory in driver_commands.cc, submissions of other kinds in driver_kinds.cc.

namespace openhpu::hal::habanalabs {
namespace {

constexpr uint64_t kAlignment = 128;
constexpr uint64_t kLargeAlignment = 8192;      // of what may hold a kernel's image
constexpr uint32_t kEngineTextBytes = 1 << 20;  // the most that the kernel has

}  // namespace

absl::StatusOr<std::unique_ptr<Driver>> Driver::Open(std::string_view text,
                                                     std::unique_ptr<Syscalls> syscalls) {
  ASSIGN_OR_RETURN(const Spec spec, ParseSpec(text));
  ASSIGN_OR_RETURN(Connection connection, OpenCard(syscalls.get(), spec.card));
  ASSIGN_OR_RETURN(Device device, TakeDevice(connection, DeviceAddress(0)));
  device.info.driver = std::string(text);
  ASSIGN_OR_RETURN(std::vector<SyncManagerInfo> managers, QuerySyncManagers(connection, device));
  return absl::WrapUnique(new Driver(std::move(syscalls), std::move(connection), std::move(device),
                                     std::move(managers), spec.timeout_seconds));
}

Driver::Driver(std::unique_ptr<Syscalls> syscalls, Connection connection, Device device,
               std::vector<SyncManagerInfo> managers, uint32_t timeout_seconds)
    : syscalls_(std::move(syscalls)),
      generation_(*device.generation),
      info_(std::move(device.info)),
      managers_(std::move(managers)),
      timeout_seconds_(timeout_seconds),
      connection_(std::move(connection)),
      health_(generation_.engine_name),
      dram_("DRAM", info_.dram_user_base.value(), info_.dram_user_bytes),
      sram_("SRAM", info_.sram_user_base.value(), info_.sram_user_bytes),
      submissions_(info_.chip.qman().max_pending_cs().value()) {
  health_.Attach(connection_);
  // Without it, events are asked for each time.
  connection_.RegisterEvents();
}

absl::StatusOr<SyncManagerInfo> Driver::GetSyncManagerInfo(int manager) {
  if (manager < 0 || static_cast<size_t>(manager) >= managers_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sync manager ", manager, ": there are ", managers_.size()));
  }
  return managers_[manager];
}

absl::StatusOr<DeviceAddress> Driver::Allocate(MemoryKind kind, uint64_t bytes) {
  MutexLock lock(&heap_mutex_);
  RangeAllocator& range = kind == MemoryKind::kDram ? dram_ : sram_;
  // Whole lines, so that no two allocations share one.
  const uint64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  ASSIGN_OR_RETURN(const uint64_t address,
                   range.Allocate(std::max(bytes, rounded),
                                  bytes >= kLargeAlignment ? kLargeAlignment : kAlignment));
  return DeviceAddress(address);
}

absl::Status Driver::Free(DeviceAddress address) {
  MutexLock lock(&heap_mutex_);
  const bool is_sram = address >= info_.sram_user_base &&
                       address.value() - info_.sram_user_base.value() < info_.sram_user_bytes;
  return is_sram ? sram_.Free(address.value()) : dram_.Free(address.value());
}

absl::StatusOr<DeviceAddress> Driver::MapHost(void* host, uint64_t bytes) {
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("a host mapping needs a pointer and at least one byte");
  }
  const auto begin = reinterpret_cast<uintptr_t>(host);
  if (begin + bytes < begin) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes, " bytes of host memory pass the end of addresses"));
  }
  MutexLock lock(&memory_mutex_);
  if (!connection_.is_open()) return NeedsReset();
  ASSIGN_OR_RETURN(const uint64_t address, MapInKernel({host, bytes}, 0));
  mappings_[address] = {host, bytes};
  return DeviceAddress(address);
}

absl::Status Driver::UnmapHost(DeviceAddress address) {
  MutexLock lock(&memory_mutex_);
  const auto found = mappings_.find(address.value());
  if (found == mappings_.end()) {
    return absl::NotFoundError(
        absl::StrCat("no host memory is mapped at device address 0x", absl::Hex(address.value())));
  }
  if (connection_.is_open()) {
    if (const int result = UnmapInKernel(address.value()); result < 0) {
      return ErrorStatus(-result, absl::StrCat("unmapping the host memory at device address 0x",
                                               absl::Hex(address.value())));
    }
  }
  mappings_.erase(found);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Driver::MapInKernel(const Mapping& mapping, uint64_t hint) {
  hl_mem_args args = {};
  args.in.op = HL_MEM_OP_MAP;
  args.in.flags = HL_MEM_USERPTR | (hint != 0 ? HL_MEM_FORCE_HINT : 0);
  args.in.map_host.host_virt_addr = reinterpret_cast<uintptr_t>(mapping.host);
  args.in.map_host.mem_size = mapping.bytes;
  args.in.map_host.hint_addr = hint;
  if (const int result = connection_.Memory(&args); result < 0) {
    const std::string at = hint != 0 ? absl::StrCat(" at 0x", absl::Hex(hint), " again") : "";
    return ErrorStatus(-result,
                       absl::StrCat("mapping ", mapping.bytes, " bytes of host memory", at));
  }
  return args.out.device_virt_addr;
}

int Driver::UnmapInKernel(uint64_t address) {
  hl_mem_args args = {};
  args.in.op = HL_MEM_OP_UNMAP;
  args.in.unmap.device_virt_addr = address;
  return connection_.Memory(&args);
}

absl::Status Driver::NeedsReset() {
  MutexLock lock(&mutex_);
  return absl::FailedPreconditionError(absl::StrCat("the device needs a reset: ", failure_));
}

void Driver::MarkFailed(const std::string& why) {
  MutexLock lock(&mutex_);
  if (!failed_.exchange(true)) failure_ = why;
}

std::string Driver::CollectEvents() {
  const Health::News news = health_.Collect(connection_, [this](uint64_t kernel) {
    MutexLock lock(&mutex_);
    return submissions_.Find(kernel);
  });
  if (news.needs_reset) MarkFailed(news.text);
  return news.text;
}

absl::StatusOr<Sequence> Driver::Submit(absl::Span<const Chunk> chunks) {
  return SubmitChunks(chunks, 0, timeout_seconds_, 0);
}

absl::StatusOr<Sequence> Driver::SubmitChunks(absl::Span<const Chunk> chunks, uint32_t flags,
                                              uint32_t timeout_seconds, uint64_t part_of) {
  if (chunks.empty() || chunks.size() > kMaxChunks) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunks.size(), " chunks: a submission has 1 to ", kMaxChunks));
  }
  if (generation_.maps_commands && !AreInReach(chunks)) return Explain(0, chunks);
  Gate::Pass pass(gate_);
  if (!pass) return absl::FailedPreconditionError("the device is being reset");
  RETURN_IF_ERROR(PrepareToSubmit());

  // What is not written below stays zero, as the kernel wants it.
  thread_local std::array<hl_cs_chunk, kMaxChunks> jobs = {};
  for (size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks[i];
    hl_cs_chunk& job = jobs[i];
    // A queue's number that does not fit is none there is.
    job.queue_index = static_cast<uint32_t>(std::min<uint64_t>(chunk.queue.value(), ~uint32_t{0}));
    job.cb_size = chunk.bytes;
    job.cb_handle = chunk.commands;
    job.cs_chunk_flags = generation_.maps_commands ? HL_CS_CHUNK_FLAGS_USER_ALLOC_CB : 0;
    if (generation_.takes_command_memory(job.queue_index)) {
      job.cb_handle = command_memories_.KernelHandle(chunk.commands);
    }
  }
  hl_cs_args args = {};
  args.in.chunks_execute = reinterpret_cast<uintptr_t>(jobs.data());
  args.in.num_chunks_execute = static_cast<uint32_t>(chunks.size());
  args.in.seq = part_of;
  args.in.cs_flags = flags;
  if (timeout_seconds != 0) {
    args.in.cs_flags |= HL_CS_FLAGS_CUSTOM_TIMEOUT;
    args.in.timeout = timeout_seconds;
  }
  if (const int result = connection_.Submit(&args); result < 0) {
    if (absl::Status refused = Refused(-result); !refused.ok()) return refused;
    pass.Leave();
    return Explain(-result, chunks);
  }
  const bool survives = (flags & HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT) != 0;
  MutexLock lock(&mutex_);
  if (survives) has_survivors_.store(true, std::memory_order_relaxed);
  return submissions_.Add(args.out.seq, survives);
}

absl::Status Driver::Refused(int error) {
  switch (error) {
    case EAGAIN:  // tried again and again: short
      return absl::ResourceExhaustedError(
          "a queue is full, or as many submissions as may be are in flight (EAGAIN)");
    case ENOMEM:
      return absl::ResourceExhaustedError("the kernel has no memory for a submission (ENOMEM)");
    case EBUSY:
    case ENODEV: {
      const std::string events = CollectEvents();
      MarkFailed(absl::StrCat("the kernel takes no submissions (", ErrorName(error), ")",
                              events.empty() ? "" : ": ", events));
      return NeedsReset();
    }
    default:
      return absl::OkStatus();
  }
}

bool Driver::AreInReach(absl::Span<const Chunk> chunks) {
  const auto is_inside = [](const Chunk& chunk, DeviceAddress base, uint64_t size) {
    const uint64_t offset = chunk.commands - base.value();
    return chunk.commands >= base.value() && offset <= size && chunk.bytes <= size - offset;
  };
  for (const Chunk& chunk : chunks) {
    if (!generation_.check_queue(chunk.queue.value(), info_.chip).ok()) return false;
    if (chunk.bytes == 0 || chunk.bytes % 8 != 0) return false;
    if (generation_.takes_command_memory(static_cast<uint32_t>(chunk.queue.value()))) {
      if (command_memories_.KernelHandleOf(chunk.commands, chunk.bytes) == 0) return false;
    } else if (!is_inside(chunk, info_.dram_user_base, info_.dram_user_bytes) &&
               !is_inside(chunk, info_.sram_user_base, info_.sram_user_bytes)) {
      MutexLock lock(&memory_mutex_);
      if (!IsMapped(DeviceAddress(chunk.commands), chunk.bytes)) return false;
    }
  }
  return true;
}

bool Driver::IsMapped(DeviceAddress address, uint64_t bytes) {
  auto mapping = mappings_.upper_bound(address.value());
  if (mapping == mappings_.begin()) return false;
  --mapping;
  const uint64_t offset = address.value() - mapping->first;
  return offset <= mapping->second.bytes && bytes <= mapping->second.bytes - offset;
}

absl::Status Driver::Explain(int error, absl::Span<const Chunk> chunks) {
  MutexLock lock(&memory_mutex_);
  RefusalContext context;
  context.generation = &generation_;
  context.info = &info_;
  context.command_memory = [this](uint64_t handle) -> std::optional<absl::Span<const std::byte>> {
    const CommandMemories::Entry* const entry = command_memories_.Find(handle);
    if (entry == nullptr) return std::nullopt;
    return entry->bytes;
  };
  context.is_mapped = [this](DeviceAddress address, uint64_t bytes)
                          ABSL_NO_THREAD_SAFETY_ANALYSIS { return IsMapped(address, bytes); };
  return error == 0 ? FirstFault(chunks, context) : ExplainRefusal(error, chunks, context);
}

std::vector<HealthEvent> Driver::TakeEvents() {
  const Gate::Pass pass(gate_);
  if (pass && connection_.is_open()) {
    if (connection_.EventsAnnounced()) CollectEvents();
    health_.CollectThrottling(connection_);
  }
  return health_.Take();
}

absl::StatusOr<Driver::Times> Driver::DeviceTime() {
  const Gate::Pass pass(gate_);
  if (!pass || !connection_.is_open()) return NeedsReset();
  hl_info_time_sync answer;
  if (const int result = connection_.Info(HL_INFO_TIME_SYNC, &answer); result < 0) {
    return ErrorStatus(-result, "asking for the device's time");
  }
  return Times{answer.device_time, answer.host_time};
}

absl::StatusOr<Driver::Idleness> Driver::GetIdleness() {
  const Gate::Pass pass(gate_);
  if (!pass || !connection_.is_open()) return NeedsReset();
  HwIdle answer;
  if (const int result = connection_.Info(HL_INFO_HW_IDLE, &answer); result < 0) {
    return ErrorStatus(-result, "asking which engines are busy");
  }
  Idleness idleness;
  idleness.is_idle = answer.is_idle != 0;
  for (size_t word = std::size(answer.busy_engines_mask_ext); word-- > 0;) {
    idleness.busy_engines <<= 64;
    idleness.busy_engines |= answer.busy_engines_mask_ext[word];
  }
  idleness.busy_engines |= answer.busy_engines_mask;
  return idleness;
}

absl::StatusOr<std::string> Driver::EngineStatus() {
  const Gate::Pass pass(gate_);
  if (!pass || !connection_.is_open()) return NeedsReset();
  std::string text(kEngineTextBytes, '\0');
  uint32_t actual = 0;
  if (const int result =
          connection_.InfoBytes(HL_INFO_ENGINE_STATUS, text.data(), kEngineTextBytes, 0, &actual);
      result < 0) {
    return ErrorStatus(-result, "asking for the engines' status");
  }
  text.resize(std::min(actual, kEngineTextBytes));
  return text;
}

}  // namespace openhpu::hal::habanalabs
