// Sync objects and monitors to the letter, by their registers.
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace qman = abi::qman;
namespace sm = abi::sync_manager;

uint32_t Arm(uint32_t group, uint32_t mask, uint32_t value, bool equal = false) {
  uint32_t word = sm::MON_ARM::SID::Set(0, group);
  word = sm::MON_ARM::MASK::Set(word, mask);
  word = sm::MON_ARM::SOP::Set(word, equal ? 1 : 0);
  return sm::MON_ARM::SOD::Set(word, value);
}

class SyncTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Points a monitor of the user's manager at an address, and arms it.
  void Set(uint32_t monitor, uint64_t address, uint32_t data, uint32_t arm) {
    Set(abi::SyncManagerObjsBase(abi::kEastNorth), monitor, address, data, arm);
  }
  void Set(uint64_t manager, uint32_t monitor, uint64_t address, uint32_t data, uint32_t arm) {
    EXPECT_THAT(
        machine_.Write(manager + sm::MON_PAY_ADDRL::At(monitor), static_cast<uint32_t>(address)),
        IsOk());
    EXPECT_THAT(machine_.Write(manager + sm::MON_PAY_ADDRH::At(monitor),
                               static_cast<uint32_t>(address >> 32)),
                IsOk());
    EXPECT_THAT(machine_.Write(manager + sm::MON_PAY_DATA::At(monitor), data), IsOk());
    EXPECT_THAT(machine_.Write(manager + sm::MON_ARM::At(monitor), arm), IsOk());
  }
  // Adds to, or sets, an object by a message of a queue.
  void Send(const Packets& packets) {
    machine_.Start(abi::DmaQueue(2, 0), packets);
    machine_.Run();
  }
  uint32_t Status(uint32_t monitor) {
    return machine_.Read(TestMachine::MonitorAddress<sm::MON_STATUS>(monitor));
  }
  uint32_t Pending(uint32_t monitor) { return sm::MON_STATUS::PENDING::Get(Status(monitor)); }
  bool Valid(uint32_t monitor) { return sm::MON_STATUS::VALID::Get(Status(monitor)) != 0; }

  TestMachine machine_{GetParam()};
};

TEST_P(SyncTest, ObjectsAddAndSetModulo15Bits) {
  uint32_t expected = 0;
  for (uint32_t i = 0; i < 40; ++i) {
    const uint32_t value = (i * 7919u + 13) & 0x7FFF;
    const bool add = i % 3 != 0;
    // Bit 30 is for the tracer, and bits 15 to 29 for nothing.
    Send(Packets().Sob(17, (add ? sm::SobAdd(value) : sm::SobSet(value)) |
                               sm::SOB_OBJ::TRACE_EVICT::kMask | 0x12340000u));
    expected = add ? (expected + value) % 0x8000 : value;
    ASSERT_EQ(machine_.Sob(17), expected) << i;
  }
  EXPECT_EQ(machine_.Sob(16), 0u);
  EXPECT_EQ(machine_.Sob(18), 0u);
}

TEST_P(SyncTest, AMonitorFiresExactlyWhenAllThatTheMaskLeavesPass) {
  for (const bool equal : {false, true}) {
    for (uint32_t mask : {0x00u, 0xFEu, 0x7Fu, 0x55u, 0xFFu, 0x81u}) {
      machine_.Reset();
      // Objects 24 to 31 get their 3 in some order; 9 counts.
      const uint64_t nine = TestMachine::SobAddress(9);
      Set(5, nine, sm::SobAdd(1), Arm(3, mask, 3, equal));
      machine_.Run();
      uint32_t missing = ~mask & 0xFF;
      for (uint32_t i = 0; i < 8; ++i) {
        ASSERT_EQ(Valid(5), missing != 0) << mask << " " << i;
        ASSERT_EQ(Pending(5), missing) << mask << " " << i;
        ASSERT_EQ(machine_.Sob(9), missing == 0 ? 1u : 0u) << mask << " " << i;
        const uint32_t object = i * 3 % 8;
        Send(Packets().AddSob(24 + object, 2));  // not yet
        ASSERT_EQ(Pending(5), missing);
        Send(Packets().AddSob(24 + object, 1));
        missing &= ~(1u << object);
      }
      EXPECT_FALSE(Valid(5));
      EXPECT_EQ(machine_.Sob(9), 1u);  // once
    }
  }
}

TEST_P(SyncTest, EqualPassesByAndAtLeastDoesNot) {
  Set(5, TestMachine::SobAddress(9), sm::SobAdd(1), Arm(3, 0xFE, 4, true));
  Set(6, TestMachine::SobAddress(10), sm::SobAdd(1), Arm(3, 0xFE, 4, false));
  Send(Packets().Sob(24, sm::SobSet(5)));
  EXPECT_EQ(machine_.Sob(9), 0u);
  EXPECT_EQ(machine_.Sob(10), 1u);
  Send(Packets().AddSob(24, 0x7FFF));  // one less
  EXPECT_EQ(machine_.Sob(9), 1u);
}

TEST_P(SyncTest, ArmingAgainReplacesWhatAMonitorWaitsFor) {
  Set(5, TestMachine::SobAddress(9), sm::SobAdd(1), Arm(3, 0xFE, 1));
  const uint32_t other = Arm(4, 0xFD, 2);
  EXPECT_THAT(machine_.Write(TestMachine::MonitorAddress<sm::MON_ARM>(5), other), IsOk());
  EXPECT_EQ(machine_.Read(TestMachine::MonitorAddress<sm::MON_ARM>(5)), other);
  Send(Packets().AddSob(24, 5));
  EXPECT_EQ(machine_.Sob(9), 0u);
  EXPECT_EQ(Pending(5), 2u);
  Send(Packets().AddSob(33, 2));
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_FALSE(Valid(5));
  // Its condition still holds: it fires again as soon as it is armed again, and not before.
  Send(Packets().AddSob(33, 2));
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_THAT(machine_.Write(TestMachine::MonitorAddress<sm::MON_ARM>(5), other), IsOk());
  machine_.Run();
  EXPECT_EQ(machine_.Sob(9), 2u);
}

TEST_P(SyncTest, AWriteOfItsStatusDisarmsAMonitor) {
  Set(5, TestMachine::SobAddress(9), sm::SobAdd(1), Arm(3, 0xFE, 1));
  EXPECT_TRUE(Valid(5));
  Send(Packets().MessageLong(TestMachine::MonitorAddress<sm::MON_STATUS>(5), 0));
  EXPECT_EQ(Status(5), 0u);
  Send(Packets().AddSob(24, 5));
  EXPECT_EQ(machine_.Sob(9), 0u);
}

TEST_P(SyncTest, MonitorsWriteToFencesObjectsAndBothKindsOfMemory) {
  std::vector<uint32_t> host(1024);
  DeviceAddress mapped;
  {
    const SimulationContext::Door door((*machine_).context());
    mapped = *(*machine_).environment().memory->MapHost(host.data(), host.size() * 4);
  }
  const DeviceAddress dram = machine_.Upload(std::vector<uint32_t>{0, 0});
  const DeviceAddress sram((*machine_).environment().sram_user_begin);
  const uint64_t fence = abi::TpcQmanBase(0) + qman::CpFenceRdata(3, 4);
  Set(4, fence, 6, Arm(3, 0xFE, 1));
  Set(5, dram.value() + 4, 0x11111111, Arm(3, 0xFE, 1));
  Set(6, sram.value(), 0x22222222, Arm(3, 0xFE, 1));
  Set(7, mapped.value() + 40, 0x33333333, Arm(3, 0xFE, 1));
  Set(8, TestMachine::SobAddress(9), sm::SobSet(77), Arm(3, 0xFE, 1));
  Send(Packets().AddSob(24));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpFenceCnt(3, 4)), 6u);
  EXPECT_EQ(machine_.Word(dram + 4), 0x11111111u);
  EXPECT_EQ(machine_.Word(dram), 0u);
  EXPECT_EQ(machine_.Word(sram), 0x22222222u);
  EXPECT_EQ(host[10], 0x33333333u);
  EXPECT_EQ(machine_.Sob(9), 77u);
}

TEST_P(SyncTest, ChainsOfMonitorsRunThroughAllManagers) {
  // Object 40 of each manager, one after the other, then 9; the first manager's user objects begin
  // behind the kernel driver's.
  const int kOrder[] = {abi::kEastNorth, abi::kWestSouth, abi::kEastSouth, abi::kWestNorth};
  const uint32_t object = 160, monitor = 80;
  ASSERT_LT(object, machine_.chip().sync().sobs().value());
  ASSERT_LT(monitor, machine_.chip().sync().monitors().value());
  const auto at = [&](int manager) {
    return abi::SyncManagerObjsBase(manager) + sm::SOB_OBJ::At(object);
  };
  for (int i = 0; i < 4; ++i) {
    const uint64_t next = i < 3 ? at(kOrder[i + 1]) : TestMachine::SobAddress(9);
    Set(abi::SyncManagerObjsBase(kOrder[i]), monitor, next, sm::SobAdd(i + 2),
        Arm(object / 8, 0xFE, i + 1));
  }
  Send(Packets().AddSob(object));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(machine_.Read(at(kOrder[i])), i + 1u);
  EXPECT_EQ(machine_.Sob(9), 5u);
}

TEST_P(SyncTest, AMonitorMayArmAnotherAndReachAUserOfAnyManager) {
  Set(6, TestMachine::SobAddress(9), sm::SobAdd(1), Arm(3, 0xFE, 9));
  Set(5, TestMachine::MonitorAddress<sm::MON_ARM>(6), Arm(3, 0xFE, 2), Arm(3, 0xFE, 1));
  Send(Packets().AddSob(24));
  EXPECT_EQ(machine_.Read(TestMachine::MonitorAddress<sm::MON_ARM>(6)), Arm(3, 0xFE, 2));
  EXPECT_EQ(machine_.Sob(9), 0u);
  Send(Packets().AddSob(24));
  EXPECT_EQ(machine_.Sob(9), 1u);
}

TEST_P(SyncTest, TheKernelDriversObjectsAreNotTheUsers) {
  const uint64_t base = abi::SyncManagerObjsBase(abi::kWestSouth);
  const auto first_sob = static_cast<uint32_t>(machine_.chip().sync().first_user_sob().value());
  const auto first_monitor =
      static_cast<uint32_t>(machine_.chip().sync().first_user_monitor().value());
  Send(Packets()
           .MessageLong(base + sm::SOB_OBJ::At(first_sob), sm::SobAdd(3))
           .MessageLong(base + sm::MON_PAY_DATA::At(first_monitor), 5));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Read(base + sm::SOB_OBJ::At(first_sob)), 3u);
  for (uint64_t address :
       {base + sm::SOB_OBJ::At(first_sob - 1), base + sm::MON_PAY_DATA::At(first_monitor - 1),
        base + sm::MON_STATUS::At(first_monitor - 1)}) {
    EXPECT_THAT(machine_.Write(address, 7), IsOk());
    const uint32_t before = machine_.Read(address);
    Send(Packets().MessageLong(address, 0));
    EXPECT_THAT(machine_.error(), AllOf(HasSubstr("W_S"), HasSubstr("kernel driver's")));
    EXPECT_EQ(machine_.Read(address), before);
    machine_.Reset();
  }
}

TEST_P(SyncTest, APayloadAddressThatIsNotAlignedIsAnError) {
  const DeviceAddress dram = machine_.Upload(std::vector<uint32_t>{0, 0});
  Set(4, dram.value() + 2, 6, Arm(3, 0xFE, 1));
  Send(Packets().AddSob(24));
  EXPECT_THAT(machine_.error(), HasSubstr("of monitor 4 of E_N is not aligned"));
  EXPECT_EQ(machine_.Read(abi::SyncManagerGlblBase(abi::kEastNorth) + 4), 0x40002u);
}

TEST_P(SyncTest, EachStreamHasItsOwnFourFenceCounters) {
  const uint64_t base = abi::TpcQmanBase(0);
  for (int cp = 0; cp < qman::kNumCps; ++cp) {
    for (int fence = 0; fence < qman::kNumFences; ++fence) {
      Send(Packets().MessageLong(base + qman::CpFenceRdata(fence, cp), 4u * cp % 16 + fence));
    }
  }
  for (int cp = 0; cp < qman::kNumCps; ++cp) {
    for (int fence = 0; fence < qman::kNumFences; ++fence) {
      EXPECT_EQ(machine_.Read(base + qman::CpFenceCnt(fence, cp)), (4u * cp % 16 + fence) % 16);
    }
  }
}

TEST_P(SyncTest, TimestampsGoToMemoryWholeAndToRegistersInPart) {
  const DeviceAddress memory = machine_.Upload(std::vector<uint32_t>{9, 9, 9});
  const uint32_t timestamp = abi::PacketMsgLong::OP::Set(0, 1);
  if (machine_.timed()) machine_.RunFor(1000);
  Send(Packets()
           .MessageLong(memory.value(), 5, timestamp)
           .MessageLong(TestMachine::MonitorAddress<sm::MON_PAY_DATA>(5), 5, timestamp));
  const uint32_t time = machine_.Word(memory);
  EXPECT_EQ(machine_.Word(memory + 4), 0u);
  EXPECT_EQ(machine_.Word(memory + 8), 9u);
  const uint32_t later = machine_.Read(TestMachine::MonitorAddress<sm::MON_PAY_DATA>(5));
  if (machine_.timed()) {
    EXPECT_GT(time, 1000u);
    EXPECT_GE(later, time);
    EXPECT_LT(later, time + 1000);
  } else {
    EXPECT_EQ(time, 0u);
    EXPECT_EQ(later, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, SyncTest,
                         ::testing::Values("sim:gaudi", "sim:gaudi,mode=functional",
                                           "sim:gaudi,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
