#include "hal/null/driver.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"
#include "hal/command_writer.h"

namespace openhpu::hal {
namespace {

constexpr uint64_t kMemoryAlignment = 128;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kMaxCommandBytes = abi::gaudi::kMaxCommandBufferBytes;

}  // namespace

absl::StatusOr<std::unique_ptr<NullDriver>> NullDriver::Open(std::string_view spec) {
  const std::string text(spec);
  if (text.rfind("null:", 0) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not null:<chip>"));
  }
  DeviceInfo info;
  ASSIGN_OR_RETURN(info.chip, LoadChip(text.substr(5)));
  info.driver = text;
  const AddressMap& map = info.chip.address_map();
  const AddressRange dram = UserDram(info.chip);
  info.dram_user_base = DeviceAddress(dram.begin);
  info.dram_user_bytes = dram.bytes;
  info.sram_user_base = DeviceAddress(map.sram_base().value() + map.sram_reserved_bytes().value());
  info.sram_user_bytes = map.sram_bytes().value() - map.sram_reserved_bytes().value();
  auto driver = absl::WrapUnique(new NullDriver(std::move(info)));

  // The queues there are, from the dialect.
  const Chip& chip = driver->info_.chip;
  for (EngineKind kind :
       {EngineKind::kHostDma, EngineKind::kDma, EngineKind::kMme, EngineKind::kTpc}) {
    for (int engine = 0; engine < CountEngines(chip, kind); ++engine) {
      for (uint32_t stream = 0; stream < chip.qman().streams().value(); ++stream) {
        ASSIGN_OR_RETURN(const uint32_t queue,
                         QueueOf(chip, Engine{kind, static_cast<uint8_t>(engine)}, stream));
        if (driver->queues_.size() <= queue) driver->queues_.resize(queue + 1, QueueKind::kNone);
        driver->queues_[queue] =
            kind == EngineKind::kHostDma ? QueueKind::kExternal : QueueKind::kInternal;
      }
    }
  }
  return driver;
}

NullDriver::NullDriver(DeviceInfo info)
    : info_(std::move(info)),
      dram_("DRAM", info_.dram_user_base.value(), info_.dram_user_bytes),
      sram_("SRAM", info_.sram_user_base.value(), info_.sram_user_bytes),
      host_("mapped host memory", info_.chip.address_map().host_va_start().value(),
            info_.chip.address_map().host_va_end().value() -
                info_.chip.address_map().host_va_start().value()) {}

uint64_t NullDriver::submissions() const {
  MutexLock lock(&mutex_);
  return submissions_;
}

uint64_t NullDriver::chunks() const {
  MutexLock lock(&mutex_);
  return chunks_;
}

absl::StatusOr<SyncManagerInfo> NullDriver::GetSyncManagerInfo(int manager) {
  const SyncManagers& sync = info_.chip.sync();
  if (manager < 0 || static_cast<uint64_t>(manager) >= sync.count().value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sync manager ", manager, " of ", sync.count().value()));
  }
  SyncManagerInfo info;
  if (manager == 0) {  // the kernel keeps the start of the first one
    info.first_sob = static_cast<uint32_t>(sync.first_user_sob().value());
    info.first_monitor = static_cast<uint32_t>(sync.first_user_monitor().value());
  }
  info.num_sobs = static_cast<uint32_t>(sync.sobs().value()) - info.first_sob;
  info.num_monitors = static_cast<uint32_t>(sync.monitors().value()) - info.first_monitor;
  return info;
}

absl::StatusOr<DeviceAddress> NullDriver::Allocate(MemoryKind kind, uint64_t bytes) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const uint64_t address,
                   (kind == MemoryKind::kDram ? dram_ : sram_).Allocate(bytes, kMemoryAlignment));
  return DeviceAddress(address);
}

absl::Status NullDriver::Free(DeviceAddress address) {
  MutexLock lock(&mutex_);
  return dram_.SizeOf(address.value()) != 0 ? dram_.Free(address.value())
                                            : sram_.Free(address.value());
}

absl::StatusOr<DeviceAddress> NullDriver::MapHost(void* host, uint64_t bytes) {
  if (host == nullptr || bytes == 0) {
    return absl::InvalidArgumentError("MapHost: no memory to map");
  }
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const uint64_t address, host_.Allocate(bytes, kPage));
  return DeviceAddress(address);
}

absl::Status NullDriver::UnmapHost(DeviceAddress address) {
  MutexLock lock(&mutex_);
  return host_.Free(address.value());
}

absl::StatusOr<CommandMemory> NullDriver::CreateCommandMemory(uint64_t bytes) {
  if (bytes == 0 || bytes > kMaxCommandBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("command memory of ", bytes, " bytes; 1 to ", kMaxCommandBytes));
  }
  MutexLock lock(&mutex_);
  Command command{std::make_unique<std::byte[]>(bytes), bytes};
  const absl::Span<std::byte> span(command.storage.get(), bytes);
  size_t slot = 0;
  while (slot < commands_.size() && commands_[slot].storage != nullptr) ++slot;
  if (slot == commands_.size()) commands_.emplace_back();
  commands_[slot] = std::move(command);
  return CommandMemory{slot + 1, span};
}

absl::Status NullDriver::DestroyCommandMemory(uint64_t handle) {
  MutexLock lock(&mutex_);
  if (handle == 0 || handle > commands_.size() || commands_[handle - 1].storage == nullptr) {
    return absl::NotFoundError(absl::StrCat("no command memory ", handle));
  }
  commands_[handle - 1] = Command{};
  return absl::OkStatus();
}

absl::Status NullDriver::CheckChunk(const Chunk& chunk, size_t index) const {
  const auto bad = [&](absl::StatusCode code, const std::string& what) {
    return absl::Status(code, absl::StrCat("chunk ", index, ": ", what));
  };
  const uint64_t queue = chunk.queue.value();
  if (queue >= queues_.size() || queues_[queue] == QueueKind::kNone) {
    return bad(absl::StatusCode::kInvalidArgument, absl::StrCat("no queue ", queue));
  }
  if (chunk.bytes == 0 || chunk.bytes % 8 != 0) {
    return bad(absl::StatusCode::kInvalidArgument,
               absl::StrCat(chunk.bytes, " bytes is not a positive multiple of 8"));
  }
  if (queues_[queue] == QueueKind::kExternal) {
    const uint64_t handle = chunk.commands;
    if (handle == 0 || handle > commands_.size() || commands_[handle - 1].storage == nullptr) {
      return bad(absl::StatusCode::kInvalidArgument, absl::StrCat("no command memory ", handle));
    }
    if (chunk.bytes > commands_[handle - 1].bytes) {
      return bad(absl::StatusCode::kInvalidArgument, "longer than its command memory");
    }
    return absl::OkStatus();
  }
  const auto inside = [&](DeviceAddress base, uint64_t bytes) {
    const uint64_t offset = chunk.commands - base.value();
    return chunk.commands >= base.value() && offset <= bytes && chunk.bytes <= bytes - offset;
  };
  if (!inside(info_.dram_user_base, info_.dram_user_bytes) &&
      !inside(info_.sram_user_base, info_.sram_user_bytes)) {
    return bad(
        absl::StatusCode::kOutOfRange,
        absl::StrCat("commands at 0x", absl::Hex(chunk.commands), " are not in user memory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Sequence> NullDriver::Submit(absl::Span<const Chunk> chunks) {
  if (chunks.empty() || chunks.size() > kMaxChunks) {
    return absl::InvalidArgumentError(
        absl::StrCat("a submission of ", chunks.size(), " chunks; 1 to ", kMaxChunks));
  }
  MutexLock lock(&mutex_);
  for (size_t i = 0; i < chunks.size(); ++i) RETURN_IF_ERROR(CheckChunk(chunks[i], i));
  chunks_ += chunks.size();
  return Sequence(++submissions_);
}

absl::Status NullDriver::Wait(absl::Span<const Sequence> sequences, WaitFor, absl::Duration) {
  if (sequences.empty() || sequences.size() > kMaxWaits) {
    return absl::InvalidArgumentError(
        absl::StrCat("a wait for ", sequences.size(), " submissions; 1 to ", kMaxWaits));
  }
  MutexLock lock(&mutex_);
  for (Sequence sequence : sequences) {
    if (sequence.value() == 0 || sequence.value() > submissions_) {
      return absl::InvalidArgumentError(absl::StrCat("no submission ", sequence.value()));
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::hal
