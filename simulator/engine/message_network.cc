#include "simulator/engine/message_network.h"

#include <algorithm>
#include <utility>

#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {

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
}

void MessageNetwork::Run() {
  // A delivery may post more.
  running_ = true;
  while (fifo_head_ < fifo_.size() && !environment_.faults.failed()) {
    const Message message = std::move(fifo_[fifo_head_++]);
    target_.Deliver(message);
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
    target_.Deliver(message);
  }
  if (!timed_.empty() && !environment_.faults.failed()) NotifyAt(wake_, timed_.front().message.at);
}

}  // namespace openhpu::simulator
