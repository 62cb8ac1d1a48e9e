#include "simulator/engine/flow.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

using Wide = unsigned __int128;

constexpr Picoseconds kNever(std::numeric_limits<uint64_t>::max());
constexpr uint64_t kMaxBytes = uint64_t{1} << 48;
constexpr uint64_t kMaxCapacity = uint64_t{1} << 47;
constexpr uint64_t kMaxRate = uint64_t{1} << 56;
// 65536 / 10^12 (1/2^16 of a byte a picosecond, for a byte a second) in lowest terms.
constexpr uint64_t kNumerator = 16;
constexpr uint64_t kDenominator = 244140625;

// Most products fit in 64 bits, where division is several times cheaper.
uint64_t Divide(Wide a, Wide b) {
  if ((a >> 64) == 0 && (b >> 64) == 0) return static_cast<uint64_t>(a) / static_cast<uint64_t>(b);
  const Wide quotient = a / b;
  return (quotient >> 64) == 0 ? static_cast<uint64_t>(quotient) : kNever.value();
}

}  // namespace

ResourceId FlowNetwork::AddResource(uint64_t bytes_per_second) {
  OPENHPU_CHECK(bytes_per_second < kMaxCapacity);
  Resource resource;
  resource.capacity = bytes_per_second;
  resources_.push_back(resource);
  return static_cast<ResourceId>(resources_.size() - 1);
}

FlowId FlowNetwork::Start(Picoseconds now, uint64_t bytes, const std::vector<Demand>& demands) {
  OPENHPU_CHECK(bytes < kMaxBytes);
  MoveTo(now);
  const FlowId id = next_id_++;
  Flow flow;
  if (!spare_.empty()) {
    flow.demands = std::move(spare_.back());
    spare_.pop_back();
  }
  flow.demands.clear();
  for (const Demand& demand : demands) {
    OPENHPU_CHECK(demand.resource < resources_.size());
    if (demand.weight != 0) flow.demands.push_back(demand);
  }
  if (bytes == 0 || flow.demands.empty()) {
    spare_.push_back(std::move(flow.demands));
    ended_.push_back(id);
    return id;
  }
  flow.id = id;
  flow.left = bytes << 16;
  flow.since = now;
  flow.end = kNever;
  flows_.push_back(std::move(flow));
  stale_ = true;
  return id;
}

bool FlowNetwork::NextEnd(Picoseconds* when) {
  if (!ended_.empty()) {
    *when = now_;
    return true;
  }
  if (stale_) Share();
  if (flows_.empty() || next_end_ == kNever) return false;
  *when = next_end_;
  return true;
}

std::vector<FlowId> FlowNetwork::Advance(Picoseconds now) {
  MoveTo(now);
  if (ended_.empty()) return {};
  std::vector<FlowId> ended(ended_);
  ended_.clear();
  std::sort(ended.begin(), ended.end());
  return ended;
}

void FlowNetwork::Clear() {
  for (Flow& flow : flows_) {
    Settle(flow);
    spare_.push_back(std::move(flow.demands));
  }
  flows_.clear();
  ended_.clear();
  stale_ = false;
}

uint64_t FlowNetwork::Passed(ResourceId resource) const {
  Wide passed = resources_[resource].passed;
  for (const Flow& flow : flows_) {
    for (const Demand& demand : flow.demands) {
      if (demand.resource == resource) passed += Wide{Moved(flow, now_)} * demand.weight;
    }
  }
  return static_cast<uint64_t>(passed >> 32);
}

// What the flow has moved since its last settlement, rounded down; all of it at its end.
uint64_t FlowNetwork::Moved(const Flow& flow, Picoseconds now) {
  const Wide units = Wide{flow.rate} * (now - flow.since).value() * kNumerator;
  return std::min(flow.left, Divide(units, kDenominator));
}

// Rounded up, so that Moved() at that time is all there is.
Picoseconds FlowNetwork::End(const Flow& flow, Picoseconds now) {
  if (flow.rate == 0) return kNever;
  const Wide speed = Wide{flow.rate} * kNumerator;
  const uint64_t time = Divide(Wide{flow.left} * kDenominator + (speed - 1), speed);
  return time < kNever.value() - now.value() ? now + time : kNever;
}

void FlowNetwork::Settle(Flow& flow) {
  const uint64_t moved = Moved(flow, now_);
  for (const Demand& demand : flow.demands) {
    resources_[demand.resource].passed += Wide{moved} * demand.weight;
  }
  flow.left -= moved;
  flow.since = now_;
}

void FlowNetwork::SetRate(Flow& flow, uint64_t rate) {
  flow.shared = true;
  if (flow.rate == rate) return;
  Settle(flow);
  flow.rate = rate;
  flow.end = End(flow, now_);
}

void FlowNetwork::MoveTo(Picoseconds now) {
  OPENHPU_CHECK(now >= now_);
  // Rates change at each end on the way.
  while (true) {
    if (stale_ && now > now_) Share();
    if (stale_ || flows_.empty() || next_end_ > now || next_end_ == kNever) break;
    now_ = next_end_;
    size_t kept = 0;
    for (Flow& flow : flows_) {
      if (flow.end <= now_) {
        Settle(flow);
        ended_.push_back(flow.id);
        spare_.push_back(std::move(flow.demands));
      } else {
        if (&flow != &flows_[kept]) flows_[kept] = std::move(flow);
        ++kept;
      }
    }
    flows_.resize(kept);
    stale_ = true;
  }
  now_ = now;
}

// Progressive filling: the rate of all flows rises together until a resource is full; its flows
// stay at that rate, the others go on.
void FlowNetwork::Share() {
  stale_ = false;
  used_.clear();
  for (Flow& flow : flows_) {
    flow.shared = false;
    for (const Demand& demand : flow.demands) {
      Resource& resource = resources_[demand.resource];
      if (resource.load == 0) {
        used_.push_back(demand.resource);
        resource.free = resource.capacity << 16;
      }
      resource.load += demand.weight;
    }
  }
  size_t waiting = flows_.size();
  while (waiting > 0) {
    uint64_t level = kMaxRate;
    for (ResourceId id : used_) {
      Resource& resource = resources_[id];
      resource.level =
          resource.load == 0 ? kMaxRate : std::min(kMaxRate, resource.free / resource.load);
      level = std::min(level, resource.level);
    }
    for (Flow& flow : flows_) {
      if (flow.shared) continue;
      const auto full = [&](const Demand& d) { return resources_[d.resource].level <= level; };
      if (std::none_of(flow.demands.begin(), flow.demands.end(), full)) continue;
      uint64_t rate = level;
      if (rate == 0) {
        // A crowd on a slow resource still moves.
        const auto open = [&](const Demand& d) { return resources_[d.resource].capacity != 0; };
        rate = std::all_of(flow.demands.begin(), flow.demands.end(), open) ? 1 : 0;
      }
      for (const Demand& demand : flow.demands) {
        Resource& resource = resources_[demand.resource];
        resource.free -= std::min(resource.free, rate * demand.weight);
        resource.load -= demand.weight;
      }
      SetRate(flow, rate);
      --waiting;
    }
  }
  next_end_ = kNever;
  for (const Flow& flow : flows_) next_end_ = std::min(next_end_, flow.end);
}

}  // namespace openhpu::simulator
