#include "hal/device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "hal/base/status_macros.h"

namespace openhpu::hal {
namespace {

constexpr uint64_t kStageBytes = 256 << 10;
constexpr uint64_t kCommandBytes = 4096;
// From here on mapping the caller's memory costs less than copying it.
constexpr uint64_t kMapBytes = 4 * kStageBytes;

}  // namespace

Device::Device(std::unique_ptr<Driver> driver)
    : driver_(std::move(driver)), timeline_(*driver_, newest_sequence_) {}

absl::StatusOr<std::unique_ptr<Device>> Device::Create(std::unique_ptr<Driver> driver) {
  auto device = absl::WrapUnique(new Device(std::move(driver)));
  const Chip& chip = device->chip();
  ASSIGN_OR_RETURN(
      const SyncManagerInfo manager,
      device->driver().GetSyncManagerInfo(static_cast<int>(chip.sync().user_manager().value())));
  device->banks_ = std::make_unique<BankPool>(manager);
  // The last host-facing engine, so that streams, which use the first, are not in the way.
  const int engines = CountEngines(chip, EngineKind::kHostDma);
  const Engine engine = {EngineKind::kHostDma, static_cast<uint8_t>(engines > 0 ? engines - 1 : 0)};
  ASSIGN_OR_RETURN(const uint32_t queue, QueueOf(chip, engine, 0));
  device->queue_ = QueueId(queue);
  MutexLock lock(&device->mutex_);
  ASSIGN_OR_RETURN(device->writer_,
                   CommandWriter::Create(chip, engine, CommandWriter::Role::kExternal));
  ASSIGN_OR_RETURN(device->commands_, device->CreateCommands(kCommandBytes));
  ASSIGN_OR_RETURN(device->stage_, device->AllocateHost(kStageBytes));
  return device;
}

absl::Status Device::Transfer(DeviceAddress source, DeviceAddress destination, uint64_t bytes) {
  RETURN_IF_ERROR(writer_->HostCopy({0, 0}, {1, 0}, bytes));
  CommandBlob blob = writer_->Take();
  const uint64_t symbols[] = {source.value(), destination.value()};
  RETURN_IF_ERROR(Relocate(blob.relocations, {symbols}, absl::MakeSpan(blob.bytes)));
  if (blob.bytes.size() > commands_.bytes().size()) {
    return absl::InvalidArgumentError("a copy that is longer than device memory");
  }
  std::memcpy(commands_.bytes().data(), blob.bytes.data(), blob.bytes.size());
  const Chunk chunk = {queue_, commands_.handle(), static_cast<uint32_t>(blob.bytes.size())};
  ASSIGN_OR_RETURN(const Sequence sequence, timeline_.Submit({chunk}));
  return timeline_.Wait(sequence, absl::InfiniteDuration());
}

absl::Status Device::CopyToDevice(absl::Span<const std::byte> source, DeviceAddress destination) {
  MutexLock lock(&mutex_);
  if (source.size() >= kMapBytes) {
    // The device only reads it.
    void* host = const_cast<std::byte*>(source.data());
    ASSIGN_OR_RETURN(const DeviceAddress view, driver_->MapHost(host, source.size()));
    const absl::Status status = Transfer(view, destination, source.size());
    RETURN_IF_ERROR(driver_->UnmapHost(view));
    return status;
  }
  for (uint64_t done = 0; done < source.size();) {
    const uint64_t step = std::min<uint64_t>(kStageBytes, source.size() - done);
    std::memcpy(stage_.data(), source.data() + done, step);
    RETURN_IF_ERROR(Transfer(stage_.address(), destination + done, step));
    done += step;
  }
  return absl::OkStatus();
}

absl::Status Device::CopyFromDevice(DeviceAddress source, absl::Span<std::byte> destination) {
  MutexLock lock(&mutex_);
  if (destination.size() >= kMapBytes) {
    ASSIGN_OR_RETURN(const DeviceAddress view,
                     driver_->MapHost(destination.data(), destination.size()));
    const absl::Status status = Transfer(source, view, destination.size());
    RETURN_IF_ERROR(driver_->UnmapHost(view));
    return status;
  }
  for (uint64_t done = 0; done < destination.size();) {
    const uint64_t step = std::min<uint64_t>(kStageBytes, destination.size() - done);
    RETURN_IF_ERROR(Transfer(source + done, stage_.address(), step));
    std::memcpy(destination.data() + done, stage_.data(), step);
    done += step;
  }
  return absl::OkStatus();
}

absl::Status Device::Reset() {
  RETURN_IF_ERROR(driver_->Reset());
  timeline_.Reset();
  return absl::OkStatus();
}

}  // namespace openhpu::hal
