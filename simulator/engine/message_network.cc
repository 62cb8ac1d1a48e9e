#include "simulator/engine/message_network.h"

#include <algorithm>
#include <utility>

#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

// Monitors can arm each other in a circle. A chain through all of them is not this long, and
// neither is one that takes an object from its greatest value to 0 with three payloads each time.
constexpr uint64_t kMonitorsInARow = uint64_t{1} << 18;

}  // namespace

MessageNetwork::MessageNetwork(sc_core::sc_module_name name, Environment& environment,
                               MessageTarget& target)
    : sc_module(name), environment_(environment), target_(target) {
  SC_METHOD(Run);
  sensitive << wake_;
  dont_initialize();
}

bool MessageNetwork::Later(const Entry& a, const Entry& b) {
  return a.message.at != b.message.at ? a.message.at > b.message.at : a.order > b.order;
}

void MessageNetwork::Post(Message message) {
  if (!environment_.timing.timed) {
    fifo_.push_back(std::move(message));
    if (!running_) wake_.notify();
    return;
  }
  NotifyAt(wake_, message.at);
  timed_.push_back({posted_++, std::move(message)});
  std::push_heap(timed_.begin(), timed_.end(), Later);
}

void MessageNetwork::Clear() {
  wake_.cancel();
  timed_.clear();
  fifo_.clear();
  fifo_head_ = 0;
  monitors_in_a_row_ = 0;
}

bool MessageNetwork::settled() const {
  return fifo_head_ == fifo_.size() && (timed_.empty() || timed_.front().message.at > Now());
}

uint32_t MessageNetwork::CountFrom(const Origin& origin) const {
  const auto same = [&origin](const Message& message) {
    return message.origin.queue == origin.queue && message.origin.lower == origin.lower &&
           (origin.lower || message.origin.stream == origin.stream);
  };
  uint32_t found = 0;
  for (const Entry& entry : timed_) found += same(entry.message) ? 1 : 0;
  for (size_t i = fifo_head_; i < fifo_.size(); ++i) found += same(fifo_[i]) ? 1 : 0;
  return found;
}

void MessageNetwork::Deliver(const Message& message) {
  monitors_in_a_row_ = message.from_monitor ? monitors_in_a_row_ + 1 : 0;
  if (monitors_in_a_row_ > kMonitorsInARow) {
    environment_.faults.Raise(hal::HealthEvent::Kind::kHang, message.origin,
                              "monitors set off each other without end");
    return;
  }
  target_.Deliver(message);
}

void MessageNetwork::Run() {
  // A delivery may post more.
  running_ = true;
  while (fifo_head_ < fifo_.size() && !environment_.faults.failed()) {
    const Message message = std::move(fifo_[fifo_head_++]);
    Deliver(message);
  }
  running_ = false;
  if (fifo_head_ == fifo_.size()) {
    fifo_.clear();
    fifo_head_ = 0;
  }
  const Picoseconds now = Now();
  while (!timed_.empty() && timed_.front().message.at <= now && !environment_.faults.failed()) {
    std::pop_heap(timed_.begin(), timed_.end(), Later);
    const Message message = std::move(timed_.back().message);
    timed_.pop_back();
    Deliver(message);
  }
  if (!timed_.empty() && !environment_.faults.failed()) NotifyAt(wake_, timed_.front().message.at);
}

}  // namespace openhpu::simulator
