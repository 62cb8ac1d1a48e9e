#include "simulator/engine/queue_manager.h"

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/qman.h"

namespace openhpu::simulator {

namespace qman = hal::abi::gaudi::qman;

QueueManager::QueueManager(sc_core::sc_module_name name, Environment& environment,
                           const Config& config, Engine& engine, CompletionListener& completions)
    : sc_module(name),
      environment_(environment),
      config_(config),
      engine_(engine),
      completions_(completions) {
  for (int i = 0; i < qman::kNumCps; ++i) {
    const std::string cp_name = i == qman::kLowerCp ? "lower" : absl::StrCat("upper", i);
    cps_[i] = std::make_unique<CommandProcessor>(cp_name.c_str(), *this, i, config.first_agent + i);
  }
  engine.set_listener(this);
  InitializeRegisters();
}

uint32_t QueueManager::Free(int stream) const {
  const size_t used = cps_[stream]->jobs();
  return used >= config_.entries ? 0 : config_.entries - static_cast<uint32_t>(used);
}

void QueueManager::Write(uint32_t offset, const Message& message) {
  const QmanRegister found = dialect().qman[offset / 4];
  if (found.kind == QmanRegister::Kind::kFenceAdd && offset % 4 == 0) {
    cps_[found.cp]->AddFence(found.which, qman::CP_FENCE0_RDATA::INC_VAL::Get(message.value),
                             message);
    return;
  }
  environment_.faults.Raise(
      hal::HealthEvent::Kind::kRazwi, message.origin,
      absl::StrCat("write to offset 0x", absl::Hex(offset), " of the queue manager of ",
                   config_.name, ", which is the kernel driver's"));
}

bool QueueManager::Acquire(int stream, bool* changed) {
  if (holder_ == stream) return true;
  if (holder_ >= 0) {
    waiting_[stream] = true;
    return false;
  }
  holder_ = stream;
  *changed = last_holder_ >= 0 && last_holder_ != stream;
  last_holder_ = stream;
  return true;
}

void QueueManager::Release(int stream, Picoseconds at) {
  if (holder_ != stream) return;
  holder_ = -1;
  int best = -1;
  for (int i = 1; i <= kStreams; ++i) {
    const int next = (stream + i) % kStreams;
    if (waiting_[next] && (best < 0 || priorities_[next] > priorities_[best])) best = next;
  }
  if (best < 0) return;
  waiting_[best] = false;
  holder_ = best;
  last_holder_ = best;
  cps_[best]->Granted(at + environment_.timing.arbitration);
}

void QueueManager::ArbPoint(int stream, uint32_t priority, bool release, bool switch_point,
                            Picoseconds at) {
  priorities_[stream] = priority;
  if (!switch_point) return;
  bool others = release;
  for (int i = 0; i < kStreams; ++i) others |= waiting_[i] && priorities_[i] >= priority;
  if (others) Release(stream, at);
}

void QueueManager::JobCompleted(uint64_t submission, const SharedClock& clock) {
  if (loses_completion_) {
    loses_completion_ = false;
    lost_completions_.push_back(submission);
    return;
  }
  completions_.JobCompleted(submission, clock);
}

void QueueManager::EngineProgressed() {
  for (auto& cp : cps_) cp->EngineProgressed();
}

void QueueManager::Reset() {
  holder_ = last_holder_ = -1;
  waiting_.fill(false);
  priorities_.fill(0);
  loses_completion_ = false;
  lost_completions_.clear();
  for (auto& cp : cps_) cp->Reset();
  InitializeRegisters();
}

}  // namespace openhpu::simulator
