// What goes wrong by order, where a program sees it beside events and results.
#include <algorithm>

#include "simulator/device_node/node_impl.h"

namespace openhpu::simulator {
namespace {

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
constexpr uint64_t kPicosecondsPerMicrosecond = 1000000;

}  // namespace

absl::Status Node::Inject(const InjectedFault& fault) {
  const Lock lock(mutex_);
  if (card_ == nullptr) return DeviceNode::Inject(fault);
  return card_->Inject(fault);
}

Picoseconds Node::host_time() {
  const Lock lock(mutex_);
  return card_ == nullptr ? Picoseconds(0) : card_->host_time();
}

void Node::LookForFaults() {
  if (context_ == nullptr || context_->dead) return;
  if (card_->expects_faults()) {
    card_->Look({}, hal::WaitFor::kAll);
  } else if (!card_->faulted()) {  // or a call that is not of the program's has met it
    return;
  }
  Note(*context_);
}

uint64_t Node::ClockMhz() {
  const uint64_t full = chip().mme().clock_mhz().value();
  return card_ == nullptr ? full : full * card_->clock().permille / 1000;
}

// Times stay after the end, and a duration that has not ended is until now (both recollected). All
// throttling is thermal.
hl_info_clk_throttle Node::Throttling() {
  hl_info_clk_throttle answer{};
  if (card_ == nullptr) return answer;
  const ClockThrottle clock = card_->clock();
  const bool now = clock.permille < 1000;
  if (!now && clock.until == clock.since) return answer;
  constexpr int kThermal = HL_CLK_THROTTLE_TYPE_THERMAL;
  if (now) answer.clk_throttling_reason = HL_CLK_THROTTLE_THERMAL;
  answer.clk_throttling_timestamp_us[kThermal] = clock.since.value() / kPicosecondsPerMicrosecond;
  const Picoseconds until = now ? std::max(card_->host_time(), clock.since) : clock.until;
  answer.clk_throttling_duration_ns[kThermal] =
      (until - clock.since).value() / kPicosecondsPerNanosecond;
  return answer;
}

}  // namespace openhpu::simulator
