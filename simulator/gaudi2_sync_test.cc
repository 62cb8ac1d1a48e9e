// What Gaudi2's sync managers have besides Gaudi's: long values, several payloads of a monitor, and
// completion queues. What sources leave open is as simulator/engine says.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

namespace abi2 = hal::abi::gaudi2;
namespace qman2 = hal::abi::gaudi2::qman;
namespace sm2 = hal::abi::gaudi2::sync_manager;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kManager = 1;  // the user's whole
constexpr uint32_t kSob = 6000, kMonitor = 1500, kQueue = 5;

template <typename Register>
uint64_t At(uint32_t index, int manager = kManager) {
  return abi2::SyncManagerObjsBase(manager) + Register::At(index);
}
uint32_t Arm(uint32_t sob, uint32_t watched, uint32_t value, bool equal = false) {
  return sm2::Watch(sm2::GroupOf(sob), watched, equal, value).arm;
}
uint32_t Config(uint32_t sob, uint32_t others = 0) {
  return sm2::Watch(sm2::GroupOf(sob), 0, false, 0).config | others;
}
constexpr uint32_t kLong = sm2::MON_CONFIG::LONG_SOB::Set(0, 1);
constexpr uint32_t kHighHalf = sm2::MON_CONFIG::LONG_HIGH_GROUP::Set(0, 1);
constexpr uint32_t kLongSob = sm2::SOB_OBJ::LONG_SOB::Set(0, 1);

// The manager by its registers.
class Gaudi2SyncManagerTest : public ::testing::TestWithParam<const char*> {
 protected:
  template <typename Register>
  void Set(uint32_t index, uint32_t value) {
    EXPECT_THAT(machine_.Write(At<Register>(index), value), IsOk());
    machine_.Run();
  }
  void Point(uint32_t monitor, uint64_t address, uint32_t data, uint32_t config) {
    Set<sm2::MON_PAY_ADDRL>(monitor, static_cast<uint32_t>(address));
    Set<sm2::MON_PAY_ADDRH>(monitor, static_cast<uint32_t>(address >> 32));
    Set<sm2::MON_PAY_DATA>(monitor, data);
    Set<sm2::MON_CONFIG>(monitor, config);
  }
  uint32_t Sob(uint32_t sob) { return machine_.Read(At<sm2::SOB_OBJ>(sob)); }
  std::vector<uint32_t> Parts(uint32_t sob) {
    return {Sob(sob), Sob(sob + 1), Sob(sob + 2), Sob(sob + 3)};
  }
  bool Armed(uint32_t monitor) {
    return sm2::MON_STATUS::VALID::Get(machine_.Read(At<sm2::MON_STATUS>(monitor))) != 0;
  }
  uint32_t Pending(uint32_t monitor) {
    return sm2::MON_STATUS::PENDING::Get(machine_.Read(At<sm2::MON_STATUS>(monitor)));
  }

  TestMachine machine_{GetParam()};
};

TEST_P(Gaudi2SyncManagerTest, LongAddsCarryThroughFourObjects) {
  Set<sm2::SOB_OBJ>(kSob, 0x7FFF);
  Set<sm2::SOB_OBJ>(kSob + 1, 0x7FFF);
  Set<sm2::SOB_OBJ>(kSob + 4, 7);
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(3) | kLongSob);
  EXPECT_THAT(Parts(kSob), ElementsAre(2, 0, 1, 0));
  // Without the bit an add stays in its object.
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(0x7FFF));
  EXPECT_THAT(Parts(kSob), ElementsAre(1, 0, 1, 0));
  // A set is of the whole value; the sum is modulo 2^60.
  Set<sm2::SOB_OBJ>(kSob, sm2::SobSet(9) | kLongSob);
  EXPECT_THAT(Parts(kSob), ElementsAre(9, 0, 0, 0));
  for (uint32_t i = 0; i < 4; ++i) Set<sm2::SOB_OBJ>(kSob + i, 0x7FFF);
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(1) | kLongSob);
  EXPECT_THAT(Parts(kSob), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(Sob(kSob + 4), 7u);
  EXPECT_EQ(machine_.error(), "");
}

TEST_P(Gaudi2SyncManagerTest, ALongValueBeginsAtEveryFourthObject) {
  Set<sm2::SOB_OBJ>(kSob + 1, sm2::SobAdd(1) | kLongSob);
  EXPECT_THAT(machine_.error(),
              AllOf(HasSubstr("SOB 6001 of DCORE1"), HasSubstr("LONG_SOB begins at every fourth")));
}

TEST_P(Gaudi2SyncManagerTest, AMonitorOfALongValueComparesAllThatItsFourHold) {
  // Object 9 counts how often it fired. The target is 3 * 2^45 + 1 * 2^15 + 2.
  for (uint32_t i = 0; i < 4; ++i) Point(kMonitor + i, At<sm2::SOB_OBJ>(9), sm2::SobAdd(1), kLong);
  Set<sm2::MON_CONFIG>(kMonitor, Config(kSob, kLong));
  Set<sm2::MON_ARM>(kMonitor + 3, Arm(0, 0, 3));
  Set<sm2::MON_ARM>(kMonitor + 2, Arm(0, 0, 0));
  Set<sm2::MON_ARM>(kMonitor + 1, Arm(0, 0, 1));
  EXPECT_FALSE(Armed(kMonitor + 1));
  EXPECT_EQ(Sob(9), 0u);  // nothing is watched there, and yet it did not fire
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x1, 2));
  EXPECT_EQ(Pending(kMonitor), 0x1u);
  Set<sm2::SOB_OBJ>(kSob + 3, 3);
  Set<sm2::SOB_OBJ>(kSob, 0x7FFF);
  Set<sm2::SOB_OBJ>(kSob + 4, 0x7FFF);
  EXPECT_TRUE(Armed(kMonitor));
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(2) | kLongSob);  // 3 * 2^45 + 2^15 + 1
  EXPECT_TRUE(Armed(kMonitor));
  EXPECT_EQ(Sob(9), 0u);
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(1) | kLongSob);
  EXPECT_FALSE(Armed(kMonitor));
  EXPECT_EQ(Sob(9), 1u);
}

TEST_P(Gaudi2SyncManagerTest, TheHighHalfOfAGroupIsAnotherLongValue) {
  Point(kMonitor, At<sm2::SOB_OBJ>(9), sm2::SobAdd(1), Config(kSob, kLong | kHighHalf));
  // An old target behind it counts only by its own CONFIG.
  Set<sm2::MON_ARM>(kMonitor + 1, Arm(kSob, 0x1, 77));
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0xFF, 5, true));
  EXPECT_EQ(Pending(kMonitor), 0x10u);
  Set<sm2::SOB_OBJ>(kSob, 5);
  Set<sm2::SOB_OBJ>(kSob + 4, sm2::SobAdd(6) | kLongSob);  // not equal
  EXPECT_EQ(Sob(9), 0u);
  Set<sm2::SOB_OBJ>(kSob + 4, 5);
  EXPECT_EQ(Sob(9), 1u);
  // A mask without its first object's bit watches nothing.
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x0F, 900));
  EXPECT_EQ(Sob(9), 2u);
}

TEST_P(Gaudi2SyncManagerTest, AMonitorWritesThePayloadsOfThoseBehindIt) {
  for (uint32_t i = 0; i < 4; ++i) {
    Point(kMonitor + i, At<sm2::SOB_OBJ>(16 + i), sm2::SobAdd(10 + i), Config(kSob));
  }
  for (uint32_t more = 0; more < 4; ++more) {
    Set<sm2::MON_CONFIG>(kMonitor, Config(kSob, sm2::MON_CONFIG::WR_NUM::Set(0, more)));
    Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x1, 1));
    Set<sm2::SOB_OBJ>(kSob, 1);
    Set<sm2::SOB_OBJ>(kSob, 0);
  }
  EXPECT_THAT(Parts(16), ElementsAre(40, 33, 24, 13));
}

TEST_P(Gaudi2SyncManagerTest, AChainMayCountDownAndArmItselfAgain) {
  // What serves one interrupt for each increment: takes one, arms itself, counts in object 9.
  Point(kMonitor, At<sm2::SOB_OBJ>(kSob), sm2::SobAdd(0x7FFF),
        Config(kSob, sm2::MON_CONFIG::WR_NUM::Set(0, 2)));
  const uint32_t arm = Arm(kSob, 0x1, 1);
  Point(kMonitor + 1, At<sm2::MON_ARM>(kMonitor), arm, 0);
  Point(kMonitor + 2, At<sm2::SOB_OBJ>(9), sm2::SobAdd(1), 0);
  Set<sm2::MON_ARM>(kMonitor, arm);
  Set<sm2::SOB_OBJ>(kSob, sm2::SobAdd(3));
  EXPECT_EQ(Sob(9), 3u);
  EXPECT_EQ(Sob(kSob), 0u);
  EXPECT_TRUE(Armed(kMonitor));
}

TEST_P(Gaudi2SyncManagerTest, ThereIsNoMonitorBehindTheLast) {
  Point(sm2::kNumMonitors - 2, At<sm2::SOB_OBJ>(9), 1,
        Config(kSob, sm2::MON_CONFIG::WR_NUM::Set(0, 1)));
  Set<sm2::MON_ARM>(sm2::kNumMonitors - 2, Arm(kSob, 0x1, 1));
  EXPECT_EQ(machine_.error(), "");
  Set<sm2::MON_CONFIG>(sm2::kNumMonitors - 2, Config(kSob, sm2::MON_CONFIG::WR_NUM::Set(0, 2)));
  Set<sm2::MON_ARM>(sm2::kNumMonitors - 2, Arm(kSob, 0x1, 1));
  EXPECT_THAT(machine_.error(), AllOf(HasSubstr("monitor 2046 armed with 2 behind it"),
                                      HasSubstr("has 2048 monitors")));
}

TEST_P(Gaudi2SyncManagerTest, ModesWithoutAMeaningAreRefusedByName) {
  Set<sm2::MON_CONFIG>(kMonitor, sm2::MON_CONFIG::LBW_EN::Set(0, 1));
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x1, 1));
  EXPECT_THAT(machine_.error(), HasSubstr("LBW_EN without CQ_EN"));
  machine_.Reset();
  Set<sm2::MON_CONFIG>(kMonitor, kHighHalf);
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x1, 1));
  EXPECT_THAT(machine_.error(), HasSubstr("LONG_HIGH_GROUP without LONG_SOB"));
  machine_.Reset();
  // Of one behind the armed one, when it is to write.
  Point(kMonitor, At<sm2::SOB_OBJ>(9), 1, Config(kSob, sm2::MON_CONFIG::WR_NUM::Set(0, 1)));
  Point(kMonitor + 1, At<sm2::SOB_OBJ>(10), 1, sm2::MON_CONFIG::LBW_EN::Set(0, 1));
  Set<sm2::MON_ARM>(kMonitor, Arm(kSob, 0x1, 1));
  EXPECT_EQ(machine_.error(), "");
  Set<sm2::SOB_OBJ>(kSob, 1);
  EXPECT_THAT(machine_.error(), AllOf(HasSubstr("monitor 1501"), HasSubstr("without CQ_EN")));
}

TEST(SmallGaudi2SyncManagerTest, ALongValuesMonitorsAreAllThere) {
  TestMachine machine("sim:gaudi2,sync.monitors=1502");
  EXPECT_THAT(machine.Write(At<sm2::MON_CONFIG>(kMonitor), kLong), IsOk());
  EXPECT_THAT(machine.Write(At<sm2::MON_ARM>(kMonitor), Arm(0, 0xFF, 1)), IsOk());
  machine.Run();
  EXPECT_THAT(machine.error(), HasSubstr("monitor 1500 armed with 3 behind it, sync manager DCORE1 "
                                         "has 1502 monitors"));
}

INSTANTIATE_TEST_SUITE_P(Modes, Gaudi2SyncManagerTest,
                         ::testing::Values("sim:gaudi2", "sim:gaudi2,mode=functional",
                                           "sim:gaudi2,hazards=on"));

// As a user has it, by messages of a queue: completion queues are described and filled by them.
class Gaudi2SyncMessagesTest : public ::testing::TestWithParam<const char*> {
 protected:
  static Packets& Send(Packets& packets, uint64_t address, uint32_t value) {
    abi2::PacketMsgLong packet;
    packet.ctl = abi2::Ctl::MSG_BARRIER::Set(packet.ctl, 1);
    packet.addr = address;
    packet.value = value;
    return packets.Add(packet);
  }
  template <typename Register>
  static void Set(Packets& packets, uint32_t index, uint32_t value, int manager = kManager) {
    Send(packets, At<Register>(index, manager), value);
  }
  static void Describe(Packets& packets, uint64_t base, uint32_t size_log2, uint64_t interrupt) {
    Set<sm2::CQ_BASE_ADDR_L>(packets, kQueue, static_cast<uint32_t>(base));
    Set<sm2::CQ_BASE_ADDR_H>(packets, kQueue, static_cast<uint32_t>(base >> 32));
    Set<sm2::CQ_SIZE_LOG2>(packets, kQueue, size_log2);
    Set<sm2::LBW_ADDR_L>(packets, kQueue, static_cast<uint32_t>(interrupt));
    Set<sm2::LBW_ADDR_H>(packets, kQueue, static_cast<uint32_t>(interrupt >> 32));
    Set<sm2::LBW_DATA>(packets, kQueue, 1);
  }
  // A monitor that watches nothing, and so writes its payload when it is armed.
  static void Add(Packets& packets, uint32_t payload, bool interrupt, uint32_t queue = kQueue,
                  int manager = kManager) {
    Set<sm2::MON_PAY_ADDRL>(packets, kMonitor, queue, manager);
    Set<sm2::MON_PAY_DATA>(packets, kMonitor, payload, manager);
    Set<sm2::MON_CONFIG>(packets, kMonitor, sm2::ToCompletionQueue(0, interrupt), manager);
    Set<sm2::MON_ARM>(packets, kMonitor, Arm(0, 0, 0), manager);
  }
  static uint64_t Fence() { return abi2::PdmaQmanBase(0) + qman2::CpFenceRdata(1, 0); }
  static void AwaitInterrupts(Packets& packets, uint32_t count) {
    abi2::PacketFence fence;
    fence.cfg = abi2::PacketFence::ID::Set(fence.cfg, 1);
    fence.cfg = abi2::PacketFence::TARGET_VAL::Set(fence.cfg, count);
    fence.cfg = abi2::PacketFence::DEC_VAL::Set(fence.cfg, count);
    packets.Add(fence);
  }
  absl::Status Run(const Packets& packets) {
    return card_.Run({card_.External(abi2::PdmaQueue(0, 0), packets)});
  }

  TestCard card_{GetParam()};
};

TEST_P(Gaudi2SyncMessagesTest, WhatAStuckQueueWaitsForIsToldWithItsLongValue) {
  Packets packets;
  Set<sm2::MON_PAY_ADDRL>(packets, kMonitor, static_cast<uint32_t>(Fence()));
  Set<sm2::MON_PAY_ADDRH>(packets, kMonitor, static_cast<uint32_t>(Fence() >> 32));
  Set<sm2::MON_CONFIG>(packets, kMonitor, Config(kSob, kLong));
  Set<sm2::MON_CONFIG>(packets, kMonitor + 1, kLong);
  Set<sm2::MON_ARM>(packets, kMonitor + 1, Arm(0, 0, 2));
  Set<sm2::MON_ARM>(packets, kMonitor, Arm(kSob, 0x1, 1));
  Set<sm2::SOB_OBJ>(packets, kSob + 1, 1);
  AwaitInterrupts(packets, 1);
  EXPECT_THAT(Run(packets),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("long SOB 6000 >= 65537 (is 32768)")));
}

TEST_P(Gaudi2SyncMessagesTest, PayloadsGoRoundTheRing) {
  const DeviceAddress ring = card_.Upload(std::vector<uint32_t>(6, 9));
  Packets packets;
  Describe(packets, ring.value(), 4, Fence());  // four words
  for (uint32_t i = 0; i < 6; ++i) Add(packets, 100 + i, true);
  AwaitInterrupts(packets, 6);
  EXPECT_THAT(Run(packets), IsOk());
  EXPECT_THAT(card_.ReadAll<uint32_t>(ring, 6), ElementsAre(104, 105, 102, 103, 9, 9));
}

TEST_P(Gaudi2SyncMessagesTest, ARingMayLieInTheHostsMemory) {
  std::vector<uint32_t> ring(1024);
  const absl::StatusOr<DeviceAddress> mapped = card_->MapHost(ring.data(), ring.size() * 4);
  ASSERT_THAT(mapped, IsOk());
  Packets packets;
  Describe(packets, mapped->value(), 12, Fence());
  for (uint32_t i = 0; i < 3; ++i) Add(packets, 7 + i, true);
  AwaitInterrupts(packets, 3);
  EXPECT_THAT(Run(packets), IsOk());
  ring.resize(4);
  EXPECT_THAT(ring, ElementsAre(7, 8, 9, 0));
  EXPECT_THAT(card_->UnmapHost(*mapped), IsOk());
}

TEST_P(Gaudi2SyncMessagesTest, AQueueThatCountsWritesItsCount) {
  const DeviceAddress ring = card_.Upload(std::vector<uint32_t>(2, 9));
  Packets packets;
  Describe(packets, ring.value(), 3, Fence());
  Set<sm2::CQ_INC_MODE>(packets, kQueue, 1);
  Set<sm2::CQ_PI>(packets, kQueue, 40);
  for (uint32_t i = 0; i < 5; ++i) Add(packets, 100 + i, true);
  AwaitInterrupts(packets, 5);
  EXPECT_THAT(Run(packets), IsOk());
  EXPECT_THAT(card_.ReadAll<uint32_t>(ring, 2), ElementsAre(45, 9));
}

TEST_P(Gaudi2SyncMessagesTest, AQueueThatNobodyDescribedIsAPageFault) {
  Packets packets;
  Add(packets, 1, false);
  AwaitInterrupts(packets, 1);
  EXPECT_THAT(Run(packets), StatusIs(absl::StatusCode::kAborted,
                                     AllOf(HasSubstr("PDMA0 stream 0"), HasSubstr("message"))));
}

TEST_P(Gaudi2SyncMessagesTest, TheKernelDriversQueuesAreNotTheUsers) {
  const auto refused = [&](const Packets& packets, const char* what) {
    Packets more = packets;
    AwaitInterrupts(more, 1);  // so that the message is seen before the end
    EXPECT_THAT(Run(more), StatusIs(absl::StatusCode::kAborted, HasSubstr(what)));
    EXPECT_THAT(card_->Reset(), IsOk());
  };
  Packets packets;
  Set<sm2::CQ_PI>(packets, 1, 0, 0);
  refused(packets, "completion queue 1 of sync manager DCORE0, which is the kernel driver's");
  packets = Packets();
  Add(packets, 1, false, 1, 0);
  refused(packets, "completion queue 1 of sync manager DCORE0, which is the kernel driver's");
  packets = Packets();
  Add(packets, 1, false, sm2::kNumCqs);
  refused(packets, "completion queue 64 of sync manager DCORE1, which has 64");
  packets = Packets();
  Set<sm2::CQ_SEC>(packets, kQueue, 1);
  refused(packets, "global registers of sync manager DCORE1");
  packets = Packets();
  Set<sm2::SM_SEI_MASK>(packets, 0, 1);
  refused(packets, "global registers of sync manager DCORE1");
}

INSTANTIATE_TEST_SUITE_P(Modes, Gaudi2SyncMessagesTest,
                         ::testing::Values("sim:gaudi2", "sim:gaudi2,mode=functional",
                                           "sim:gaudi2,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
