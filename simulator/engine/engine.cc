#include "simulator/engine/engine.h"

#include <cstring>
#include <utility>

#include "hal/base/status_macros.h"
#include "simulator/engine/message_network.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

hal::HealthEvent::Kind KindOf(const absl::Status& status) {
  return status.code() == absl::StatusCode::kOutOfRange ? hal::HealthEvent::Kind::kPageFault
                                                        : hal::HealthEvent::Kind::kUndefinedOpcode;
}

constexpr Picoseconds kLongestCommand(uint64_t{3600} * 1000000000000);

}  // namespace

Engine::Engine(sc_core::sc_module_name name, Environment& environment, const Config& config)
    : sc_module(name), environment_(environment), config_(config) {
  ResetRegisters(config_.block, registers_);
  SC_METHOD(Run);
  sensitive << wake_;
  dont_initialize();
}

void Engine::WriteRegisters(uint32_t offset, const uint32_t* values, uint32_t words,
                            const Origin& origin, const SharedClock& clock) {
  std::memcpy(&registers_[offset / 4], values, 4 * words);
  Written(offset, words);
  if (Launches(offset, words) && (!config_.launch_bit || (reg(config_.launch_register) & 1) != 0)) {
    OPENHPU_CHECK(accepts());
    issued_.push_back({origin, clock});
    Capture();
  } else if (phase_ != Phase::kIdle || issued_.empty()) {
    return;  // else it may have been let go
  }
  if (!environment_.timing.timed) {
    RunAtOnce();
  } else if (phase_ == Phase::kIdle) {
    wake_.notify();
  }
}

uint32_t Engine::ReadRegister(uint32_t offset) const {
  return IsEngineStatus(config_.block, offset)
             ? EngineStatus(config_.block, offset, idle(), accepts())
             : reg(offset);
}

Picoseconds Engine::AtClock(Picoseconds time) const {
  const uint32_t permille = environment_.clock.permille;
  if (permille == 1000) return time;
  return Picoseconds(
      static_cast<uint64_t>(static_cast<unsigned __int128>(time.value()) * 1000 / permille));
}

void Engine::RunAtOnce() {
  while (!issued_.empty() && !hangs_ && !HoldsEngine(config_.block, registers_)) {
    if (!BeginCommand()) return;
    EndCommand();
  }
}

void Engine::Run() {
  if (environment_.faults.failed()) return;
  const Picoseconds now = Now();
  if (phase_ == Phase::kMoving) {
    if (flowing_) return;
    if (now < next_) {
      NotifyAt(wake_, next_);
      return;
    }
    if (hangs_) return;
    EndCommand();
    if (environment_.faults.failed()) return;
  }
  if (phase_ == Phase::kIdle) {
    if (issued_.empty() || HoldsEngine(config_.block, registers_) || !BeginCommand()) return;
    phase_ = Phase::kLaunching;
    next_ = now + AtClock(work_.launch);
  }
  if (now < next_) {
    NotifyAt(wake_, next_);
    return;
  }
  phase_ = Phase::kMoving;
  next_ = now + AtClock(work_.arithmetic);
  flowing_ = work_.plan != nullptr && work_.plan->bytes != 0;
  if (flowing_) {
    environment_.fabric->Start(*work_.plan, this);
  } else {
    NotifyAt(wake_, next_);
  }
}

void Engine::FlowEnded() {
  flowing_ = false;
  NotifyAt(wake_, next_);
}

bool Engine::BeginCommand() {
  const Issue& issue = issued_.front();
  began_ = busy_since_ = Now();
  work_ = Work();
  if (absl::Status status = Prepare(work_); !status.ok()) {
    environment_.faults.Raise(KindOf(status), issue.origin, status);
    return false;
  }
  if (work_.arithmetic > kLongestCommand) {
    environment_.faults.Raise(hal::HealthEvent::Kind::kHang, issue.origin,
                              "a command that runs for more than an hour");
    return false;
  }
  if (work_.steps > environment_.most_steps) {
    environment_.faults.Raise(hal::HealthEvent::Kind::kHang, issue.origin,
                              "a command of more work than this machine was made for");
    return false;
  }
  if (environment_.hazards != nullptr) {
    environment_.Acquire(config_.agent, issue.clock);
    if (work_.boxes != nullptr) {
      const std::optional<std::string> race = environment_.hazards->Access(
          config_.agent, Describe(issue.origin) + " " + work_.what, *work_.boxes);
      if (race.has_value()) {
        environment_.faults.Raise(hal::HealthEvent::Kind::kHazard, issue.origin, *race);
        return false;
      }
    }
  }
  if (absl::Status status = Execute(); !status.ok()) {
    environment_.faults.Raise(KindOf(status), issue.origin, status);
    return false;
  }
  if (work_.boxes != nullptr) TouchBoxes(*environment_.memory, *work_.boxes);
  return true;
}

void Engine::EndCommand() {
  const Picoseconds now = Now();
  statistics_.busy += now - busy_since_;
  ++statistics_.commands;
  if (work_.plan != nullptr) {
    statistics_.bytes_read += work_.plan->traffic.bytes_read();
    statistics_.bytes_written += work_.plan->traffic.bytes_written();
    if (!environment_.timing.timed) environment_.fabric->Count(work_.plan->traffic);
  }
  if (environment_.trace != nullptr) {
    const uint64_t bytes = work_.plan == nullptr ? 0 : work_.plan->bytes;
    environment_.trace->Span(track_, work_.what, Detail(), began_, now, bytes);
  }
  phase_ = Phase::kIdle;
  Complete();
  issued_.pop_front();
  if (listener_ != nullptr) listener_->EngineProgressed();
}

void Engine::Signal(uint64_t address, uint32_t value) {
  Message message;
  message.at = Now() + environment_.timing.message_latency;
  message.address = address;
  message.value = value;
  message.origin = issued_.front().origin;
  message.clock = environment_.Release(config_.agent);
  environment_.network->Post(std::move(message));
}

void Engine::Reset() {
  wake_.cancel();
  issued_.clear();
  phase_ = Phase::kIdle;
  flowing_ = false;
  hangs_ = false;
  ResetRegisters(config_.block, registers_);
  ResetCommands();
}

Engine::Statistics Engine::statistics() const {
  Statistics s = statistics_;
  if (phase_ != Phase::kIdle) s.busy += Now() - busy_since_;
  return s;
}

void Engine::ResetStatistics() {
  statistics_ = Statistics();
  busy_since_ = Now();
}

void Engine::SetTrace() { track_ = environment_.trace->Track("engine", config_.name); }

}  // namespace openhpu::simulator
