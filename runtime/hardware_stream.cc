#include "runtime/hardware_stream.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::runtime {
namespace {

constexpr uint64_t kSlotBytes = 512;
constexpr uint64_t kStageBytes = 1 << 20;
// From here on mapping the caller's memory, and waiting, costs less than copying it.
constexpr uint64_t kMapToDeviceBytes = 8 * kStageBytes;
constexpr uint64_t kMapFromDeviceBytes = kStageBytes;
constexpr uint64_t kWorkspaceStep = 64 << 10;

}  // namespace

HardwareStream::HardwareStream(hal::Device& device, uint32_t index, AllocateDevice allocate)
    : device_(device),
      index_(index),
      allocate_(std::move(allocate)),
      timeline_(device.driver(), device.newest_sequence()) {}

absl::StatusOr<std::unique_ptr<HardwareStream>> HardwareStream::Create(hal::Device& device,
                                                                       uint32_t index,
                                                                       AllocateDevice allocate) {
  auto stream = absl::WrapUnique(new HardwareStream(device, index, std::move(allocate)));
  constexpr hal::Engine kEngine = {hal::EngineKind::kHostDma, 0};
  ASSIGN_OR_RETURN(const uint32_t queue, hal::QueueOf(device.chip(), kEngine, index));
  stream->external_queue_ = QueueId(queue);
  MutexLock lock(&stream->mutex_);
  ASSIGN_OR_RETURN(
      stream->writer_,
      hal::CommandWriter::Create(device.chip(), kEngine, hal::CommandWriter::Role::kExternal));
  return stream;
}

HardwareStream::~HardwareStream() {
  timeline_.Wait(timeline_.last(), absl::InfiniteDuration()).IgnoreError();
}

absl::StatusOr<Sequence> HardwareStream::Submit(const Write& write,
                                                const hal::RelocationValues& values) {
  MutexLock lock(&mutex_);
  return SubmitLocked(write, values);
}

absl::StatusOr<Sequence> HardwareStream::SubmitLocked(const Write& write,
                                                      const hal::RelocationValues& values) {
  const absl::Status written = write(*writer_);
  hal::CommandBlob blob = writer_->Take();
  RETURN_IF_ERROR(written);
  hal::RelocationValues all = values;
  all.stream = index_;
  RETURN_IF_ERROR(hal::Relocate(blob.relocations, all, absl::MakeSpan(blob.bytes)));
  Slot& slot = slots_[next_slot_];
  next_slot_ = (next_slot_ + 1) % kSlots;
  // The driver may read the commands as long as they run.
  RETURN_IF_ERROR(timeline_.Wait(slot.last, absl::InfiniteDuration()));
  if (slot.commands.bytes().size() < blob.bytes.size()) {
    slot.commands = hal::CommandBuffer();
    ASSIGN_OR_RETURN(slot.commands,
                     device_.CreateCommands(std::max<uint64_t>(kSlotBytes, blob.bytes.size())));
  }
  std::memcpy(slot.commands.bytes().data(), blob.bytes.data(), blob.bytes.size());
  ASSIGN_OR_RETURN(slot.last, timeline_.Submit({{external_queue_, slot.commands.handle(),
                                                 static_cast<uint32_t>(blob.bytes.size())}}));
  return slot.last;
}

absl::StatusOr<Sequence> HardwareStream::CopyLocked(DeviceAddress source, DeviceAddress destination,
                                                    uint64_t bytes) {
  const uint64_t symbols[] = {source.value(), destination.value()};
  hal::RelocationValues values;
  values.symbols = symbols;
  return SubmitLocked(
      [bytes](hal::CommandWriter& writer) {
        return writer.HostCopy({0, 0}, {1, 0}, bytes);
      },
      values);
}

absl::StatusOr<Sequence> HardwareStream::Copy(DeviceAddress source, DeviceAddress destination,
                                              uint64_t bytes) {
  MutexLock lock(&mutex_);
  return CopyLocked(source, destination, bytes);
}

absl::Status HardwareStream::CopyToDevice(const void* host, uint64_t bytes, DeviceAddress device) {
  MutexLock lock(&mutex_);
  if (bytes >= kMapToDeviceBytes) {
    // The device only reads it.
    ASSIGN_OR_RETURN(const DeviceAddress view,
                     device_.driver().MapHost(const_cast<void*>(host), bytes));
    absl::StatusOr<Sequence> sequence = CopyLocked(view, device, bytes);
    absl::Status status = sequence.status();
    if (status.ok()) status = timeline_.Wait(*sequence, absl::InfiniteDuration());
    RETURN_IF_ERROR(device_.driver().UnmapHost(view));
    return status;
  }
  for (uint64_t done = 0; done < bytes;) {
    Stage& stage = stages_[next_stage_];
    next_stage_ = (next_stage_ + 1) % kStages;
    if (stage.memory.bytes() == 0) {
      ASSIGN_OR_RETURN(stage.memory, device_.AllocateHost(kStageBytes));
    }
    RETURN_IF_ERROR(timeline_.Wait(stage.last, absl::InfiniteDuration()));
    const uint64_t step = std::min(kStageBytes, bytes - done);
    std::memcpy(stage.memory.data(), static_cast<const std::byte*>(host) + done, step);
    ASSIGN_OR_RETURN(stage.last, CopyLocked(stage.memory.address(), device + done, step));
    done += step;
  }
  return timeline_.status();
}

absl::Status HardwareStream::CopyFromDevice(DeviceAddress device, uint64_t bytes, void* host) {
  MutexLock lock(&mutex_);
  if (bytes >= kMapFromDeviceBytes) {
    ASSIGN_OR_RETURN(const DeviceAddress view, device_.driver().MapHost(host, bytes));
    absl::StatusOr<Sequence> sequence = CopyLocked(device, view, bytes);
    absl::Status status = sequence.status();
    if (status.ok()) status = timeline_.Wait(*sequence, absl::InfiniteDuration());
    RETURN_IF_ERROR(device_.driver().UnmapHost(view));
    return status;
  }
  if (bytes == 0) return timeline_.Wait(timeline_.last(), absl::InfiniteDuration());
  Stage& stage = stages_[next_stage_];
  next_stage_ = (next_stage_ + 1) % kStages;
  if (stage.memory.bytes() == 0) {
    ASSIGN_OR_RETURN(stage.memory, device_.AllocateHost(kStageBytes));
  }
  ASSIGN_OR_RETURN(stage.last, CopyLocked(device, stage.memory.address(), bytes));
  RETURN_IF_ERROR(timeline_.Wait(stage.last, absl::InfiniteDuration()));
  std::memcpy(host, stage.memory.data(), bytes);
  return absl::OkStatus();
}

HardwareStream::Shared HardwareStream::SharedLocked() const {
  return {workspace_.address(), bank_.first_sob(), bank_.first_monitor(), generation(), resets_};
}

HardwareStream::Shared HardwareStream::shared() {
  MutexLock lock(&mutex_);
  return SharedLocked();
}

void HardwareStream::Quiesce() {
  generation_.fetch_add(1, std::memory_order_acq_rel);
  // Launches that saw the last generation are about to be submitted.
  while (launching_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  timeline_.Wait(timeline_.last(), absl::InfiniteDuration()).IgnoreError();
}

absl::Status HardwareStream::GrowWorkspace(uint64_t bytes) {
  bytes = (bytes + kWorkspaceStep - 1) / kWorkspaceStep * kWorkspaceStep;
  Quiesce();
  absl::StatusOr<hal::Buffer> larger = allocate_(bytes);
  if (!larger.ok() && workspace_.bytes() > 0) {
    // Both do not fit side by side.
    const uint64_t before = workspace_.bytes();
    workspace_ = hal::Buffer();
    larger = allocate_(bytes);
    if (!larger.ok()) {
      ASSIGN_OR_RETURN(workspace_, allocate_(before));
    }
  }
  if (!larger.ok()) {
    return absl::Status(larger.status().code(),
                        absl::StrCat("workspace of ", bytes, " bytes for hardware stream ", index_,
                                     ": ", larger.status().message()));
  }
  workspace_ = *std::move(larger);
  return absl::OkStatus();
}

absl::Status HardwareStream::GrowBank(uint32_t sobs, uint32_t monitors) {
  sobs = std::max(sobs, bank_.sobs());
  monitors = std::max(monitors, bank_.monitors());
  Quiesce();
  absl::StatusOr<hal::Bank> larger = device_.banks().Lease(sobs, monitors);
  if (!larger.ok()) {
    const uint32_t old_sobs = bank_.sobs(), old_monitors = bank_.monitors();
    bank_ = hal::Bank();
    larger = device_.banks().Lease(sobs, monitors);
    if (!larger.ok()) {
      ASSIGN_OR_RETURN(bank_, device_.banks().Lease(old_sobs, old_monitors));
      return larger.status();
    }
  }
  bank_ = *std::move(larger);
  return absl::OkStatus();
}

absl::StatusOr<HardwareStream::Shared> HardwareStream::Reserve(uint64_t workspace_bytes,
                                                               uint32_t sobs, uint32_t monitors) {
  MutexLock lock(&mutex_);
  if (workspace_bytes > workspace_.bytes()) RETURN_IF_ERROR(GrowWorkspace(workspace_bytes));
  if (sobs > bank_.sobs() || monitors > bank_.monitors()) {
    RETURN_IF_ERROR(GrowBank(sobs, monitors));
  }
  return SharedLocked();
}

uint64_t HardwareStream::workspace_bytes() {
  MutexLock lock(&mutex_);
  return workspace_.bytes();
}

void HardwareStream::Reset() {
  MutexLock lock(&mutex_);
  generation_.fetch_add(1, std::memory_order_acq_rel);
  ++resets_;
  timeline_.Reset();
}

}  // namespace openhpu::runtime
