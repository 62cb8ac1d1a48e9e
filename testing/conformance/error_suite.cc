// Errors: what is refused at submission, what fails on the device, and what is left afterwards.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "hal/abi/gaudi/packets.h"
#include "testing/conformance/fixture.h"

namespace openhpu::conformance {
namespace {

namespace abi = hal::abi::gaudi;
using absl::StatusCode;
using testing::HasSubstr;

class ErrorSuite : public ConformanceTest {
 protected:
  hal::Chunk Good() {
    return External(kHostIn, 0, [](hal::CommandWriter& w) {
      EXPECT_THAT(w.SetSob(hal::Sob{0}, 0, false), IsOk());
    });
  }
  // The device works, values included.
  void ExpectUsable() {
    const std::vector<uint32_t> values = {1, 2, 3, 4};
    EXPECT_EQ(Download<uint32_t>(Upload(values)), values);
  }
  // `chunks` fail on the device with `what` in the message, for good, until a reset.
  void ExpectFailure(const std::vector<hal::Chunk>& chunks, const std::string& what) {
    const hal::Chunk good = Good();
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit(chunks));
    const absl::Status failure = Wait(sequence);
    EXPECT_FALSE(failure.ok());
    EXPECT_THAT(std::string(failure.message()), HasSubstr(what));
    EXPECT_EQ(Wait(sequence), failure);
    ASSERT_THAT(device().Reset(), IsOk());
    EXPECT_FALSE(Wait(sequence).ok());
    EXPECT_THAT(Run({good}), IsOk());
    ExpectUsable();
  }
  std::vector<uint32_t> Packet(abi::Opcode opcode, size_t words) {
    std::vector<uint32_t> packet(words, 0);
    packet[1] = abi::Ctl::OPCODE::Set(0, static_cast<uint32_t>(opcode));
    return packet;
  }
};

TEST_F(ErrorSuite, ASubmissionHasOneToAllowedChunks) {
  EXPECT_THAT(Submit({}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Submit(std::vector<hal::Chunk>(hal::kMaxChunks + 1, Good())),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ErrorSuite, UnknownQueuesAreRefused) {
  hal::Chunk chunk = Good();
  for (uint64_t queue : {uint64_t{8}, uint64_t{113}, uint64_t{1} << 40}) {
    chunk.queue = QueueId(queue);
    EXPECT_THAT(Submit({chunk}), StatusIs(StatusCode::kInvalidArgument)) << queue;
  }
}

TEST_F(ErrorSuite, ExternalCommandsNeedTheirMemory) {
  hal::Chunk chunk = Good();
  chunk.bytes += 8;
  EXPECT_THAT(Submit({chunk}), StatusIs(StatusCode::kInvalidArgument));
  chunk.bytes = 0;
  EXPECT_THAT(Submit({chunk}), StatusIs(StatusCode::kInvalidArgument));
  chunk = Good();
  chunk.commands += 1000;
  EXPECT_THAT(Submit({chunk}), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ErrorSuite, InternalCommandsLieInTheUsersMemory) {
  hal::Chunk chunk = {QueueId(*hal::QueueOf(chip(), ComputeDma(0), 0)), 0, 8};
  const hal::DeviceInfo& info = driver().info();
  for (uint64_t address : {uint64_t{0}, info.dram_user_base.value() - 8,
                           info.dram_user_base.value() + info.dram_user_bytes - 4,
                           info.sram_user_base.value() - 8, ~uint64_t{0} - 3}) {
    chunk.commands = address;
    EXPECT_THAT(Submit({chunk}), StatusIs(StatusCode::kOutOfRange)) << address;
  }
}

TEST_F(ErrorSuite, NothingOfARefusedSubmissionRuns) {
  const Memory memory = Upload(std::vector<uint32_t>{1, 1});
  const hal::Chunk copy = External(kHostIn, 0, [&](hal::CommandWriter& w) {
    EXPECT_THAT(w.HostCopy(memory.at(0), memory.at(4), 4), IsOk());
  });
  hal::Chunk bad = Good();
  bad.queue = QueueId(8);
  EXPECT_FALSE(Submit({copy, bad}).ok());
  ExpectUsable();
}

TEST_F(ErrorSuite, ForbiddenPacketsOfAnExternalQueueAreNotPermitted) {
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kMsgProt, 4))}),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kCpDma, 4))}),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kStop, 2))}),
              StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kWregBulk, 2))}),
              StatusIs(StatusCode::kPermissionDenied));
  ExpectUsable();
}

TEST_F(ErrorSuite, WhatIsNoPacketOfAnExternalQueueIsInvalid) {
  EXPECT_THAT(Submit({RawExternal(0, {0, 0})}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kWait, 2))}),
              StatusIs(StatusCode::kInvalidArgument));
  // A LIN_DMA has six words.
  EXPECT_THAT(Submit({RawExternal(0, Packet(abi::Opcode::kLinDma, 4))}),
              StatusIs(StatusCode::kInvalidArgument));
  ExpectUsable();
}

TEST_F(ErrorSuite, AnUnknownPacketOfAnInternalQueueFailsByName) {
  ExpectFailure({RawUpper(ComputeDma(0), 1, {0, 0}), Finish(0, {{0, 1, 1}})}, "DMA2");
}

TEST_F(ErrorSuite, AnUnmappedAddressFails) {
  const Memory memory = Allocate(128);
  const uint32_t nowhere = Symbol(DeviceAddress(0x700000000000));
  ExpectFailure({External(kHostIn, 0,
                          [&](hal::CommandWriter& w) {
                            EXPECT_THAT(w.HostCopy({nowhere, 0}, memory.at(0), 128), IsOk());
                          })},
                "0x700000000000");
}

TEST_F(ErrorSuite, AFenceThatNobodyServesIsADeadlockThatNamesIt) {
  ExpectFailure({Finish(2, {{1, 0x04, 3}})}, "DMA0");
}

TEST_F(ErrorSuite, AWrongCountIsFoundAndNamed) {
  const Memory memory = Allocate(256);
  const Body body = MakeBody(ComputeDma(1), [&](hal::CommandWriter& w) {
    EXPECT_THAT(w.Dma(hal::DmaFill{memory.at(0), 256, 0}, hal::Sob{0}), IsOk());
  });
  ExpectFailure(
      {Upper(ComputeDma(1), 0,
             [&](hal::CommandWriter& w) { EXPECT_THAT(w.Run(body.address, body.bytes), IsOk()); }),
       Finish(0, {{0, 1, 2}})},
      "monitor");
}

TEST_F(ErrorSuite, EventsAreTakenOnce) {
  const uint32_t nowhere = Symbol(DeviceAddress(0x700000000000));
  const Memory memory = Allocate(128);
  EXPECT_FALSE(Run({External(kHostIn, 0, [&](hal::CommandWriter& w) {
                 EXPECT_THAT(w.HostCopy({nowhere, 0}, memory.at(0), 128), IsOk());
               })}).ok());
  EXPECT_FALSE(driver().TakeEvents().empty());
  EXPECT_TRUE(driver().TakeEvents().empty());
}

TEST_F(ErrorSuite, SyncManagersAreKnownByNumber) {
  const int count = static_cast<int>(chip().sync().count().value());
  for (int i = 0; i < count; ++i) {
    ASSERT_OK_AND_ASSIGN(const hal::SyncManagerInfo info, driver().GetSyncManagerInfo(i));
    EXPECT_GT(info.num_sobs, 0u);
    EXPECT_GT(info.num_monitors, 0u);
  }
  EXPECT_FALSE(driver().GetSyncManagerInfo(count).ok());
  EXPECT_FALSE(driver().GetSyncManagerInfo(-1).ok());
}

}  // namespace
}  // namespace openhpu::conformance
