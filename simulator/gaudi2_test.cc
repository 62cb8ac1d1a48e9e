// Gaudi2's dialect packet by packet: what differs from Gaudi's.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/abi/gaudi2/sync_manager.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

namespace abi2 = hal::abi::gaudi2;
namespace qman2 = hal::abi::gaudi2::qman;
namespace sm2 = hal::abi::gaudi2::sync_manager;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint32_t kSob = 6000, kMonitor = 1500;  // beyond what Gaudi has

abi2::PacketMsgLong Message(uint64_t address, uint32_t value) {
  abi2::PacketMsgLong packet;
  packet.ctl = abi2::Ctl::MSG_BARRIER::Set(packet.ctl, 1);
  packet.addr = address;
  packet.value = value;
  return packet;
}
uint64_t SobAddress(uint32_t sob, int manager = 0) {
  return abi2::SyncManagerObjsBase(manager) + sm2::SOB_OBJ::At(sob);
}
abi2::PacketFence Fence(uint32_t fence) {
  abi2::PacketFence packet;
  packet.cfg = abi2::PacketFence::ID::Set(packet.cfg, fence);
  packet.cfg = abi2::PacketFence::TARGET_VAL::Set(packet.cfg, 1);
  packet.cfg = abi2::PacketFence::DEC_VAL::Set(packet.cfg, 1);
  return packet;
}
// Waits, on stream 0 of PDMA 0, until the object is at least 1.
void Await(Packets& packets, uint32_t sob, int manager = 0) {
  const uint64_t objs = abi2::SyncManagerObjsBase(manager);
  const uint64_t fence = abi2::PdmaQmanBase(0) + qman2::CpFenceRdata(0, 0);
  const sm2::MonitorWords words = sm2::WatchAtLeast(sob, 1);
  packets.Add(Message(objs + sm2::MON_PAY_ADDRL::At(kMonitor), static_cast<uint32_t>(fence)))
      .Add(Message(objs + sm2::MON_PAY_ADDRH::At(kMonitor), static_cast<uint32_t>(fence >> 32)))
      .Add(Message(objs + sm2::MON_PAY_DATA::At(kMonitor), 1))
      .Add(Message(objs + sm2::MON_CONFIG::At(kMonitor), words.config))
      .Add(Message(objs + sm2::MON_ARM::At(kMonitor), words.arm))
      .Add(Fence(0));
}

class Gaudi2Test : public ::testing::TestWithParam<const char*> {
 protected:
  absl::Status RunOnPdma(const Packets& packets) {
    return card_.Run({card_.External(abi2::PdmaQueue(0, 0), packets)});
  }
  void ExpectRefused(const Packets& packets, const char* what) {
    EXPECT_THAT(RunOnPdma(packets), StatusIs(absl::StatusCode::kAborted,
                                             AllOf(HasSubstr("PDMA0 stream 0"), HasSubstr(what))));
    EXPECT_THAT(card_->Reset(), IsOk());
  }

  TestCard card_{GetParam()};
};

TEST_P(Gaudi2Test, MemoryIsSeenByVirtualAddress) {
  const hal::AddressMap& map = card_->info().chip.address_map();
  EXPECT_EQ(card_->info().dram_user_base.value(), map.dram_va_start().value());
  const DeviceAddress dram = card_.Allocate(4096),
                      sram = card_.Allocate(4096, hal::MemoryKind::kSram);
  const std::vector<uint32_t> values(1024, 0x600DF00D);
  card_.Write(dram, values.data(), 4096);
  EXPECT_THAT(RunOnPdma(Packets().Copy(dram, sram, 4096)), IsOk());
  EXPECT_EQ(card_.ReadAll<uint32_t>(sram, 1024), values);
  // The physical address is nobody's.
  EXPECT_THAT(RunOnPdma(Packets().Copy(DeviceAddress(map.dram_user_base().value()), sram, 64)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("PDMA0")));
}

TEST_P(Gaudi2Test, MonitorsReachEveryGroupOfEveryManager) {
  for (int manager = 0; manager < 4; ++manager) {
    Packets wait, serve;
    Await(wait, kSob, manager);
    serve.Add(Message(SobAddress(kSob, manager), sm2::SobAdd(1)));
    EXPECT_THAT(card_.Run({card_.External(abi2::PdmaQueue(0, 0), wait),
                           card_.Internal(abi2::TpcQueue(3, 5, 2), serve)}),
                IsOk())
        << manager;
  }
}

TEST_P(Gaudi2Test, AGroupBeyondArmAloneIsAnotherGroup) {
  // Without CONFIG's bits the monitor watches the group 256 * n below: nobody serves it.
  Packets wait;
  const uint64_t objs = abi2::SyncManagerObjsBase(1);
  wait.Add(Message(objs + sm2::SOB_OBJ::At(kSob), 1));
  Await(wait, kSob % 2048, 1);
  EXPECT_THAT(RunOnPdma(wait), StatusIs(absl::StatusCode::kAborted, HasSubstr("DCORE1")));
}

TEST_P(Gaudi2Test, WregsReachTheQueueManagerAtItsPlaceInTheWindow) {
  // A fence counter of the stream itself.
  Packets packets;
  abi2::PacketWreg32 packet;
  packet.value = 1;
  packet.ctl =
      abi2::PacketWreg32::REG_OFFSET::Set(packet.ctl, qman2::kWregBase + qman2::CpFenceRdata(1, 0));
  EXPECT_THAT(RunOnPdma(packets.Add(packet).Add(Fence(1))), IsOk());
  packet.ctl = abi2::PacketWreg32::REG_OFFSET::Set(packet.ctl, 0x8000);
  ExpectRefused(Packets().Add(packet), "0x8000");
}

TEST_P(Gaudi2Test, ABodyOfTheUpperCpReturnsBehindItsPacket) {
  // The body may fence; the lower CP is not asked.
  Packets body, upper;
  body.Add(Message(abi2::PdmaQmanBase(0) + qman2::CpFenceRdata(1, 0), 1)).Add(Fence(1));
  body.Add(Message(SobAddress(kSob), sm2::SobAdd(1)));
  abi2::PacketCpDma call;
  call.tsize = static_cast<uint32_t>(body.bytes().size());
  call.ctl = abi2::PacketCpDma::UPPER_CP::Set(call.ctl, 1);
  call.src_addr = card_.Upload(body.bytes()).value();
  upper.Add(call).Add(call);
  Await(upper, kSob);
  EXPECT_THAT(RunOnPdma(upper.Add(call)), IsOk());
  // It does not nest.
  Packets nested;
  nested.Add(call);
  abi2::PacketCpDma outer = call;
  outer.tsize = sizeof outer;
  outer.src_addr = card_.Upload(nested.bytes()).value();
  ExpectRefused(Packets().Add(outer), "UPPER_CP");
}

TEST_P(Gaudi2Test, CompletionWaitsForTheCopyOfABody) {
  const std::vector<uint8_t> zeros(1 << 20), ones(1 << 20, 1);
  const DeviceAddress from = card_.Upload(ones), to = card_.Upload(zeros);
  Packets body, upper;
  body.Copy(from, to, 1 << 20);
  abi2::PacketCpDma run;
  run.tsize = static_cast<uint32_t>(body.bytes().size());
  run.src_addr = card_.Upload(body.bytes()).value();
  EXPECT_THAT(RunOnPdma(upper.Add(run)), IsOk());
  EXPECT_EQ(card_.ReadAll<uint8_t>(to, 1 << 20), ones);
}

TEST_P(Gaudi2Test, PredicatesLieInOneWordOrInThirtyTwo) {
  std::vector<uint32_t> words(32);
  words[0] = 1u << 5;  // as one word: predicate 5
  words[6] = 1;        // as words: predicate 6
  abi2::PacketLoadAndExe load;
  load.cfg = abi2::PacketLoadAndExe::LOAD::Set(load.cfg, 1);
  load.src_addr = card_.Upload(words).value();
  for (const uint32_t packed : {0u, 1u}) {
    load.cfg = abi2::PacketLoadAndExe::PMAP::Set(load.cfg, packed);
    abi2::PacketMsgLong message = Message(SobAddress(kSob + packed), sm2::SobAdd(1));
    message.ctl = abi2::Ctl::PRED::Set(message.ctl, packed != 0 ? 5 : 6);
    abi2::PacketMsgLong skipped = message;
    skipped.addr = 0;  // would be an error
    skipped.ctl = abi2::Ctl::PRED::Set(message.ctl, packed != 0 ? 6 : 5);
    Packets packets;
    packets.Add(load).Add(message).Add(skipped);
    Await(packets, kSob + packed);
    EXPECT_THAT(RunOnPdma(packets), IsOk());
  }
}

TEST_P(Gaudi2Test, ScalarsAreExecuted) {
  Packets scalars;
  scalars.Add(Message(SobAddress(kSob), sm2::SobAdd(1)));
  abi2::PacketLoadAndExe execute;
  execute.cfg = abi2::PacketLoadAndExe::LOAD::Set(execute.cfg, 1);
  execute.cfg = abi2::PacketLoadAndExe::DST::Set(execute.cfg, 1);
  execute.cfg = abi2::PacketLoadAndExe::EXE::Set(execute.cfg, 1);
  execute.src_addr = card_.Upload(scalars.bytes()).value();
  Packets packets;
  packets.Add(execute);
  Await(packets, kSob);
  EXPECT_THAT(RunOnPdma(packets), IsOk());
  // What the dialect refuses in a buffer it refuses here.
  Packets refused;
  refused.Add(abi2::PacketWreg64Short()).Nop();
  execute.src_addr = card_.Upload(refused.bytes()).value();
  ExpectRefused(Packets().Add(execute), "WREG_64_SHORT");
  execute.cfg = abi2::PacketLoadAndExe::PMAP::Set(execute.cfg, 1);
  ExpectRefused(Packets().Add(execute), "PMAP");
}

TEST_P(Gaudi2Test, WhatIsNotModelledIsRefusedByName) {
  ExpectRefused(Packets().Add(abi2::PacketCbList()), "CB_LIST");
  ExpectRefused(Packets().Add(abi2::PacketWriteArcStream()), "WRITE_ARC_STREAM");
  ExpectRefused(Packets().Add(abi2::PacketWreg64Short()), "WREG_64_SHORT");
  ExpectRefused(Packets().Add(abi2::PacketWreg64Long()), "WREG_64_LONG");
  abi2::PacketNop nop;
  nop.ctl = abi2::Ctl::SWTC::Set(nop.ctl, 1);
  ExpectRefused(Packets().Add(nop), "SWTC");
  abi2::PacketMsgShort two;
  two.ctl = abi2::PacketMsgShort::DW::Set(two.ctl, 1);
  ExpectRefused(Packets().Add(two), "DW");
  abi2::PacketLinDma swap;
  swap.tsize = 64;
  swap.ctl = abi2::PacketLinDma::ENDIAN::Set(swap.ctl, 1);
  ExpectRefused(Packets().Add(swap), "ENDIAN_SWAP");
}

TEST_P(Gaudi2Test, TheKernelsObjectsAreNotTheUsers) {
  ExpectRefused(Packets().Add(Message(SobAddress(0), 1)).Add(Fence(0)), "SOB 0");
  EXPECT_THAT(RunOnPdma(Packets().Add(Message(SobAddress(0, 1), 1))), IsOk());
  ExpectRefused(
      Packets().Add(Message(abi2::SyncManagerObjsBase(1) + sm2::CQ_SEC::At(0), 1)).Add(Fence(0)),
      "DCORE1");
}

INSTANTIATE_TEST_SUITE_P(Modes, Gaudi2Test,
                         ::testing::Values("sim:gaudi2", "sim:gaudi2,hazards=on",
                                           "sim:gaudi2,mode=functional"));

}  // namespace
}  // namespace openhpu::simulator
