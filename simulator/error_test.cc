// What goes wrong is told by name, and the card serves again after a reset.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Packet>
Packets One(const Packet& packet) {
  return Packets().Add(packet);
}

class ErrorTest : public ::testing::TestWithParam<const char*> {
 protected:
  absl::Status External(const Packets& packets, uint32_t queue = abi::DmaQueue(0, 0)) {
    return card_.Run({card_.External(queue, packets)});
  }
  // Runs it as an internal queue's upper commands, beside an external job that waits for what does
  // not come.
  absl::Status Internal(const Packets& packets, uint32_t queue) {
    Packets wait;
    wait.Await(8, 1, 0, abi::DmaQmanBase(0), 0);
    return card_.Run({card_.Internal(queue, packets), card_.External(abi::DmaQueue(0, 0), wait)});
  }
  void ExpectHealthyAfterReset() {
    EXPECT_THAT(card_.Submit({card_.External(abi::DmaQueue(0, 0), Packets().Nop())}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("reset")));
    EXPECT_THAT(card_->Reset(), IsOk());
    card_->TakeEvents();
    const std::vector<uint32_t> values(300, 4);
    EXPECT_EQ(card_.ReadAll<uint32_t>(card_.Upload(values), 300), values);
  }
  void ExpectEvent(hal::HealthEvent::Kind kind) {
    const std::vector<hal::HealthEvent> events = card_->TakeEvents();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, kind);
  }

  TestCard card_{GetParam()};
};

TEST_P(ErrorTest, ExternalQueuesRefuseWhatTheKernelDriverRefuses) {
  const auto refused = [&](const Packets& packets, absl::StatusCode code, const char* what) {
    EXPECT_THAT(External(packets), StatusIs(code, HasSubstr(what)));
  };
  constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  refused(Packets().Nop().Add(abi::PacketMsgProt()), kDenied, "packet 1: MSG_PROT");
  refused(One(abi::PacketCpDma()), kDenied, "packet 0: CP_DMA");
  refused(One(abi::PacketStop()), kDenied, "STOP");
  refused(One(abi::PacketWregBulk()), kDenied, "WREG_BULK");
  abi::PacketLoadAndExe load;
  load.cfg = abi::PacketLoadAndExe::DST::Set(load.cfg, 1);
  refused(One(load), kDenied, "LOAD_AND_EXE");
  refused(One(abi::PacketWait()), kInvalid, "WAIT");
  abi::PacketNop unknown;
  unknown.ctl = abi::Ctl::OPCODE::Set(0, 0x1B);
  refused(Packets().Nop().Nop().Add(unknown), kInvalid, "packet 2: unknown opcode 0x1b");
  Packets cut;
  abi::PacketNop half;
  half.ctl = abi::Ctl::OPCODE::Set(0, static_cast<uint32_t>(abi::Opcode::kLinDma));
  refused(cut.Nop().Add(half), kInvalid, "packet 1: passes the end");
  EXPECT_EQ(card_->statistics().submissions, 0u);
  EXPECT_THAT(External(Packets().Nop()), IsOk());
}

TEST_P(ErrorTest, SubmissionsAreCheckedBeforeAnythingIsQueued) {
  const hal::Chunk good = card_.External(abi::DmaQueue(0, 0), Packets().Nop().Nop());
  const auto submit = [&](hal::Chunk chunk) { return card_.Submit({good, chunk}).status(); };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(card_.Submit({}), StatusIs(kInvalid));
  EXPECT_THAT(card_.Submit(std::vector<hal::Chunk>(hal::kMaxChunks + 1, good)), StatusIs(kInvalid));
  hal::Chunk chunk = good;
  chunk.queue = QueueId(113);
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("chunk 1: queue 113")));
  chunk.queue = QueueId(abi::kCpuQueue);
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("kernel driver")));
  chunk.queue = QueueId(abi::NicQueue(0, 0));
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("NIC")));
  chunk = good;
  chunk.commands = 12345;
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("handle 12345")));
  chunk = good;
  chunk.bytes = 24;
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("24 bytes")));
  chunk.bytes = 12;
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid, HasSubstr("multiple of 8")));
  chunk.bytes = 0;
  EXPECT_THAT(submit(chunk), StatusIs(kInvalid));
  const uint64_t bad_addresses[] = {
      0x1000, card_->info().dram_user_base.value() + card_->info().dram_user_bytes - 8,
      0x7FFC000000, 0x1000000000000};
  for (uint64_t address : bad_addresses) {
    EXPECT_THAT(submit({QueueId(abi::DmaQueue(2, 0)), address, 16}),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("chunk 1")));
  }
  EXPECT_EQ(card_->statistics().submissions, 0u);
}

TEST_P(ErrorTest, AFullQueueIsRetryable) {
  // Stream 0 of DMA 0 waits for a sync object.
  Packets wait;
  wait.Await(8, 1, 0, abi::DmaQmanBase(0), 0).Sob(8, 0);
  const hal::Chunk blocked = card_.External(abi::DmaQueue(0, 0), wait);
  const hal::Chunk queued = card_.External(abi::DmaQueue(0, 0), Packets().Nop());
  const uint64_t entries = card_->info().chip.qman().pq_entries_external().value();
  const uint64_t pending = card_->info().chip.qman().max_pending_cs().value();
  ASSERT_OK_AND_ASSIGN(Sequence last, card_.Submit({blocked}));
  for (uint64_t i = 1; i < std::min(entries, pending); ++i) {
    ASSERT_OK_AND_ASSIGN(last, card_.Submit({queued}));
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(card_.Submit({queued}), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  if (entries < pending) {
    // Other queues have room.
    Packets signal;
    signal.AddSob(8);
    EXPECT_THAT(card_.Submit({card_.External(abi::DmaQueue(0, 1), signal)}), IsOk());
    EXPECT_THAT(card_.Wait(last), IsOk());
  } else {
    EXPECT_THAT(card_->Reset(), IsOk());
    EXPECT_THAT(card_.Wait(last), StatusIs(absl::StatusCode::kAborted, HasSubstr("reset")));
  }
  EXPECT_THAT(card_.Submit({queued}), IsOk());
}

TEST_P(ErrorTest, AnUnknownOpcodeIsNamedWithItsPlace) {
  abi::PacketNop unknown;
  unknown.ctl = abi::Ctl::OPCODE::Set(0, 0x1E);
  EXPECT_THAT(Internal(Packets().Nop().Nop().Add(unknown), abi::TpcQueue(1, 2)),
              StatusIs(absl::StatusCode::kAborted, AllOf(HasSubstr("TPC1 stream 2 packet 2"),
                                                         HasSubstr("unknown opcode 0x1e"))));
  ExpectEvent(hal::HealthEvent::Kind::kUndefinedOpcode);
  ExpectHealthyAfterReset();
}

TEST_P(ErrorTest, AnErrorInABodyIsNamedWithItsStreamAndPacket) {
  Packets body, upper;
  body.Nop().Add(abi::PacketStop());
  upper.Nop().Body(card_.Upload(body.bytes()), 16);
  EXPECT_THAT(Internal(upper, abi::MmeQueue(0, 3)),
              StatusIs(absl::StatusCode::kAborted,
                       AllOf(HasSubstr("MME0 stream 3 body packet 1"), HasSubstr("STOP"))));
  ExpectHealthyAfterReset();
}

TEST_P(ErrorTest, UnmappedAddressesArePageFaults) {
  std::vector<uint32_t> data(64);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress host, card_->MapHost(data.data(), 256));
  const DeviceAddress device = card_.Allocate(256);
  const auto fails = [&](DeviceAddress from, DeviceAddress to, uint32_t bytes, const char* what) {
    EXPECT_THAT(External(Packets().Nop().Copy(from, to, bytes)),
                StatusIs(absl::StatusCode::kAborted,
                         AllOf(HasSubstr("DMA0 stream 0 packet 1"), HasSubstr(what))));
    ExpectEvent(hal::HealthEvent::Kind::kPageFault);
    ExpectHealthyAfterReset();
  };
  fails(host, device, 512, "0x");
  fails(device, DeviceAddress(0x1000), 256, "kernel driver");
  fails(device, DeviceAddress(0x2000000000), 256, "0x2000000000");
  ASSERT_THAT(card_->UnmapHost(host), IsOk());
  fails(host, device, 256, "0x");
}

TEST_P(ErrorTest, WritesToWhatIsNotTheUsersAreFlagged) {
  const uint64_t first_sob =
      abi::SyncManagerObjsBase(abi::kWestSouth) + abi::sync_manager::SOB_OBJ::kOffset;
  EXPECT_THAT(External(Packets().MessageLong(first_sob + 4 * 3, 1)),
              StatusIs(absl::StatusCode::kAborted, AllOf(HasSubstr("SOB 3"), HasSubstr("W_S"))));
  ExpectEvent(hal::HealthEvent::Kind::kRazwi);
  ExpectHealthyAfterReset();
  EXPECT_THAT(External(Packets().MessageLong(first_sob + 4 * 200, 1)), IsOk());
  EXPECT_THAT(External(Packets().MessageLong(abi::DmaQmanBase(3), 1)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("DMA3")));
  ExpectHealthyAfterReset();
  EXPECT_THAT(External(Packets().Register(0x8000, 1)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("queue manager")));
  ExpectHealthyAfterReset();
  EXPECT_THAT(External(Packets().Register(0x4000, 1)),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("0x4000")));
  ExpectHealthyAfterReset();
}

TEST_P(ErrorTest, OthersInFlightNeedTheReset) {
  Packets wait, stop;
  wait.Await(8, 1, 0, abi::DmaQmanBase(0), 0);
  stop.Add(abi::PacketStop());
  const hal::Chunk bad_chunk = card_.Internal(abi::TpcQueue(0, 0), stop);
  ASSERT_OK_AND_ASSIGN(const Sequence done,
                       card_.Submit({card_.External(abi::DmaQueue(1, 0), Packets().Nop())}));
  ASSERT_THAT(card_.Wait(done), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence other,
                       card_.Submit({card_.External(abi::DmaQueue(0, 0), wait)}));
  ASSERT_OK_AND_ASSIGN(const Sequence bad, card_.Submit({bad_chunk}));
  EXPECT_THAT(card_.Wait(other),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("STOP")));
  EXPECT_THAT(card_.Wait(bad), StatusIs(absl::StatusCode::kAborted, HasSubstr("STOP")));
  EXPECT_THAT(card_.Wait(done), IsOk());
  EXPECT_THAT(card_->Reset(), IsOk());
  EXPECT_THAT(card_.Wait(other), StatusIs(absl::StatusCode::kAborted, HasSubstr("reset")));
  EXPECT_THAT(card_.Wait(bad), StatusIs(absl::StatusCode::kAborted, HasSubstr("STOP")));
  EXPECT_THAT(External(Packets().Nop()), IsOk());
}

TEST_P(ErrorTest, WaitsAreChecked) {
  EXPECT_THAT(card_->Wait({}, hal::WaitFor::kAll, absl::InfiniteDuration()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(card_.Wait(Sequence(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1")));
  EXPECT_THAT(card_.Wait(Sequence(0)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(card_->GetSyncManagerInfo(4), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(card_->GetSyncManagerInfo(-1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(card_->Free(DeviceAddress(0x30000000)), Not(IsOk()));
  EXPECT_THAT(card_->UnmapHost(DeviceAddress(77)), Not(IsOk()));
  EXPECT_THAT(card_->DestroyCommandMemory(77), StatusIs(absl::StatusCode::kNotFound));
}

INSTANTIATE_TEST_SUITE_P(Modes, ErrorTest,
                         ::testing::Values("sim:tiny", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on,qman.max_pending_cs=1024"));

}  // namespace
}  // namespace openhpu::simulator
