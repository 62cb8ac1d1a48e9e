// What single packets do, on internal queues where all of them are allowed.
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;
namespace sm = abi::sync_manager;

constexpr uint32_t kBarrier = abi::Ctl::MSG_BARRIER::kMask;

class PacketsTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Runs it on an upper CP of TPC 0, stream 1, until SOB 8 is `count`.
  absl::Status Run(const Packets& packets, uint32_t count = 1) {
    Packets end;
    end.Await(8, count, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
    return card_.Run(
        {card_.Internal(abi::TpcQueue(0, 1), packets), card_.External(abi::DmaQueue(0, 0), end)});
  }
  static constexpr uint64_t kQman = abi::TpcQmanBase(0);

  TestCard card_{GetParam()};
};

TEST_P(PacketsTest, AMonitorWatchesAllThatItsMaskLeaves) {
  Packets packets;
  uint32_t arm = sm::MON_ARM::SID::Set(0, 2);
  arm = sm::MON_ARM::MASK::Set(arm, 0xFF & ~0x85u);  // SOBs 16, 18 and 23
  arm = sm::MON_ARM::SOD::Set(arm, 2);
  packets.Monitor(4, kQman, 1).Arm(4, arm).AddSob(16, 2).AddSob(17, 0).AddSob(18, 5);
  EXPECT_THAT(Run(Packets(packets).Fence().AddSob(8)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("SOB 23 >= 2 (is 0)")));
  ASSERT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(Run(packets.AddSob(23, 1).AddSob(23, 1).Fence().AddSob(8)), IsOk());
}

TEST_P(PacketsTest, AMonitorFiresOnceForEachArming) {
  Packets packets;
  packets.Monitor(4, kQman, 1, 1, 3).Sob(16, 1).Arm(4, sm::ArmAtLeast(16, 1)).AddSob(16).AddSob(16);
  // Three of its payload, and no more.
  packets.Fence(3, 3, 1);
  EXPECT_THAT(Run(Packets(packets).Fence(1, 1, 1).AddSob(8)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("FENCE 1 is 0, needs 1")));
  ASSERT_THAT(card_->Reset(), IsOk());
  packets.Arm(4, sm::ArmAtLeast(16, 1)).Fence(2, 1, 1).Fence(2, 2, 1).AddSob(8);
  EXPECT_THAT(Run(packets), IsOk());
}

TEST_P(PacketsTest, EqualIsNotAtLeast) {
  Packets packets;
  const uint32_t equal = sm::MON_ARM::SOP::Set(sm::ArmAtLeast(16, 3), 1);
  packets.Monitor(4, kQman, 1).Sob(16, 4).Arm(4, equal);
  EXPECT_THAT(Run(Packets(packets).Fence().AddSob(8)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("SOB 16 = 3 (is 4)")));
  ASSERT_THAT(card_->Reset(), IsOk());
  // One less, in 15 bits.
  EXPECT_THAT(Run(packets.AddSob(16, 0x7FFF).Fence().AddSob(8)), IsOk());
}

TEST_P(PacketsTest, AMonitorWritesSyncObjectsAndMemoryToo) {
  const DeviceAddress at = card_.Upload(std::vector<uint32_t>{1, 2});
  const auto aim = [](Packets& packets, uint32_t monitor, uint64_t address, uint32_t data) {
    const uint64_t base = abi::SyncManagerObjsBase(abi::kEastNorth);
    packets.MessageLong(base + sm::MON_PAY_ADDRL::At(monitor), static_cast<uint32_t>(address));
    packets.MessageLong(base + sm::MON_PAY_ADDRH::At(monitor),
                        static_cast<uint32_t>(address >> 32));
    packets.MessageLong(base + sm::MON_PAY_DATA::At(monitor), data, kBarrier);
    packets.MessageLong(base + sm::MON_ARM::At(monitor), sm::ArmAtLeast(16 + monitor, 1));
  };
  Packets packets;
  // 20 -> memory; 21 -> SOB 22 -> SOB 8.
  aim(packets, 4, at.value() + 4, 77);
  aim(packets, 5, abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(22), sm::SobAdd(1));
  aim(packets, 6, abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(8), sm::SobAdd(1));
  packets.AddSob(20).AddSob(21);
  EXPECT_THAT(Run(packets), IsOk());
  EXPECT_EQ(card_.ReadAll<uint32_t>(at, 2), (std::vector<uint32_t>{1, 77}));
}

TEST_P(PacketsTest, PredicatesAreLoadedFromMemory) {
  const DeviceAddress bits = card_.Upload(std::vector<uint32_t>{0x8});
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 1);
  load.cfg = abi::PacketLoadAndExe::LOAD::Set(load.cfg, 1);
  load.src_addr = bits.value();
  const uint64_t sob = abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(8);
  Packets packets;
  packets.Add(load)
      .MessageLong(sob, sm::SobAdd(1), abi::Ctl::PRED::Set(0, 3))
      .MessageLong(sob, sm::SobAdd(4), abi::Ctl::PRED::Set(0, 4))
      .MessageLong(sob, sm::SobAdd(2));
  // Exactly 3: 4 was skipped.
  Packets end;
  end.Monitor(0, abi::DmaQmanBase(0), 0)
      .Arm(0, sm::MON_ARM::SOP::Set(sm::ArmAtLeast(8, 3), 1))
      .Fence()
      .Sob(8, 0);
  EXPECT_THAT(card_.Run({card_.Internal(abi::TpcQueue(0, 1), packets),
                         card_.External(abi::DmaQueue(0, 0), end)}),
              IsOk());
}

TEST_P(PacketsTest, WaitAddsToAFenceLater) {
  abi::PacketWait wait;
  wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 5000);
  wait.cfg = abi::PacketWait::INC_VAL::Set(wait.cfg, 2);
  wait.cfg = abi::PacketWait::ID::Set(wait.cfg, 3);
  const uint64_t before = card_->statistics().now.value();
  EXPECT_THAT(Run(Packets().Add(wait).Fence(2, 2, 3).AddSob(8)), IsOk());
  if (std::string(GetParam()).find("functional") == std::string::npos) {
    EXPECT_GT(card_->statistics().now.value(), before + 5000 * 1000);
  }
}

TEST_P(PacketsTest, AQueueWritesItsOwnFenceAndMessageBases) {
  Packets packets;
  packets.Register(abi::qman::kWregBase + abi::qman::CpFenceRdata(3, 1), 5).Fence(5, 5, 3);
  // Base 2 of this CP now points at SOB 8.
  const uint64_t sob = abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(8);
  packets.Register(abi::qman::kWregBase + abi::qman::CpMsgBaseAddrLo(2, 1),
                   static_cast<uint32_t>(sob));
  packets.Register(abi::qman::kWregBase + abi::qman::CpMsgBaseAddrHi(2, 1),
                   static_cast<uint32_t>(sob >> 32));
  abi::PacketMsgShort message;
  message.value = sm::SobAdd(1);
  message.ctl = abi::PacketMsgShort::BASE::Set(message.ctl, 2);
  EXPECT_THAT(Run(packets.Add(message)), IsOk());
}

TEST_P(PacketsTest, RepeatAndArbPointsPass) {
  abi::PacketRepeat start, end;
  end.cfg = abi::PacketRepeat::SORE::Set(end.cfg, 1);
  EXPECT_THAT(Run(Packets().Add(start).AddSob(8).Add(end).Add(abi::PacketArbPoint())), IsOk());
}

TEST_P(PacketsTest, ProtectedMessagesAreForInternalQueues) {
  abi::PacketMsgProt message;
  message.value = sm::SobAdd(1);
  message.addr = abi::SyncManagerObjsBase(abi::kEastNorth) + sm::SOB_OBJ::At(8);
  EXPECT_THAT(Run(Packets().Add(message)), IsOk());
}

TEST_P(PacketsTest, WhatIsNotModelledSaysSo) {
  abi::PacketLoadAndExe execute;
  execute.cfg = abi::PacketLoadAndExe::EXE::Set(execute.cfg, 1);
  execute.cfg = abi::PacketLoadAndExe::DST::Set(execute.cfg, 1);
  execute.cfg = abi::PacketLoadAndExe::LOAD::Set(execute.cfg, 1);
  execute.src_addr = card_.Upload(Packets().Add(abi::PacketRepeat()).Nop().bytes()).value();
  EXPECT_THAT(Run(Packets().Add(execute)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("not modelled")));
  ASSERT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(Run(Packets().Add(abi::PacketLinDma())),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("no DMA")));
}

INSTANTIATE_TEST_SUITE_P(Modes, PacketsTest,
                         ::testing::Values("sim:tiny", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
