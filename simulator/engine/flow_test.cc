#include "simulator/engine/flow.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openhpu::simulator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kGiga = 1000000000;

// 1 byte at 1 GB/s takes 1000 ps.
constexpr Picoseconds Ns(uint64_t ns) { return Picoseconds(ns * 1000); }

// Runs until nothing moves; when each flow ended.
std::map<FlowId, uint64_t> RunToEnd(FlowNetwork& network) {
  std::map<FlowId, uint64_t> ends;
  Picoseconds when;
  while (network.NextEnd(&when)) {
    const std::vector<FlowId> ended = network.Advance(when);
    EXPECT_FALSE(ended.empty()) << "nothing ended at " << when;
    if (ended.empty()) break;
    for (FlowId id : ended) ends[id] = when.value();
  }
  return ends;
}

TEST(FlowNetwork, AFlowAloneHasTheWholeCapacity) {
  FlowNetwork network;
  const ResourceId link = network.AddResource(kGiga);
  const FlowId flow = network.Start(Ns(5), 100, {{link}});
  Picoseconds when;
  ASSERT_TRUE(network.NextEnd(&when));
  EXPECT_EQ(when, Ns(105));
  EXPECT_THAT(network.Advance(Ns(104)), IsEmpty());
  EXPECT_EQ(network.Passed(link), 99u);
  EXPECT_THAT(network.Advance(Ns(105)), ElementsAre(flow));
  EXPECT_EQ(network.Passed(link), 100u);
  EXPECT_EQ(network.active(), 0u);
  EXPECT_FALSE(network.NextEnd(&when));
}

TEST(FlowNetwork, FlowsOnOneResourceShareItEqually) {
  FlowNetwork network;
  const ResourceId link = network.AddResource(kGiga);
  const FlowId small = network.Start(Ns(0), 100, {{link}});
  const FlowId large = network.Start(Ns(0), 300, {{link}});
  // Both at 0.5 GB/s for 200 ns; then the large one alone.
  const std::map<FlowId, uint64_t> ends = RunToEnd(network);
  EXPECT_EQ(ends.at(small), 200000u);
  EXPECT_EQ(ends.at(large), 400000u);
  EXPECT_EQ(network.Passed(link), 400u);
}

TEST(FlowNetwork, AWeightScalesTheLoadOnAResource) {
  FlowNetwork network;
  const ResourceId memory = network.AddResource(kGiga);
  // An efficiency of one half: twice the load.
  const FlowId half = network.Start(Ns(0), 100, {{memory, 2 * 65536}});
  EXPECT_EQ(RunToEnd(network).at(half), 200000u);
  EXPECT_EQ(network.Passed(memory), 200u);
  // Rates, not loads, are equal: 3 weights share the resource, each flow gets a third of it.
  const FlowId heavy = network.Start(Ns(1000), 100, {{memory, 2 * 65536}});
  const FlowId light = network.Start(Ns(1000), 100, {{memory, 65536}});
  const std::map<FlowId, uint64_t> ends = RunToEnd(network);
  EXPECT_NEAR(ends.at(heavy), 1300000, 2);
  EXPECT_NEAR(ends.at(light), 1300000, 2);
}

TEST(FlowNetwork, DemandsOnOneResourceAdd) {
  FlowNetwork network;
  const ResourceId memory = network.AddResource(kGiga);
  const FlowId flow = network.Start(Ns(0), 100, {{memory}, {memory}});
  EXPECT_EQ(RunToEnd(network).at(flow), 200000u);
  EXPECT_EQ(network.Passed(memory), 200u);
}

TEST(FlowNetwork, WhatABottleneckLeavesGoesToOthers) {
  FlowNetwork network;
  const ResourceId wide = network.AddResource(10 * kGiga);
  const ResourceId narrow = network.AddResource(kGiga);
  const ResourceId middle = network.AddResource(4 * kGiga);
  // narrow holds two flows at 0.5; middle one of them and a third at 3.5; wide the third and a
  // fourth at 10 - 3.5 = 6.5.
  const FlowId a = network.Start(Ns(0), 500, {{narrow}});
  const FlowId b = network.Start(Ns(0), 500, {{narrow}, {middle}});
  const FlowId c = network.Start(Ns(0), 3500, {{middle}, {wide}});
  const FlowId d = network.Start(Ns(0), 6500, {{wide}});
  const std::map<FlowId, uint64_t> ends = RunToEnd(network);
  EXPECT_EQ(ends.at(a), 1000000u);
  EXPECT_EQ(ends.at(b), 1000000u);
  EXPECT_EQ(ends.at(c), 1000000u);
  EXPECT_EQ(ends.at(d), 1000000u);
}

TEST(FlowNetwork, FlowsThatEndTogetherAreTakenInOrderOfId) {
  FlowNetwork network;
  const ResourceId link = network.AddResource(kGiga);
  std::vector<FlowId> started;
  for (int i = 0; i < 5; ++i) started.push_back(network.Start(Ns(0), 100, {{link}}));
  Picoseconds when;
  ASSERT_TRUE(network.NextEnd(&when));
  EXPECT_EQ(network.Advance(when), started);
  EXPECT_TRUE(std::is_sorted(started.begin(), started.end()));
}

TEST(FlowNetwork, AFlowWithoutBytesOrDemandEndsAtOnce) {
  FlowNetwork network;
  const ResourceId link = network.AddResource(kGiga);
  const FlowId busy = network.Start(Ns(0), 100, {{link}});
  const FlowId no_bytes = network.Start(Ns(10), 0, {{link}});
  const FlowId no_demand = network.Start(Ns(10), 100, {});
  const FlowId no_weight = network.Start(Ns(10), 100, {{link, 0}});
  EXPECT_EQ(network.active(), 4u);
  Picoseconds when;
  ASSERT_TRUE(network.NextEnd(&when));
  EXPECT_EQ(when, Ns(10));
  EXPECT_THAT(network.Advance(when), ElementsAre(no_bytes, no_demand, no_weight));
  EXPECT_EQ(RunToEnd(network).at(busy), 100000u);
  EXPECT_EQ(network.Passed(link), 100u);
}

TEST(FlowNetwork, AnEmptyNetworkHasNoEnd) {
  FlowNetwork network;
  Picoseconds when;
  EXPECT_FALSE(network.NextEnd(&when));
  EXPECT_THAT(network.Advance(Ns(10)), IsEmpty());
}

TEST(FlowNetwork, NothingPassesAResourceWithoutCapacity) {
  FlowNetwork network;
  const ResourceId dead = network.AddResource(0);
  const ResourceId link = network.AddResource(kGiga);
  network.Start(Ns(0), 1, {{dead}, {link}});
  Picoseconds when;
  EXPECT_FALSE(network.NextEnd(&when));
  const FlowId other = network.Start(Ns(0), 100, {{link}});
  ASSERT_TRUE(network.NextEnd(&when));
  EXPECT_EQ(when, Ns(100));
  EXPECT_THAT(network.Advance(Ns(100)), ElementsAre(other));
  EXPECT_FALSE(network.NextEnd(&when));
  EXPECT_EQ(network.active(), 1u);
}

TEST(FlowNetwork, ClearForgetsFlowsAndKeepsWhatHasPassed) {
  FlowNetwork network;
  const ResourceId link = network.AddResource(kGiga);
  const FlowId first = network.Start(Ns(0), 100, {{link}});
  network.Advance(Ns(40));
  network.Clear();
  Picoseconds when;
  EXPECT_FALSE(network.NextEnd(&when));
  EXPECT_EQ(network.active(), 0u);
  EXPECT_EQ(network.Passed(link), 40u);
  const FlowId second = network.Start(Ns(50), 100, {{link}});
  EXPECT_GT(second, first);
  EXPECT_EQ(RunToEnd(network).at(second), 150000u);
}

TEST(FlowNetwork, AnExtremeFlowNeitherOverflowsNorStops) {
  FlowNetwork network;
  const ResourceId slow = network.AddResource(1);
  const ResourceId fast = network.AddResource((uint64_t{1} << 47) - 1);
  const uint64_t large = (uint64_t{1} << 48) - 1;
  const FlowId flow = network.Start(Ns(0), large, {{fast}});
  Picoseconds when;
  ASSERT_TRUE(network.NextEnd(&when));
  EXPECT_NEAR(static_cast<double>(when.value()), 2e12, 1e3);
  EXPECT_THAT(network.Advance(when), ElementsAre(flow));
  EXPECT_EQ(network.Passed(fast), large);
  // At 1 B/s this takes longer than time lasts.
  network.Start(when, large, {{slow}});
  EXPECT_FALSE(network.NextEnd(&when));
  // A crowd on a slow resource still moves, if slower than its share would be.
  network.Clear();
  for (int i = 0; i < 3; ++i) network.Start(Picoseconds(3000000000000), 2, {{slow}});
  EXPECT_EQ(RunToEnd(network).size(), 3u);
}

TEST(FlowNetwork, AFractionOfAByteCostsMoreThanNoTime) {
  FlowNetwork network;
  const ResourceId fast = network.AddResource((uint64_t{1} << 47) - 1);
  const FlowId flow = network.Start(Ns(0), 1, {{fast, 1}});
  EXPECT_EQ(RunToEnd(network).at(flow), 1u);
}

// A machine like the real one: ports, corners, SRAM, channels.
struct Machine {
  explicit Machine(FlowNetwork& network) {
    for (int i = 0; i < 15; ++i) ports.push_back(network.AddResource((64 + i) * 1900000000ull));
    for (int i = 0; i < 4; ++i) corners.push_back(network.AddResource(768 * kGiga));
    sram = network.AddResource(1122060206080);
    for (int i = 0; i < 32; ++i) channels.push_back(network.AddResource(1020054732800 / 32));
  }
  std::vector<ResourceId> ports, corners, channels;
  ResourceId sram;
};

struct Transfer {
  uint64_t start;
  uint64_t bytes;
  std::vector<Demand> demands;
};

std::vector<Transfer> RandomTransfers(const Machine& machine, uint32_t seed, int count) {
  std::mt19937 random(seed);
  std::vector<Transfer> transfers;
  uint64_t start = 0;
  for (int i = 0; i < count; ++i) {
    Transfer transfer;
    start += random() % 2000000;
    transfer.start = start;
    transfer.bytes = 4096 + random() % (1 << 21);
    transfer.demands = {{machine.ports[random() % 15]}, {machine.corners[random() % 4]}};
    if (random() % 2 != 0) {
      transfer.demands.push_back({machine.sram});
    } else {
      const uint32_t used = 1 + random() % 32;
      for (uint32_t c = 0; c < used; ++c) {
        transfer.demands.push_back({machine.channels[c], 65536 / used + 1});
      }
    }
    transfers.push_back(std::move(transfer));
  }
  return transfers;
}

// Each transfer as `parts` flows, one after the other or all at once. When the last one ended, and
// a hash of all ends.
std::pair<uint64_t, uint64_t> Play(const std::vector<Transfer>& transfers, FlowNetwork& network,
                                   int parts, bool together) {
  std::map<FlowId, std::pair<size_t, int>> running;  // transfer and part
  uint64_t last = 0;
  uint64_t hash = 0;
  const auto start = [&](Picoseconds now, size_t i, int part) {
    const uint64_t bytes = transfers[i].bytes;
    const uint64_t share = bytes * (part + 1) / parts - bytes * part / parts;
    running[network.Start(now, share, transfers[i].demands)] = {i, part};
  };
  size_t next = 0;
  while (true) {
    Picoseconds when;
    const bool moving = network.NextEnd(&when);
    if (next < transfers.size() && (!moving || transfers[next].start < when.value())) {
      const Picoseconds now(transfers[next].start);
      for (int part = 0; part < (together ? parts : 1); ++part) start(now, next, part);
      ++next;
      continue;
    }
    if (!moving) break;
    for (FlowId id : network.Advance(when)) {
      const auto [i, part] = running.at(id);
      running.erase(id);
      if (!together && part + 1 < parts) start(when, i, part + 1);
      hash = hash * 1000003 + id * 31 + when.value();
      last = when.value();
    }
  }
  EXPECT_EQ(network.active(), 0u);
  return {last, hash};
}

TEST(FlowNetwork, SplittingEveryTransferInTwoChangesTheTotalByAtMostAHalfPercent) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    uint64_t total[3];
    for (int variant = 0; variant < 3; ++variant) {
      FlowNetwork network;
      const Machine machine(network);
      const std::vector<Transfer> transfers = RandomTransfers(machine, seed, 200);
      total[variant] = Play(transfers, network, variant == 0 ? 1 : 2, variant == 2).first;
    }
    EXPECT_NEAR(total[1], total[0], total[0] * 0.005) << "one after the other, seed " << seed;
    EXPECT_NEAR(total[2], total[0], total[0] * 0.005) << "at once, seed " << seed;
  }
}

TEST(FlowNetwork, TheSameTransfersEndAtTheSameTimes) {
  std::pair<uint64_t, uint64_t> first;
  for (int run = 0; run < 3; ++run) {
    FlowNetwork network;
    const Machine machine(network);
    const auto result = Play(RandomTransfers(machine, 7, 300), network, 1, false);
    if (run == 0) first = result;
    EXPECT_EQ(result, first);
  }
}

TEST(FlowNetwork, AllBytesPassAndNoResourceIsOverused) {
  FlowNetwork network;
  const Machine machine(network);
  const std::vector<Transfer> transfers = RandomTransfers(machine, 3, 300);
  const uint64_t last = Play(transfers, network, 1, false).first;
  std::map<ResourceId, uint64_t> expected;  // in 1/2^16 of a byte
  for (const Transfer& transfer : transfers) {
    for (const Demand& demand : transfer.demands) {
      expected[demand.resource] += transfer.bytes * demand.weight;
    }
  }
  for (const auto& [resource, bytes] : expected) {
    EXPECT_EQ(network.Passed(resource), bytes >> 16) << resource;
  }
  EXPECT_LE(network.Passed(machine.sram), static_cast<double>(last) * 1.12206021);
}

TEST(FlowNetwork, WhenTheCallerLooksDoesNotMatter) {
  uint64_t ends[2];
  for (int looking = 0; looking < 2; ++looking) {
    FlowNetwork network;
    const ResourceId link = network.AddResource(3 * kGiga);
    const FlowId a = network.Start(Ns(0), 1000, {{link}});
    network.Start(Ns(1), 700, {{link}});
    for (uint64_t at = 1000; looking && at < 300000; at += 777) network.Advance(Picoseconds(at));
    ends[looking] = RunToEnd(network).at(a);
  }
  EXPECT_EQ(ends[0], ends[1]);
}

}  // namespace
}  // namespace openhpu::simulator
