// Packets to the letter: predicates, barriers, repeats, bodies, and the windows of WREG.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/tpc.h"
#include "simulator/machine_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::HasSubstr;
namespace qman = abi::qman;
namespace sm = abi::sync_manager;

constexpr uint32_t kMessageBarrier = abi::Ctl::MSG_BARRIER::kMask;

abi::PacketRepeat Repeat(bool end, bool outer = false) {
  abi::PacketRepeat packet;
  packet.cfg = abi::PacketRepeat::SORE::Set(packet.cfg, end ? 1 : 0);
  packet.cfg = abi::PacketRepeat::O::Set(packet.cfg, outer ? 1 : 0);
  return packet;
}

// The ctl of a queue entry whose repeats jump back `count` times.
uint32_t Count(uint32_t count) {
  return qman::PqEntry::RepeatValid::Set(qman::CQ_CTL::RPT::Set(0, count), 1);
}

// WREG_BULK of 64-bit words.
Packets& AddBulk(Packets& packets, uint32_t offset, const std::vector<uint32_t>& values,
                 uint32_t predicate = 0) {
  abi::PacketWregBulk packet;
  packet.size = static_cast<uint32_t>(values.size() / 2);
  packet.ctl = abi::PacketWregBulk::REG_OFFSET::Set(packet.ctl, offset);
  packet.ctl = abi::Ctl::PRED::Set(packet.ctl, predicate);
  packets.Add(packet);
  for (size_t i = 0; i < values.size(); i += 2) {
    packets.Add(uint64_t{values[i + 1]} << 32 | values[i]);
  }
  return packets;
}

abi::PacketLoadAndExe LoadPredicates(DeviceAddress from) {
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 1);
  load.cfg = abi::PacketLoadAndExe::LOAD::Set(load.cfg, 1);
  load.src_addr = from.value();
  return load;
}

// Of what the scalars hold, or their upper half.
abi::PacketLoadAndExe Execute(bool upper_half) {
  abi::PacketLoadAndExe execute;
  execute.cfg = abi::PacketLoadAndExe::EXE::Set(execute.cfg, 1);
  execute.cfg = abi::PacketLoadAndExe::ETYPE::Set(execute.cfg, upper_half ? 1 : 0);
  return execute;
}

// Of 16 bytes in memory.
abi::PacketLoadAndExe ExecuteAt(DeviceAddress from, bool upper_half = false) {
  abi::PacketLoadAndExe execute = Execute(upper_half);
  execute.cfg = abi::PacketLoadAndExe::DST::Set(execute.cfg, 1);
  execute.cfg = abi::PacketLoadAndExe::LOAD::Set(execute.cfg, 1);
  execute.src_addr = from.value();
  return execute;
}

class CommandsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Run(const Packets& packets, uint32_t ctl = 0, uint32_t queue = abi::TpcQueue(0, 1)) {
    machine_.Start(queue, packets, ctl);
    machine_.Run();
  }
  DeviceAddress Upload(const Packets& packets) { return machine_.Upload(packets.bytes()); }
  // As the body of an upper buffer.
  void RunBody(const Packets& body, uint32_t queue = abi::TpcQueue(0, 1)) {
    const DeviceAddress at = machine_.Upload(body.bytes());
    Run(Packets().Body(at, static_cast<uint32_t>(body.bytes().size())), 0, queue);
  }
  template <typename Packet>
  static Packet Predicated(Packet packet, uint32_t predicate) {
    packet.ctl = abi::Ctl::PRED::Set(packet.ctl, predicate);
    return packet;
  }

  TestMachine machine_{GetParam()};
};

TEST_P(CommandsTest, ARepeatedStretchRunsOnceMoreThanTheQueueEntrySays) {
  Packets packets;
  packets.AddSob(8).Add(Repeat(false)).AddSob(9).AddSob(10, 2).Add(Repeat(true)).AddSob(11);
  Run(packets, Count(6));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u);
  EXPECT_EQ(machine_.Sob(9), 7u);
  EXPECT_EQ(machine_.Sob(10), 14u);
  EXPECT_EQ(machine_.Sob(11), 1u);
}

TEST_P(CommandsTest, ACountThatIsNotValidIsTheShadowIndexOfAnExternalQueue) {
  Packets packets;
  packets.Add(Repeat(false)).AddSob(9).Add(Repeat(true));
  Run(packets, 6);
  EXPECT_EQ(machine_.Sob(9), 1u);
  Run(packets, 0);
  EXPECT_EQ(machine_.Sob(9), 2u);
}

TEST_P(CommandsTest, AnInnerStretchStartsAnewInEachPassOfTheOuter) {
  Packets packets;
  packets.Add(Repeat(false, true)).AddSob(9);
  packets.Add(Repeat(false)).AddSob(10).Add(Repeat(true));
  packets.Add(Repeat(true, true)).AddSob(11);
  Run(packets, Count(2));
  EXPECT_EQ(machine_.Sob(9), 3u);
  EXPECT_EQ(machine_.Sob(10), 9u);
  EXPECT_EQ(machine_.Sob(11), 1u);
}

TEST_P(CommandsTest, ABodyRepeatsByTheControlWordOfItsQueue) {
  Packets body;
  body.Add(Repeat(false)).AddSob(9).Add(Repeat(true)).AddSob(10);
  const DeviceAddress at = machine_.Upload(body.bytes());
  const auto bytes = static_cast<uint32_t>(body.bytes().size());
  const uint32_t ctl = qman::kWregBase + qman::CQ_CTL::At(qman::kLowerCp);
  Run(Packets().Register(ctl, Count(3)).Body(at, bytes).Register(ctl, 0).Body(at, bytes));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(9), 5u);
  EXPECT_EQ(machine_.Sob(10), 2u);
}

TEST_P(CommandsTest, WritingTheLowerQueueStartsABodyAsCpDmaDoes) {
  Packets body;
  body.Add(Repeat(false)).AddSob(9).Add(Repeat(true)).AddSob(10);
  const uint64_t at = machine_.Upload(body.bytes()).value();
  const auto bytes = static_cast<uint32_t>(body.bytes().size());
  const uint32_t first = qman::kWregBase + qman::CQ_PTR_LO::At(qman::kLowerCp);
  Packets packets;
  AddBulk(packets, first,
          {static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), bytes, Count(1)})
      .AddSob(11);
  packets.Register(first + 8, bytes);  // the same again
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(9), 4u);
  EXPECT_EQ(machine_.Sob(10), 2u);
  EXPECT_EQ(machine_.Sob(11), 1u);
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CQ_TSIZE_STS::At(4)), bytes);
}

TEST_P(CommandsTest, RepeatsThatCannotBeFollowedAreRefusedByName) {
  Run(Packets().Add(Repeat(true)), Count(1));
  EXPECT_THAT(machine_.error(), HasSubstr("was not started"));
  machine_.Reset();
  abi::PacketRepeat jump = Repeat(false);
  jump.cfg = abi::PacketRepeat::JMP_PTR::Set(jump.cfg, 4);
  Run(Packets().Add(jump), Count(1));
  EXPECT_THAT(machine_.error(), HasSubstr("JMP_PTR is not modelled"));
}

TEST_P(CommandsTest, APredicateThatIsNotSetSkipsEveryPacketThatHasOne) {
  const DeviceAddress bits = machine_.Upload(std::vector<uint32_t>{1u << 7});
  const DeviceAddress none = machine_.Upload(std::vector<uint32_t>{0});
  const uint32_t fence = qman::kWregBase + qman::CpFenceRdata(0, 1);
  Packets body;
  body.AddSob(12);
  const DeviceAddress at = machine_.Upload(body.bytes());
  for (const uint32_t predicate : {7u, 8u, 31u}) {
    machine_.Reset();
    const bool runs = predicate == 7;
    Packets packets;
    packets.Add(LoadPredicates(bits));
    abi::PacketWreg32 wreg;
    wreg.value = 3;
    wreg.ctl = abi::PacketWreg32::REG_OFFSET::Set(wreg.ctl, fence);
    packets.Add(Predicated(wreg, predicate));
    AddBulk(packets, qman::kWregBase + qman::CpFenceRdata(1, 1), {5, 0}, predicate);
    abi::PacketMsgLong message;
    message.addr = TestMachine::SobAddress(10);
    message.value = sm::SobAdd(1);
    packets.Add(Predicated(message, predicate));
    abi::PacketMsgProt protected_message;
    protected_message.addr = TestMachine::SobAddress(11);
    protected_message.value = sm::SobAdd(1);
    packets.Add(Predicated(protected_message, predicate));
    abi::PacketCpDma cp_dma;
    cp_dma.src_addr = at.value();
    cp_dma.tsize = static_cast<uint32_t>(body.bytes().size());
    packets.Add(Predicated(cp_dma, predicate));
    packets.Add(Predicated(Repeat(false), predicate)).AddSob(13);
    packets.Add(Predicated(Repeat(true), predicate));
    packets.Add(Predicated(abi::PacketArbPoint(), predicate));
    // A fence that nothing serves, if it is not skipped, is served by the WREGs above.
    abi::PacketFence wait;
    wait.cfg = abi::PacketFence::DEC_VAL::Set(abi::PacketFence::TARGET_VAL::Set(0, 3), 1);
    packets.Add(Predicated(wait, predicate));
    packets.Add(Predicated(LoadPredicates(none), predicate));
    // Predicate 7 is gone now, if that was loaded.
    message.addr = TestMachine::SobAddress(14);
    packets.Add(Predicated(message, 7)).AddSob(15);
    Run(packets, Count(1));
    EXPECT_EQ(machine_.error(), "");
    const uint64_t base = abi::TpcQmanBase(0);
    EXPECT_EQ(machine_.Read(base + qman::CpFenceCnt(0, 1)), runs ? 2u : 0u);
    EXPECT_EQ(machine_.Read(base + qman::CpFenceCnt(1, 1)), runs ? 5u : 0u);
    EXPECT_EQ(machine_.Sob(10), runs ? 1u : 0u);
    EXPECT_EQ(machine_.Sob(11), runs ? 1u : 0u);
    EXPECT_EQ(machine_.Sob(12), runs ? 1u : 0u);
    EXPECT_EQ(machine_.Sob(13), runs ? 2u : 1u);
    EXPECT_EQ(machine_.Sob(14), runs ? 0u : 1u);
    EXPECT_EQ(machine_.Sob(15), 1u);
  }
}

TEST_P(CommandsTest, MessagesArriveBeforeWhatTheirBarrierKeepsBack) {
  const DeviceAddress from = machine_.Upload(std::vector<uint32_t>{1});
  const DeviceAddress to = machine_.Upload(std::vector<uint32_t>{2});
  abi::PacketLinDma copy;
  copy.tsize = 4;
  copy.src_addr = from.value();
  copy.dst_addr_ctx_id_raw = to.value();
  copy.ctl |= kMessageBarrier;
  Run(Packets().MessageLong(from.value(), 55).Add(copy), 0, abi::DmaQueue(2, 0));
  EXPECT_EQ(machine_.Word(to), 55u);

  // Predicates, and a body that is written before it is run.
  abi::PacketLoadAndExe load = LoadPredicates(from);
  load.ctl |= kMessageBarrier;
  Run(Packets()
          .MessageLong(from.value(), 1 << 4)
          .Add(load)
          .MessageLong(TestMachine::SobAddress(10), sm::SobAdd(1), abi::Ctl::PRED::Set(0, 4)));
  EXPECT_EQ(machine_.Sob(10), 1u);
  Packets body;
  body.AddSob(11);
  const DeviceAddress at = machine_.Upload(std::vector<uint64_t>(2));
  uint32_t words[2];
  std::memcpy(words, body.bytes().data(), sizeof words);
  abi::PacketCpDma run;
  run.src_addr = at.value();
  run.tsize = sizeof words;
  run.ctl |= kMessageBarrier;
  Run(Packets().MessageLong(at.value(), words[0]).MessageLong(at.value() + 4, words[1]).Add(run));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(11), 1u);
}

TEST_P(CommandsTest, AnEngineBarrierWaitsForTheEngineAndNothingElseDoes) {
  constexpr uint32_t kBytes = 1 << 16;
  const DeviceAddress from = machine_.Allocate(kBytes), to = machine_.Allocate(kBytes);
  const DeviceAddress first = machine_.Upload(std::vector<uint64_t>(2));
  const uint32_t timestamp = abi::PacketMsgLong::OP::Set(0, 1);
  Packets packets;
  packets.Copy(from, to, kBytes)
      .MessageLong(first.value(), 0, timestamp)
      .MessageLong(first.value() + 8, 0, timestamp | abi::Ctl::ENG_BARRIER::kMask);
  Run(packets, 0, abi::DmaQueue(2, 0));
  if (machine_.timed()) {
    EXPECT_GT(machine_.Word(first + 8), machine_.Word(first) + 300);
  }
}

TEST_P(CommandsTest, BulksReachTheEnginesRegistersAndTheQueueManagers) {
  Packets packets;
  std::vector<uint32_t> values(270);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = 1000 + i;
  AddBulk(packets, abi::tpc::QM_TENSOR::kOffset, values);
  abi::PacketWregBulk none;
  packets.Add(none);
  RunBody(packets);
  EXPECT_EQ(machine_.error(), "");
  for (uint32_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(machine_.Read(abi::TpcCfgBase(0) + abi::tpc::QM_TENSOR::kOffset + 4 * i), 1000 + i);
  }
  // Both halves of base 3 of CP 4 lie five registers apart.
  Packets some;
  some.Register(qman::kWregBase + qman::CpMsgBaseAddrLo(3, 4), 0x1234);
  some.Register(qman::kWregBase + qman::CpMsgBaseAddrHi(3, 4), 0x7F);
  RunBody(some);
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpMsgBaseAddrLo(3, 4)), 0x1234u);
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpMsgBaseAddrHi(3, 4)), 0x7Fu);
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpMsgBaseAddrHi(3, 3)), 0u);
  // All processors' bases, and their fences, in one.
  const uint32_t first = qman::CpMsgBaseAddrLo(0, 0);
  Packets all;
  AddBulk(all, qman::kWregBase + first, std::vector<uint32_t>(40, 7));
  AddBulk(all, qman::kWregBase + qman::CpFenceRdata(0, 0), std::vector<uint32_t>(20, 3));
  RunBody(all);
  EXPECT_EQ(machine_.error(), "");
  for (int cp = 0; cp < qman::kNumCps; ++cp) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpMsgBaseAddrLo(i, cp)), 7u);
      EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpFenceCnt(i, cp)), 3u);
    }
  }
  Packets over;
  AddBulk(over, qman::kWregBase + qman::CpMsgBaseAddrHi(3, 4), {1, 2});
  RunBody(over);
  EXPECT_THAT(machine_.error(), HasSubstr("0x2c8 of the queue manager, which is the kernel"));
}

TEST_P(CommandsTest, ShortMessagesGoWhereTheBasesOfTheirProcessorPoint) {
  const DeviceAddress memory = machine_.Upload(std::vector<uint32_t>{0, 0, 0});
  abi::PacketMsgShort message;
  message.value = 99;
  message.ctl = abi::PacketMsgShort::BASE::Set(message.ctl, 2);
  message.ctl = abi::PacketMsgShort::MSG_ADDR_OFFSET::Set(message.ctl, 8);
  Run(Packets()
          .Register(qman::kWregBase + qman::CpMsgBaseAddrLo(2, 1),
                    static_cast<uint32_t>(memory.value()))
          .Register(qman::kWregBase + qman::CpMsgBaseAddrHi(2, 1),
                    static_cast<uint32_t>(memory.value() >> 32))
          .Add(message));
  EXPECT_EQ(machine_.Word(memory + 8), 99u);
  machine_.Reset();
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpMsgBaseAddrLo(2, 1)), 0u);
}

TEST_P(CommandsTest, PredicatesMayBeTheLowestBitsOfWords) {
  std::vector<uint32_t> words(32);
  words[7] = 1;
  words[8] = 2;
  words[31] = ~0u;
  abi::PacketLoadAndExe load = LoadPredicates(machine_.Upload(words));
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 0);
  Packets packets;
  packets.Add(load);
  for (const uint32_t predicate : {0u, 7u, 8u, 9u, 31u}) {
    packets.MessageLong(TestMachine::SobAddress(8 + predicate), sm::SobAdd(1),
                        abi::Ctl::PRED::Set(0, predicate));
  }
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u);
  EXPECT_EQ(machine_.Sob(15), 1u);
  EXPECT_EQ(machine_.Sob(16), 0u);
  EXPECT_EQ(machine_.Sob(17), 0u);
  EXPECT_EQ(machine_.Sob(39), 1u);
}

TEST_P(CommandsTest, ScalarsHoldAPacketOfSixteenBytesOrOneInEachHalf) {
  Packets whole, halves;
  whole.MessageLong(TestMachine::SobAddress(8), sm::SobAdd(1));
  halves.AddSob(9).AddSob(10, 2);
  Packets packets;
  packets.Add(ExecuteAt(Upload(whole))).Add(ExecuteAt(Upload(halves))).Add(Execute(true));
  // What is loaded stays, and is executed as often as wanted.
  packets.Add(Execute(true)).AddSob(11);
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u);
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_EQ(machine_.Sob(10), 4u);
  EXPECT_EQ(machine_.Sob(11), 1u);
}

TEST_P(CommandsTest, AFenceInTheScalarsBlocksTheStreamAsAnyOther) {
  Packets fence;
  fence.Fence(2, 2, 1).Nop();
  Packets packets;
  packets.AddSob(8).Add(ExecuteAt(Upload(fence))).AddSob(9);
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u);
  EXPECT_EQ(machine_.Sob(9), 0u);
  EXPECT_THAT(machine_.Stuck(), HasSubstr("FENCE 1 is 0, needs 2"));
  Packets opens;
  opens.MessageLong(abi::TpcQmanBase(0) + qman::CpFenceRdata(1, 1), 2);
  Run(opens, 0, abi::TpcQueue(1, 0));
  EXPECT_EQ(machine_.Sob(9), 1u);
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpFenceCnt(1, 1)), 0u);
}

TEST_P(CommandsTest, APacketInTheScalarsHasItsOwnPredicateAndBarriers) {
  constexpr uint32_t kBytes = 1 << 16;
  const DeviceAddress from = machine_.Allocate(kBytes), to = machine_.Allocate(kBytes);
  *machine_.At(from + (kBytes - 1), 1) = std::byte{5};
  Packets skipped, waits;
  skipped.MessageLong(TestMachine::SobAddress(8), sm::SobAdd(1), abi::Ctl::PRED::Set(0, 3));
  waits.MessageLong(TestMachine::SobAddress(9), sm::SobAdd(1), abi::Ctl::ENG_BARRIER::kMask);
  Packets packets;
  packets.Copy(from, to, kBytes).Add(ExecuteAt(Upload(skipped))).Add(ExecuteAt(Upload(waits)));
  machine_.Start(abi::DmaQueue(2, 0), packets);
  Packets next;
  const DeviceAddress seen = machine_.Upload(std::vector<uint32_t>(1));
  next.Await(9, 1, 0, abi::DmaQmanBase(3), 0).Copy(to + (kBytes - 4), seen, 4);
  Run(next, 0, abi::DmaQueue(3, 0));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 0u);
  EXPECT_EQ(machine_.Word(seen), 5u << 24);
}

TEST_P(CommandsTest, ALoadOfScalarsThatIsNotExecutedIsOneOfPredicatesToo) {
  Packets message;
  message.MessageLong(TestMachine::SobAddress(8), 1u << 6);  // its first word is predicate 6
  abi::PacketMsgLong later;
  later.addr = TestMachine::SobAddress(9);
  later.value = sm::SobAdd(1);
  Packets packets;
  packets.Add(LoadPredicates(Upload(message))).Add(Predicated(later, 6));
  packets.Add(Execute(false));
  Run(packets);
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u << 6);
  EXPECT_EQ(machine_.Sob(9), 1u);

  // One word at the end of memory is enough for that, but not to be executed.
  const auto& map = machine_.chip().address_map();
  const DeviceAddress last(map.sram_base().value() + map.sram_bytes().value() - 4);
  const uint32_t bits = 1u << 4;
  std::memcpy(machine_.At(last, 4), &bits, 4);
  Run(Packets().Add(LoadPredicates(last)).Add(Predicated(later, 4)));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(9), 2u);
  Run(Packets().Add(ExecuteAt(last)));
  EXPECT_THAT(machine_.error(), HasSubstr("16 bytes"));
}

TEST_P(CommandsTest, LoadAndExecuteRefusesByNameWhatScalarsCannotHold) {
  const auto refuses = [&](const Packets& packets, const char* what) {
    machine_.Reset();
    Run(packets);
    EXPECT_THAT(machine_.error(), HasSubstr(what));
  };
  Run(Packets().Add(abi::PacketLoadAndExe()).AddSob(8));
  EXPECT_EQ(machine_.error(), "");
  EXPECT_EQ(machine_.Sob(8), 1u);
  refuses(Packets().Add(Execute(false)), "opcode 0x0 of the scalars: which is unknown");
  Packets body;
  body.Body(Upload(Packets().AddSob(9)), 8);
  refuses(Packets().Add(ExecuteAt(Upload(body))),
          "opcode 0x5 of the scalars: which is not modelled");
  Packets again;
  again.Add(Execute(false));
  refuses(Packets().Add(ExecuteAt(Upload(again))), "opcode 0xf");
  Packets late;
  late.Nop().MessageLong(TestMachine::SobAddress(9), 1);
  refuses(Packets().Add(ExecuteAt(Upload(late), true)), "passes the end of the scalars");
  EXPECT_EQ(machine_.Sob(9), 0u);
}

TEST_P(CommandsTest, WaitAddsAfterItsCyclesToTheCounterItNames) {
  abi::PacketWait wait;
  wait.cfg = abi::PacketWait::NUM_CYCLES_TO_WAIT::Set(wait.cfg, 3000);
  wait.cfg = abi::PacketWait::INC_VAL::Set(wait.cfg, 15);
  wait.cfg = abi::PacketWait::ID::Set(wait.cfg, 2);
  const DeviceAddress times = machine_.Upload(std::vector<uint64_t>(2));
  const uint32_t timestamp = abi::PacketMsgLong::OP::Set(0, 1);
  RunBody(Packets()
              .MessageLong(times.value(), 0, timestamp)
              .Add(wait)
              .Fence(15, 4, 2)
              .MessageLong(times.value() + 8, 0, timestamp));
  EXPECT_EQ(machine_.Read(abi::TpcQmanBase(0) + qman::CpFenceCnt(2, 4)), 11u);
  if (machine_.timed()) {
    EXPECT_GT(machine_.Word(times + 8) - machine_.Word(times), 1500u);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, CommandsTest,
                         ::testing::Values("sim:gaudi", "sim:gaudi,mode=functional",
                                           "sim:gaudi,hazards=on"));

}  // namespace
}  // namespace openhpu::simulator
