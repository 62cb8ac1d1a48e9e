// What the emulated kernel asks of the card: waits that do not judge, and looks inside.
#include <algorithm>
#include <utility>

#include "hal/base/status_macros.h"
#include "simulator/card.h"
#include "simulator/card_call.h"

namespace openhpu::simulator {
namespace {

using Door = SimulationContext::Door;

}  // namespace

void Card::LeaveWaitingToKernel() {
  const Door door(context());
  kernel_waits_ = true;
}

uint64_t Card::AddCommandMemory(absl::Span<std::byte> bytes) {
  const Door door(context());
  const Call call(*this, "CreateCommandMemory", timing().memory_ioctl);
  const uint64_t handle = next_handle_++;
  command_memories_[handle].bytes = bytes;
  return handle;
}

absl::StatusOr<Sequence> Card::SubmitOwn(QueueId queue, absl::Span<const std::byte> commands) {
  const Door door(context());
  Call call(*this, "Submit", timing().submit + timing().submit_chunk);
  RETURN_IF_ERROR(NeedsReset());
  planned_.resize(1);
  planned_[0] = Planned();
  ASSIGN_OR_RETURN(planned_[0].stream, machine_->FindStream(queue.value()));
  planned_[0].queue = queue;
  planned_[0].bytes = static_cast<uint32_t>(commands.size());
  planned_[0].memory = commands;
  planned_[0].kernel = true;
  return SubmitPlanned(call);
}

absl::StatusOr<Sequence> Card::SubmitReporting(absl::Span<const ReportingJob> jobs) {
  const Door door(context());
  Call call(*this, "Submit",
            timing().submit + Picoseconds(timing().submit_chunk.value() * jobs.size()));
  RETURN_IF_ERROR(NeedsReset());
  RETURN_IF_ERROR(CheckChunks(jobs.size()));
  planned_.resize(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    Planned& planned = planned_[i];
    absl::Status status = PlanQueue(jobs[i].chunk, planned);
    if (status.ok() && jobs[i].has_handle) status = PlanMemory(jobs[i].chunk, planned);
    if (!status.ok()) return InChunk(status, i);
    planned.address = DeviceAddress(jobs[i].has_handle ? 0 : jobs[i].chunk.commands);
    planned.reports = !jobs[i].has_handle;
  }
  return SubmitPlanned(call);
}

absl::StatusOr<DeviceAddress> Card::MapHugeHost(void* host, uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "MapHost", timing().memory_ioctl);
  return machine_->environment().memory->MapHost(host, bytes, true);
}

void Card::HideDram() {
  const Door door(context());
  machine_->environment().memory->HideDram();
}

absl::Status Card::MapDram(DeviceAddress address, uint64_t offset, uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "MapDram", timing().memory_ioctl);
  return machine_->environment().memory->MapDram(address, offset, bytes);
}

absl::Status Card::UnmapDram(DeviceAddress address) {
  const Door door(context());
  const Call call(*this, "UnmapDram", timing().memory_ioctl);
  CatchUp();
  RETURN_IF_ERROR(machine_->environment().memory->UnmapDram(address));
  machine_->NoteUnmapping();
  return absl::OkStatus();
}

absl::Status Card::MapHostAt(DeviceAddress address, void* host, uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "MapHost", timing().memory_ioctl);
  return machine_->environment().memory->MapHostAt(address, host, bytes);
}

Picoseconds Card::WhenComplete(Sequence sequence) const {
  if (!submissions_.done(sequence) || !submissions_.error(sequence).ok()) return kNever;
  return submissions_.ready(sequence);
}

Picoseconds Card::WhenComplete(absl::Span<const Sequence> sequences, hal::WaitFor what) const {
  const bool all = what == hal::WaitFor::kAll;
  Picoseconds when = all ? Picoseconds(0) : kNever;
  for (const Sequence s : sequences) {
    when = all ? std::max(when, WhenComplete(s)) : std::min(when, WhenComplete(s));
  }
  return when;
}

Card::Progress Card::WaitUntil(absl::Span<const Sequence> sequences, hal::WaitFor what,
                               Picoseconds until, bool first) {
  const Door door(context());
  Call call(*this, "Wait", first ? timing().wait : Picoseconds(0));
  if (!sequences.empty()) call.set_detail(sequences[0], 0);
  until = std::max(until, host_);
  Picoseconds when = WhenComplete(sequences, what);
  while (when == kNever && !failed_ && context().now() < until) {
    if (timed_) {
      const Picoseconds before = context().now();
      context().RunUntilIdleOrStopped(until);
      // What is next may lie behind `until`.
      if (context().now() == before && context().pending()) context().RunUntil(until);
    } else {
      context().RunUntilIdleOrStopped();
    }
    NoteFault();
    when = WhenComplete(sequences, what);
    if (!context().pending()) break;
  }
  Progress progress = Progress::kComplete;
  if (when > until) {
    const bool over = when != kNever || (!failed_ && context().now() >= until);
    progress = over ? Progress::kDeadline : Progress::kIdle;
  }
  if (when != kNever || progress == Progress::kDeadline) {
    host_ = std::max(host_, std::min(when, until));
  } else if (failed_) {
    host_ = std::max(host_, std::min(failed_at_, until));
  }
  Acquire(sequences);
  return progress;
}

Card::Progress Card::Look(absl::Span<const Sequence> sequences, hal::WaitFor what) {
  const Door door(context());
  Call call(*this, "Poll", timing().poll);
  if (!sequences.empty()) call.set_detail(sequences[0], 0);
  CatchUp();
  Acquire(sequences);
  if (WhenComplete(sequences, what) <= host_) return Progress::kComplete;
  return failed_ || !context().pending() ? Progress::kIdle : Progress::kDeadline;
}

Picoseconds Card::CompletionTime(Sequence sequence) {
  const Door door(context());
  return WhenComplete(sequence);
}

void Card::Forget(Sequence before) {
  const Door door(context());
  submissions_.Forget(before);
}

Picoseconds Card::host_time() {
  const Door door(context());
  return host_;
}

void Card::PassTime(Picoseconds until) {
  const Door door(context());
  host_ = std::max(host_, until);
  CatchUp();
}

bool Card::pending() {
  const Door door(context());
  return !failed_ && machine_->pending();
}

bool Card::faulted() {
  const Door door(context());
  return failed_;
}

std::string Card::Describe() {
  const Door door(context());
  return failed_ ? failure_ : machine_->DescribeStuck();
}

Faults::Fault Card::fault() {
  const Door door(context());
  return machine_->environment().faults.fault();
}

std::vector<std::string> Card::BusyEngines() {
  const Door door(context());
  const std::vector<bool> busy = machine_->BusyEngines();
  std::vector<std::string> names;
  for (size_t i = 0; i < busy.size(); ++i) {
    if (busy[i]) names.push_back(machine_->units()[i].engine->config().name);
  }
  return names;
}

absl::StatusOr<uint32_t> Card::ReadRegister(uint64_t address) {
  const Door door(context());
  const Call call(*this, "ReadRegister", timing().poll);
  CatchUp();
  return machine_->ReadRegister(address);
}

absl::Status Card::WriteRegister(uint64_t address, uint32_t value) {
  const Door door(context());
  const Call call(*this, "WriteRegister", timing().poll);
  CatchUp();
  return machine_->WriteRegister(address, value);
}

std::byte* Card::Peek(DeviceAddress address, uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "Peek", timing().poll);
  CatchUp();
  MachineMemory& memory = *machine_->environment().memory;
  const absl::StatusOr<std::byte*> host = memory.Resolve(address, bytes);
  return host.ok() ? *host : memory.PhysicalDram(address.value(), bytes);
}

}  // namespace openhpu::simulator
