#include "simulator/engine/command_processor.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/submission.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/queue_manager.h"
#include "simulator/engine/simulation_context.h"

// What each packet does is in command_processor_packets.cc; here: jobs, fetching, waiting.

namespace openhpu::simulator {

namespace abi = hal::abi::gaudi;

CommandProcessor::CommandProcessor(sc_core::sc_module_name name, QueueManager& qman, int index,
                                   AgentId agent)
    : sc_module(name),
      environment_(qman.environment()),
      qman_(qman),
      index_(index),
      agent_(agent),
      fetcher_(environment_.timing.fetch_line_bytes, environment_.timing.fetch_lines) {
  origin_.queue = qman_.config().name.c_str();
  origin_.stream = static_cast<uint8_t>(upper() ? index_ : 0);
  origin_.lower = !upper();
  SC_METHOD(Run);
  sensitive << wake_;
  dont_initialize();
  Reset();
}

void CommandProcessor::Reset() {
  wake_.cancel();
  jobs_.clear();
  active_ = fetched_ = passed_barrier_ = body_done_ = false;
  in_scalars_ = nullptr;
  scalars_.fill(std::byte{0});
  return_.reset();
  commands_ = FetchedCommands();
  blocked_ = Blocked::kNo;
  counters_.fill(0);
  fence_clocks_.fill(nullptr);
  message_bases_ = qman_.config().message_bases;
  predicates_ = 1;
  errors_ = 0;
  runs_ = starts_jobs_ = true;
  taken_ = 0;
  last_message_ = Picoseconds(0);
  fetcher_.Reset();
}

void CommandProcessor::Enqueue(Job job) {
  const Picoseconds arrival = job.arrival;
  jobs_.push_back(std::move(job));
  if (active_ || jobs_.size() > 1) return;
  if (arrival > Now()) {
    NotifyAt(wake_, arrival);
  } else {
    wake_.notify();
  }
}

void CommandProcessor::RunBody(int stream, Job body) {
  origin_.stream = static_cast<uint8_t>(stream);
  jobs_.push_back(std::move(body));
  // It may decode ahead of the simulation: the time is in the job.
  wake_.notify();
}

void CommandProcessor::Granted(Picoseconds at) {
  local_ = std::max(local_, at);
  wake_.notify();
}

void CommandProcessor::BodyEnded(Picoseconds at, const SharedClock& clock) {
  body_done_ = true;
  environment_.Acquire(agent_, clock);
  Granted(at);
}

void CommandProcessor::EngineProgressed() {
  const bool finishing = active_ && offset_ == commands_.bytes;
  if (blocked_ == Blocked::kEngineBusy || blocked_ == Blocked::kEngineFull || finishing) {
    wake_.notify();
  }
}

void CommandProcessor::NoteUnmapping() {
  if (!active_) return;
  const auto keep = [this](FetchedCommands& commands, uint64_t fetched) {
    if (commands.base == 0 || commands.unmapped) return;
    const DeviceAddress base(commands.base);
    if (!ResolveForUser(environment_, base, commands.bytes).ok()) commands.Keep(fetched);
  };
  uint64_t fetched = offset_ + (fetched_ ? packet_bytes_ : 0);
  if (environment_.timing.timed && commands_.base != 0) {
    fetched = std::max(fetched, fetcher_.asked() - commands_.base);
  }
  keep(commands_, fetched);
  // It was to be fetched again from there on.
  if (return_.has_value()) keep(return_->commands, return_->offset);
}

void CommandProcessor::AddFence(int fence, uint32_t value, const Message& message) {
  constexpr uint32_t kCounterMax = (1u << 14) - 1;
  counters_[fence] += value;
  if (counters_[fence] > kCounterMax) {
    counters_[fence] = kCounterMax;
    errors_ |= abi::qman::CpErrors::CP_FENCE0_OVF_ERR::kMask << fence;
    environment_.faults.Raise(hal::HealthEvent::Kind::kUndefinedOpcode, message.origin,
                              absl::StrCat("counter of fence ", fence, " of ", qman_.config().name,
                                           " CP ", index_, " overflows"));
    return;
  }
  fence_clocks_[fence] = Joined(fence_clocks_[fence], message.clock);
  if (blocked_ == Blocked::kFence && fence_ == fence) wake_.notify();
}

void CommandProcessor::SetMessageBase(int base, bool high, uint32_t value) {
  uint64_t& address = message_bases_[base];
  address = high ? (uint64_t{value} << 32) | (address & 0xFFFFFFFF) : (address >> 32 << 32) | value;
}

void CommandProcessor::Enable(bool runs, bool starts_jobs) {
  const bool more = (runs && !runs_) || (starts_jobs && !starts_jobs_);
  runs_ = runs;
  starts_jobs_ = starts_jobs;
  if (more) wake_.notify();
}

void CommandProcessor::Run() {
  // What stops it comes from outside, between two activations.
  if (!runs_) return;
  while (!environment_.faults.failed()) {
    // Time has passed while it waited.
    local_ = std::max(local_, Now());
    if (!active_ && !StartJob()) return;
    while (offset_ < commands_.bytes || HasMore()) {
      if (!fetched_ && !Fetch()) return;
      const Outcome outcome = ExecutePacket();
      if (outcome == Outcome::kWait) return;
      fetched_ = passed_barrier_ = false;
      in_scalars_ = nullptr;
      if (outcome == Outcome::kJumped) continue;
      offset_ += packet_bytes_;
      ++origin_.packet;
    }
    if (environment_.faults.failed() || !FinishJob()) return;
  }
}

bool CommandProcessor::InStep() {
  if (local_ <= Now()) return true;
  NotifyAt(wake_, local_);
  return false;
}

bool CommandProcessor::MessagesArrived() {
  if (!abi::Ctl::MSG_BARRIER::Get(ctl_) || environment_.network->settled()) return true;
  wake_.notify(sc_core::SC_ZERO_TIME);
  return false;
}

CommandProcessor::Outcome CommandProcessor::Block(Blocked why) {
  if (blocked_ == Blocked::kNo) blocked_since_ = local_;
  blocked_ = why;
  return Outcome::kWait;
}

void CommandProcessor::Unblocked() {
  if (blocked_ == Blocked::kFence && local_ > blocked_since_) {
    fence_wait_ += local_ - blocked_since_;
    if (environment_.trace != nullptr) {
      environment_.trace->Span(track_, "fence", absl::StrCat("fence ", fence_), blocked_since_,
                               local_, 0);
    }
  }
  blocked_ = Blocked::kNo;
}

bool CommandProcessor::Fail(hal::HealthEvent::Kind kind, const std::string& what, uint32_t error,
                            uint64_t address) {
  errors_ |= error;
  environment_.faults.Raise(kind, origin_, what, address);
  return false;
}

bool CommandProcessor::StartJob() {
  if (jobs_.empty() || !starts_jobs_) return false;
  Job& next = jobs_.front();
  if (upper() && next.arrival > Now()) {
    NotifyAt(wake_, next.arrival);
    return false;
  }
  job_ = std::move(next);
  jobs_.pop_front();
  active_ = true;
  ++taken_;
  for (Stretch& stretch : stretches_) stretch.open = false;
  repeated_ = 0;
  local_ = std::max(local_, job_.arrival);
  started_ = local_;
  offset_ = 0;
  origin_.submission = job_.submission;
  origin_.kernel = job_.kernel;
  origin_.packet = 0;
  return_.reset();
  commands_ = FetchedCommands();  // the last job's may be unmapped: none stay if the fetch fails
  if (environment_.hazards != nullptr) environment_.Acquire(agent_, job_.clock);
  if (!job_.external) return FetchFrom(job_.address, job_.bytes, job_.arrival);
  commands_.data = job_.copy.data();
  commands_.bytes = job_.bytes;
  commands_.latency = environment_.timing.host_latency;
  if (environment_.timing.timed) fetcher_.Start(commands_.base, job_.arrival, commands_.latency);
  return true;
}

bool CommandProcessor::FetchFrom(DeviceAddress address, uint32_t bytes, Picoseconds from) {
  const absl::StatusOr<std::byte*> host = ResolveForUser(environment_, address, bytes);
  if (!host.ok()) {
    return Fail(hal::HealthEvent::Kind::kPageFault,
                absl::StrCat("fetch of ", bytes,
                             " bytes of commands: ", std::string(host.status().message())),
                abi::qman::CpErrors::CQF_RD_ERR::kMask, address.value());
  }
  commands_ = FetchedCommands();
  commands_.data = *host;
  commands_.base = address.value();
  commands_.bytes = bytes;
  const Region region = *environment_.memory->RegionOf(address);
  commands_.latency = region == Region::kDram   ? environment_.timing.dram_latency
                      : region == Region::kSram ? environment_.timing.sram_latency
                                                : environment_.timing.host_latency;
  if (environment_.timing.timed) fetcher_.Start(commands_.base, from, commands_.latency);
  if (environment_.hazards != nullptr) {
    AccessBox box;
    box.base = address;
    box.run = bytes;
    const auto race =
        environment_.hazards->Access(agent_, Describe(origin_) + " fetch of commands", {box});
    if (race.has_value()) return Fail(hal::HealthEvent::Kind::kHazard, *race);
  }
  return true;
}

bool CommandProcessor::FetchAgain() {
  const uint32_t bytes = commands_.bytes + commands_.lost;
  const absl::StatusOr<std::byte*> host =
      ResolveForUser(environment_, DeviceAddress(commands_.base), bytes);
  if (!host.ok()) {
    return Fail(hal::HealthEvent::Kind::kPageFault,
                absl::StrCat("fetch of the last ", bytes - offset_,
                             " bytes of commands: ", std::string(host.status().message())),
                abi::qman::CpErrors::CQF_RD_ERR::kMask, commands_.base + offset_);
  }
  commands_.data = *host;
  commands_.bytes = bytes;
  commands_.unmapped = false;
  commands_.lost = 0;
  commands_.kept.clear();
  return true;
}

// False while it waits for something, or when it failed.
bool CommandProcessor::FinishJob() {
  if (job_.completes()) {
    // The kernel driver's completion: two MSG_PROT behind the user's packets, with message
    // barriers, the first with an engine barrier if there was a transfer. Or the queue manager's
    // own, of a dialect whose queues have it, which waits for the same (inferred).
    local_ = std::max(local_, last_message_);
    if (!InStep()) return false;
    if (job_.uses_engine && !qman_.engine().idle()) return false;
    if (!environment_.timing.timed && !environment_.network->idle()) {
      wake_.notify(sc_core::SC_ZERO_TIME);
      return false;
    }
    if (!fetched_) {
      fetched_ = true;
      const uint32_t packets = qman_.dialect().completion_packets;
      local_ += environment_.timing.packet.value() * packets;
      packets_ += packets;
      if (!InStep()) return false;
    }
    fetched_ = false;
    if (environment_.hazards != nullptr && job_.uses_engine) {
      environment_.Acquire(agent_, environment_.Release(qman_.engine().config().agent));
    }
  }
  active_ = false;
  if (environment_.trace != nullptr) {
    environment_.trace->Span(track_, upper() ? "job" : "body",
                             absl::StrCat("submission ", job_.submission), started_, local_, 0);
  }
  if (upper()) {
    qman_.Release(index_, local_);
    if (job_.completes()) qman_.JobCompleted(job_.submission, environment_.Release(agent_));
  } else {
    qman_.Release(origin_.stream, local_);
    qman_.cp(origin_.stream).BodyEnded(local_, environment_.Release(agent_));
  }
  job_.copy.clear();
  return true;
}

bool CommandProcessor::Fetch() {
  const uint32_t left = commands_.bytes - offset_;
  if (left < 8) {
    if (commands_.lost != 0) return FetchAgain() && Fetch();
    return Fail(hal::HealthEvent::Kind::kUndefinedOpcode,
                absl::StrCat(left, " bytes at the end of the command buffer are not a packet"));
  }
  std::memcpy(&ctl_, commands_.data + offset_ + 4, sizeof ctl_);
  opcode_ = abi::OpcodeOf(ctl_);
  const Dialect& dialect = qman_.dialect();
  packet_bytes_ = dialect.packet_bytes(static_cast<uint32_t>(opcode_));
  if (packet_bytes_ == 0) {
    return Fail(hal::HealthEvent::Kind::kUndefinedOpcode,
                absl::StrCat("unknown opcode 0x", absl::Hex(static_cast<uint32_t>(opcode_))));
  }
  if (const char* why = dialect.refuses(Read<uint32_t>(), ctl_); why != nullptr) {
    return Fail(hal::HealthEvent::Kind::kUndefinedOpcode, why);
  }
  Picoseconds cost = environment_.timing.packet;
  if (opcode_ == abi::Opcode::kWregBulk) {
    const uint32_t qwords = abi::PacketWregBulk::SIZE64::Get(Read<abi::PacketWregBulk>().size);
    packet_bytes_ += 8 * qwords;
    cost += environment_.timing.bulk_qword.value() * qwords;
  }
  if (packet_bytes_ > left) {
    if (commands_.lost != 0) return FetchAgain() && Fetch();
    return Fail(hal::HealthEvent::Kind::kUndefinedOpcode,
                absl::StrCat("packet of ", packet_bytes_,
                             " bytes passes the end of the command buffer, ", left, " bytes on"));
  }
  if (environment_.timing.timed) {
    local_ = fetcher_.Need(commands_.base + offset_ + packet_bytes_, local_) + cost;
  }
  ++packets_;
  fetched_ = true;
  return true;
}

size_t CommandProcessor::waiting() const {
  size_t later = 0;  // jobs stand in order of arrival
  while (later < jobs_.size() && jobs_[jobs_.size() - 1 - later].arrival > Now()) ++later;
  return jobs_.size() - later;
}

uint64_t CommandProcessor::arrived() const { return taken_ + waiting(); }

uint64_t CommandProcessor::current_packet() const {
  uint64_t packet = 0;
  if (active_ && commands_.bytes - offset_ >= sizeof packet) {
    std::memcpy(&packet, commands_.data + offset_, sizeof packet);
  }
  return packet;
}

uint32_t CommandProcessor::Status() const {
  CpState state;
  state.messages = environment_.network->CountFrom(origin_);
  state.active = active_;
  state.engine_idle = qman_.engine().idle();
  state.stopped = !runs_;
  if (blocked_ == Blocked::kFence) {
    state.fence = fence_;
    state.target = fence_target_;
  }
  return qman_.dialect().cp_status(state);
}

std::string CommandProcessor::Stuck() const {
  if (!active_) {
    if (jobs_.empty()) return "";
    return runs_ && starts_jobs_ ? "has not started its next job" : "is stopped by GLBL_CFG";
  }
  if (!runs_) return "is stopped by GLBL_CFG";
  const std::string at =
      absl::StrCat("packet ", origin_.packet, " of submission ", origin_.submission);
  switch (blocked_) {
    case Blocked::kFence:
      return absl::StrCat(at, ": FENCE ", fence_, " is ", counters_[fence_], ", needs ",
                          fence_target_);
    case Blocked::kEngineBusy:
      return absl::StrCat(at, ": barrier, the engine is busy");
    case Blocked::kEngineFull:
      return absl::StrCat(at, ": launch, the engine's queue is full");
    case Blocked::kArbiter:
      return absl::StrCat(at, ": waits for the engine, which another stream holds");
    case Blocked::kBody:
      return absl::StrCat(at, ": its body has not ended");
    case Blocked::kNo:
      break;
  }
  return offset_ == commands_.bytes
             ? absl::StrCat("end of submission ", job_.submission, ": the engine is busy")
             : absl::StrCat(at, ": runs");
}

void CommandProcessor::ResetStatistics() {
  fence_wait_ = Picoseconds(0);
  packets_ = 0;
}

void CommandProcessor::SetTrace() {
  track_ = environment_.trace->Track("queue",
                                     upper() ? absl::StrCat(qman_.config().name, " stream ", index_)
                                             : absl::StrCat(qman_.config().name, " bodies"));
}

}  // namespace openhpu::simulator
