#include "simulator/engine/fabric.h"

#include <algorithm>
#include <limits>

#include "hal/base/status_macros.h"
#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

constexpr size_t kDram = static_cast<size_t>(Region::kDram);
constexpr size_t kSram = static_cast<size_t>(Region::kSram);
constexpr size_t kHost = static_cast<size_t>(Region::kHost);
constexpr uint32_t kUnitWeight = 65536;
constexpr uint64_t kMostBytes = uint64_t{1} << 46;  // of one command

// How many bytes of a resource each byte of the flow moves, rounded up.
Demand DemandOn(ResourceId resource, uint64_t resource_bytes, uint64_t flow_bytes) {
  const unsigned __int128 weight =
      (static_cast<unsigned __int128>(resource_bytes) * kUnitWeight + flow_bytes - 1) / flow_bytes;
  return {resource, static_cast<uint32_t>(
                        std::min<unsigned __int128>(weight, std::numeric_limits<uint32_t>::max()))};
}

}  // namespace

Fabric::Fabric(sc_core::sc_module_name name, Environment& environment, const hal::Chip& chip)
    : sc_module(name),
      environment_(environment),
      line_bytes_(chip.address_map().cache_line_bytes().value()),
      turn_permille_(std::max<uint64_t>(1, chip.memory().hbm_read_write_turn_permille().value())),
      interleave_(std::max<uint64_t>(1, chip.memory().hbm_interleave_bytes().value())),
      channels_(std::clamp<uint64_t>(chip.memory().hbm_channels().value(), 1, 64)),
      hbm_bytes_per_second_(chip.memory().hbm_bytes_per_second().value()) {
  hbm_ = network_.AddResource(chip.memory().hbm_bytes_per_second().value());
  sram_ = network_.AddResource(chip.memory().sram_bytes_per_second().value());
  pcie_down_ = network_.AddResource(chip.memory().pcie_bytes_per_second().value());
  pcie_up_ = network_.AddResource(chip.memory().pcie_bytes_per_second().value());
  for (ResourceId& corner : corners_) {
    corner = network_.AddResource(chip.memory().noc_corner_bytes_per_second().value());
  }
  SC_METHOD(Run);
  sensitive << wake_;
  dont_initialize();
}

Fabric::Port Fabric::AddPort(uint64_t bytes_per_cycle, uint64_t clock_mhz, uint32_t index,
                             uint64_t efficiency_permille) {
  Port port;
  port.bytes_per_second = bytes_per_cycle * clock_mhz * 1000 * efficiency_permille;
  port.read = network_.AddResource(port.bytes_per_second);
  port.write = network_.AddResource(port.bytes_per_second);
  port.corner = corners_[index % corners_.size()];
  return port;
}

uint64_t Fabric::ChannelsOf(const AccessBox& box) const {
  const uint64_t all = channels_ == 64 ? ~uint64_t{0} : (uint64_t{1} << channels_) - 1;
  uint64_t touched = 0;
  std::array<uint64_t, 5> index{};
  // Patterns show soon: a bounded number of runs stands for all.
  constexpr int kRuns = 1024;
  uint64_t at = box.base.value();
  for (int run = 0; run < kRuns && touched != all; ++run) {
    const uint64_t last = std::min((at + box.run - 1) / interleave_, at / interleave_ + channels_);
    for (uint64_t piece = at / interleave_; piece <= last; ++piece) {
      touched |= uint64_t{1} << (piece % channels_);
    }
    size_t d = 0;
    for (; d < index.size(); ++d) {
      at += static_cast<uint64_t>(box.strides[d]);
      if (++index[d] < box.sizes[d]) break;
      at -= static_cast<uint64_t>(box.strides[d]) * box.sizes[d];
      index[d] = 0;
    }
    if (d == index.size()) break;
  }
  return touched;
}

absl::StatusOr<Traffic> Fabric::Measure(const std::vector<AccessBox>& boxes) const {
  Traffic traffic;
  for (const AccessBox& box : boxes) {
    if (box.run == 0) continue;
    ASSIGN_OR_RETURN(const Region region, environment_.memory->RegionOf(Begin(box)));
    const uint64_t bytes =
        region == Region::kHost ? Bytes(box) : Lines(box, line_bytes_) * line_bytes_;
    if (bytes > kMostBytes || traffic.bytes_read() + traffic.bytes_written() > kMostBytes) {
      return absl::InvalidArgumentError("a command that moves more than 2^46 bytes");
    }
    (box.write ? traffic.written : traffic.read)[static_cast<size_t>(region)] += bytes;
    if (region == Region::kDram) traffic.channels |= ChannelsOf(box);
  }
  return traffic;
}

Picoseconds Fabric::Latency(const Traffic& traffic) const {
  Picoseconds latency;
  const auto touched = [&](size_t region) {
    return traffic.read[region] + traffic.written[region] != 0;
  };
  if (touched(kDram)) latency = std::max(latency, environment_.timing.dram_latency);
  if (touched(kSram)) latency = std::max(latency, environment_.timing.sram_latency);
  if (touched(kHost)) latency = std::max(latency, environment_.timing.host_latency);
  return latency;
}

Fabric::Plan Fabric::MakePlan(const Port& port, const Traffic& traffic,
                              Picoseconds at_least) const {
  Plan plan;
  plan.traffic = traffic;
  const uint64_t read = traffic.bytes_read(), written = traffic.bytes_written();
  plan.bytes = read + written;
  if (plan.bytes == 0) return plan;
  const auto add = [&](ResourceId resource, uint64_t bytes) {
    if (bytes != 0) plan.demands.push_back(DemandOn(resource, bytes, plan.bytes));
  };
  uint64_t dram = traffic.read[kDram] + traffic.written[kDram];
  // Reads and writes in turn cost the channels their turnarounds.
  if (traffic.read[kDram] != 0 && traffic.written[kDram] != 0) dram = dram * 1000 / turn_permille_;
  if (dram != 0) {
    // A few channels are not faster than they are, whatever the others do.
    const uint64_t touched = static_cast<uint64_t>(__builtin_popcountll(traffic.channels));
    const unsigned __int128 time = static_cast<unsigned __int128>(dram) * 1000000000000u /
                                   hbm_bytes_per_second_ * channels_ /
                                   std::max<uint64_t>(1, touched);
    if (touched < channels_)
      at_least = std::max(at_least, Picoseconds(static_cast<uint64_t>(time)));
  }
  // The port as busy as the pace makes it.
  const uint64_t paced = static_cast<uint64_t>(static_cast<unsigned __int128>(at_least.value()) *
                                               port.bytes_per_second / 1000000000000u);
  if (read >= written) {
    add(port.read, std::max(read, paced));
    add(port.write, written);
  } else {
    add(port.read, read);
    add(port.write, std::max(written, paced));
  }
  add(port.corner, plan.bytes);
  add(hbm_, dram);
  add(sram_, traffic.read[kSram] + traffic.written[kSram]);
  add(pcie_down_, traffic.read[kHost]);
  add(pcie_up_, traffic.written[kHost]);
  return plan;
}

void Fabric::Start(const Plan& plan, FlowOwner* owner) {
  Count(plan.traffic);
  Add(plan.traffic, +1);
  active_.push_back({network_.Start(Now(), plan.bytes, plan.demands), owner, plan.traffic});
  // Several flows often start at one time: rates are shared out once, in Run().
  wake_.cancel();
  wake_.notify(sc_core::SC_ZERO_TIME);
}

void Fabric::Clear() {
  wake_.cancel();
  network_.Clear();
  for (const Active& flow : active_) Add(flow.traffic, -1);
  active_.clear();
}

void Fabric::Run() {
  if (environment_.faults.failed()) return;
  for (FlowId id : network_.Advance(Now())) {
    const auto flow = std::find_if(active_.begin(), active_.end(),
                                   [id](const Active& active) { return active.id == id; });
    OPENHPU_CHECK(flow != active_.end());
    FlowOwner* const owner = flow->owner;
    Add(flow->traffic, -1);
    active_.erase(flow);
    owner->FlowEnded();
  }
  Schedule();
}

void Fabric::Schedule() {
  Picoseconds end;
  if (!network_.NextEnd(&end)) return;
  wake_.cancel();
  NotifyAt(wake_, end);
}

void Fabric::Add(const Traffic& traffic, int sign) {
  const Picoseconds now = Now();
  for (size_t region = 0; region < users_.size(); ++region) {
    const uint64_t bytes = traffic.read[region] + traffic.written[region];
    if (bytes == 0) continue;
    if (sign > 0) {
      if (users_[region]++ == 0) busy_since_[region] = now;
      in_flight_[region] += bytes;
    } else {
      if (--users_[region] == 0) statistics_[region].busy += now - busy_since_[region];
      in_flight_[region] -= bytes;
    }
    if (environment_.trace != nullptr) {
      environment_.trace->Counter(tracks_[region], now, static_cast<int64_t>(in_flight_[region]));
    }
  }
}

void Fabric::Count(const Traffic& traffic) {
  for (size_t region = 0; region < users_.size(); ++region) {
    MemoryStatistics& s = statistics_[region];
    s.commands += traffic.read[region] + traffic.written[region] != 0;
    s.bytes_read += traffic.read[region];
    s.bytes_written += traffic.written[region];
  }
}

std::array<Fabric::MemoryStatistics, 3> Fabric::statistics() const {
  std::array<MemoryStatistics, 3> all = statistics_;
  for (size_t region = 0; region < users_.size(); ++region) {
    if (users_[region] != 0) all[region].busy += Now() - busy_since_[region];
  }
  return all;
}

void Fabric::ResetStatistics() {
  statistics_ = {};
  busy_since_.fill(Now());
}

void Fabric::SetTrace() {
  for (size_t region = 0; region < tracks_.size(); ++region) {
    tracks_[region] = environment_.trace->Track("memory", kMemoryNames[region]);
  }
}

}  // namespace openhpu::simulator
