#include "simulator/card.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/submission.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"
#include "hal/gaudi/command_check.h"
#include "simulator/card_call.h"

// What the host asks of the card beside waiting, which is in card_wait.cc.

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
using Door = SimulationContext::Door;

constexpr uint64_t kAlignment = 128;
constexpr uint64_t kLargeAlignment = 8192;  // of what may hold a kernel's image

}  // namespace

absl::StatusOr<std::unique_ptr<Simulator>> Simulator::Open(std::string_view text) {
  ASSIGN_OR_RETURN(const Spec spec, ParseSpec(text));
  ASSIGN_OR_RETURN(std::unique_ptr<Card> card, Card::Create(std::string(text), spec));
  return card;
}

absl::StatusOr<std::unique_ptr<Card>> Card::Create(const std::string& name, const Spec& spec) {
  std::unique_ptr<Card> card(new Card(name, spec));
  ASSIGN_OR_RETURN(card->machine_, Machine::Create(spec.chip, spec.options, *card));
  card->wanted_.assign(card->machine_->queue_ids(), 0);
  for (const InjectedFault& fault : spec.faults) {
    if (const absl::Status status = card->Inject(fault); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("fault=", ToString(fault), ": ",
                                                      std::string(status.message())));
    }
  }
  return card;
}

Card::Card(const std::string& name, const Spec& spec)
    : timed_(spec.options.timed),
      dram_("DRAM", hal::UserDram(spec.chip).begin, hal::UserDram(spec.chip).bytes),
      sram_("SRAM",
            spec.chip.address_map().sram_base().value() +
                spec.chip.address_map().sram_reserved_bytes().value(),
            spec.chip.address_map().sram_bytes().value() -
                spec.chip.address_map().sram_reserved_bytes().value()),
      checks_packets_(spec.chip.dialect() == "gaudi") {
  const hal::AddressMap& map = spec.chip.address_map();
  info_.driver = name;
  info_.chip = spec.chip;
  info_.dram_user_base = DeviceAddress(hal::UserDram(spec.chip).begin);
  info_.dram_user_bytes = dram_.size();
  info_.sram_user_base = DeviceAddress(map.sram_base().value() + map.sram_reserved_bytes().value());
  info_.sram_user_bytes = sram_.size();
}

absl::StatusOr<hal::SyncManagerInfo> Card::GetSyncManagerInfo(int manager) {
  const hal::SyncManagers& sync = info_.chip.sync();
  if (manager < 0 || static_cast<uint64_t>(manager) >= sync.count().value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sync manager ", manager, ": there are ", sync.count().value()));
  }
  hal::SyncManagerInfo info;
  if (manager == 0) {
    info.first_sob = static_cast<uint32_t>(sync.first_user_sob().value());
    info.first_monitor = static_cast<uint32_t>(sync.first_user_monitor().value());
  }
  info.num_sobs = static_cast<uint32_t>(sync.sobs().value()) - info.first_sob;
  info.num_monitors = static_cast<uint32_t>(sync.monitors().value()) - info.first_monitor;
  return info;
}

// Memory of the device has physical addresses: who gives them out is no call of the kernel, so it
// costs no host time.
absl::StatusOr<DeviceAddress> Card::Allocate(hal::MemoryKind kind, uint64_t bytes) {
  const Door door(context());
  hal::RangeAllocator& range = kind == hal::MemoryKind::kDram ? dram_ : sram_;
  // Whole lines, so that no two allocations share one.
  const uint64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  ASSIGN_OR_RETURN(const uint64_t address,
                   range.Allocate(std::max(bytes, rounded),
                                  bytes >= kLargeAlignment ? kLargeAlignment : kAlignment));
  return DeviceAddress(address);
}

absl::Status Card::Free(DeviceAddress address) {
  const Door door(context());
  return address >= info_.sram_user_base && address < machine_->environment().sram_end
             ? sram_.Free(address.value())
             : dram_.Free(address.value());
}

absl::StatusOr<DeviceAddress> Card::MapHost(void* host, uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "MapHost", timing().memory_ioctl);
  return machine_->environment().memory->MapHost(host, bytes);
}

absl::Status Card::UnmapHost(DeviceAddress address) {
  const Door door(context());
  const Call call(*this, "UnmapHost", timing().memory_ioctl);
  // What is over by the host's time has been there.
  CatchUp();
  RETURN_IF_ERROR(machine_->environment().memory->UnmapHost(address));
  machine_->NoteUnmapping();
  return absl::OkStatus();
}

absl::StatusOr<hal::CommandMemory> Card::CreateCommandMemory(uint64_t bytes) {
  const Door door(context());
  const Call call(*this, "CreateCommandMemory", timing().memory_ioctl);
  if (bytes == 0 || bytes > abi::kMaxCommandBufferBytes) {
    return absl::InvalidArgumentError(absl::StrCat("command memory of ", bytes, " bytes: 1 to ",
                                                   abi::kMaxCommandBufferBytes, " can be had"));
  }
  const uint64_t handle = next_handle_++;
  Commands& memory = command_memories_[handle];
  memory.own.resize(bytes);
  memory.bytes = absl::MakeSpan(memory.own);
  hal::CommandMemory result;
  result.handle = handle;
  result.bytes = memory.bytes;
  return result;
}

absl::Status Card::DestroyCommandMemory(uint64_t handle) {
  const Door door(context());
  const Call call(*this, "DestroyCommandMemory", timing().memory_ioctl);
  // Submissions hold copies.
  if (command_memories_.erase(handle) == 0) {
    return absl::NotFoundError(absl::StrCat("no command memory with handle ", handle));
  }
  return absl::OkStatus();
}

absl::Status Card::CheckChunks(size_t count) {
  if (count > 0 && count <= hal::kMaxChunks) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(count, " chunks: a submission has 1 to ", hal::kMaxChunks));
}

absl::Status Card::InChunk(const absl::Status& status, size_t index) {
  return absl::Status(status.code(),
                      absl::StrCat("chunk ", index, ": ", std::string(status.message())));
}

absl::Status Card::PlanQueue(const hal::Chunk& chunk, Planned& planned) {
  planned = Planned();
  ASSIGN_OR_RETURN(planned.stream, machine_->FindStream(chunk.queue.value()));
  if (chunk.bytes == 0 || chunk.bytes % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunk.bytes, " bytes of commands: must be a multiple of 8, and some"));
  }
  planned.queue = chunk.queue;
  planned.bytes = chunk.bytes;
  return absl::OkStatus();
}

absl::Status Card::PlanMemory(const hal::Chunk& chunk, Planned& planned) {
  const auto memory = command_memories_.find(chunk.commands);
  if (memory == command_memories_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no command memory with handle ", chunk.commands));
  }
  const absl::Span<const std::byte> bytes = memory->second.bytes;
  if (chunk.bytes > bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(chunk.bytes, " bytes of commands, the command memory has ", bytes.size()));
  }
  planned.memory = bytes.subspan(0, chunk.bytes);
  return absl::OkStatus();
}

absl::Status Card::PlanChunk(const hal::Chunk& chunk, Planned& planned) {
  RETURN_IF_ERROR(PlanQueue(chunk, planned));
  if (!planned.stream.queue->config().external) {
    planned.address = DeviceAddress(chunk.commands);
    absl::Status reachable =
        ResolveForUser(machine_->environment(), planned.address, chunk.bytes).status();
    // The kernel driver says EFAULT, whatever is wrong with the address.
    if (!reachable.ok()) return absl::OutOfRangeError(std::string(reachable.message()));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(PlanMemory(chunk, planned));
  // On Gaudi2 protection is the hardware's: the kernel driver looks at no packet.
  if (!checks_packets_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const hal::gaudi::CommandCheck check,
                   hal::gaudi::CheckExternalCommands(planned.memory));
  planned.uses_engine = check.uses_engine;
  return absl::OkStatus();
}

absl::Status Card::CheckRoom() {
  for (const Planned& planned : planned_) ++wanted_[planned.queue.value()];
  absl::Status room;
  for (const Planned& planned : planned_) {
    uint32_t& wanted = wanted_[planned.queue.value()];
    const Machine::Stream& stream = planned.stream;
    if (room.ok() && stream.queue->Free(stream.index) < wanted) {
      room = absl::ResourceExhaustedError(absl::StrCat(
          "queue ", planned.queue.value(), " (", stream.queue->config().name, " stream ",
          stream.index, ") is full: ", stream.queue->config().entries, " entries"));
    }
    wanted = 0;
  }
  const uint64_t most = info_.chip.qman().max_pending_cs().value();
  if (room.ok() && submissions_.in_flight() >= most) {
    return absl::ResourceExhaustedError(absl::StrCat(most, " submissions are in flight"));
  }
  return room;
}

absl::StatusOr<Sequence> Card::Submit(absl::Span<const hal::Chunk> chunks) {
  const Door door(context());
  Call call(*this, "Submit",
            timing().submit + Picoseconds(timing().submit_chunk.value() * chunks.size()));
  RETURN_IF_ERROR(NeedsReset());
  RETURN_IF_ERROR(CheckChunks(chunks.size()));
  planned_.resize(chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const absl::Status status = PlanChunk(chunks[i], planned_[i]);
    if (!status.ok()) return InChunk(status, i);
  }
  return SubmitPlanned(call);
}

absl::StatusOr<Sequence> Card::SubmitPlanned(Call& call) {
  if (!CheckRoom().ok()) {
    // Time has passed since the machine last ran.
    CatchUp();
    RETURN_IF_ERROR(NeedsReset());
    const absl::Status room = CheckRoom();
    if (!room.ok() && !kernel_waits_ && LooksInVain()) DeclareDeadlock({});
    RETURN_IF_ERROR(NeedsReset());
    RETURN_IF_ERROR(room);
  }
  const Sequence sequence = submissions_.next();
  call.set_detail(sequence, planned_.size());
  call.End();
  Enqueue(sequence);
  return sequence;
}

void Card::Enqueue(Sequence sequence) {
  Environment& environment = machine_->environment();
  const Picoseconds arrival = host_ + timing().doorbell;
  constexpr uint64_t kPruneEvery = 16;
  if (environment.hazards != nullptr && submission_count_ % kPruneEvery == 0) {
    machine_->PruneHazards();
  }
  const SharedClock clock = environment.Release(Machine::kHostAgent);
  uint32_t completing = 0;
  for (const Planned& planned : planned_) {
    Job job;
    job.submission = sequence.value();
    job.arrival = arrival;
    job.bytes = planned.bytes;
    job.clock = clock;
    if (!planned.memory.empty()) {
      job.external = true;
      job.uses_engine = planned.uses_engine;
      job.kernel = planned.kernel;
      job.copy.assign(planned.memory.begin(), planned.memory.end());
    } else {
      job.address = planned.address;
      job.reports = planned.reports;
    }
    completing += job.completes() ? 1 : 0;
    planned.stream.queue->cp(planned.stream.index).Enqueue(std::move(job));
  }
  if (!kernel_waits_) submissions_.Trim(host_);
  submissions_.Add(completing, arrival);
  ++submission_count_;
  idle_looks_ = 0;
}

void Card::SetTrace(TraceSink* sink) {
  const Door door(context());
  tracks_.clear();
  if (sink != nullptr) sink->Track("host", "thread 0");
  machine_->SetTrace(sink);
}

Statistics Card::statistics() {
  const Door door(context());
  Statistics all;
  all.now = host_;
  all.submissions = submission_count_;
  for (const Machine::EngineUnit& unit : machine_->units()) {
    const Engine::Statistics engine = unit.engine->statistics();
    EngineStatistics s;
    s.name = unit.engine->config().name;
    s.busy = engine.busy;
    s.commands = engine.commands;
    s.bytes_read = engine.bytes_read;
    s.bytes_written = engine.bytes_written;
    for (int i = 0; i <= QueueManager::kStreams; ++i) {
      s.fence_wait += unit.queue->cp(i).fence_wait();
      all.packets += unit.queue->cp(i).packets();
    }
    all.engines.push_back(s);
  }
  const auto memories = machine_->fabric().statistics();
  for (size_t i = 0; i < memories.size(); ++i) {
    EngineStatistics s;
    s.name = kMemoryNames[i];
    s.busy = memories[i].busy;
    s.commands = memories[i].commands;
    s.bytes_read = memories[i].bytes_read;
    s.bytes_written = memories[i].bytes_written;
    all.engines.push_back(s);
  }
  return all;
}

void Card::ResetStatistics() {
  const Door door(context());
  machine_->ResetStatistics();
  submission_count_ = 0;
}

}  // namespace openhpu::simulator
