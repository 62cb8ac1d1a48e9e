// What is refused before anything runs: submissions, command buffers and waits that are wrong. A
// refusal harms nothing.
#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "testing/conformance/addresses.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

namespace abi = hal::abi::gaudi;
using absl::StatusCode;
using hal::WaitFor;
using testing::AllOf;
using testing::HasSubstr;

class ErrorSuite : public DriverSuite {
 protected:
  // After whatever was refused the device works, and nothing has happened on it.
  void TearDown() override {
    if (!IsSkipped() && !HasFatalFailure()) ExpectUnharmed();
    DriverSuite::TearDown();
  }
  void ExpectUnharmed() {
    EXPECT_TRUE(driver().TakeEvents().empty());
    auto nop = PlaceNop();
    ASSERT_OK(nop);
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&*nop, 1}));
    EXPECT_OK(Wait(sequence));
  }
  absl::Status SubmitOne(const hal::Chunk& chunk) { return driver().Submit({&chunk, 1}).status(); }
  // The packet, between two others, as an external job.
  template <typename Packet>
  absl::Status SubmitExternal(const Packet& packet) {
    Job job = NewJob(HostDma(0));
    job.Raw(abi::PacketNop()).Raw(packet).Raw(abi::PacketNop());
    auto chunk = Place(job);
    if (!chunk.ok()) return chunk.status();
    return SubmitOne(*chunk);
  }
};

TEST_F(ErrorSuite, NoChunksAndTooManyAreRefused) {
  EXPECT_THAT(driver().Submit({}), StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  const std::vector<hal::Chunk> many(hal::kMaxChunks + 1, nop);
  EXPECT_THAT(driver().Submit(many), StatusIs(StatusCode::kInvalidArgument, HasSubstr("513")));
}

TEST_F(ErrorSuite, QueuesThatDoNotExistAreRefused) {
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, PlaceNop());
  for (uint64_t queue : MissingQueues(chip())) {
    chunk.queue = QueueId(queue);
    EXPECT_THAT(SubmitOne(chunk),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(absl::StrCat(queue))));
  }
}

TEST_F(ErrorSuite, TheKernelsOwnQueueIsRefused) {
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, PlaceNop());
  chunk.queue = QueueId(KernelsQueue(chip()));
  EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ErrorSuite, SizesThatAreNoPacketsAreRefused) {
  Job internal = NewJob(ComputeDma(0));
  internal.Raw(abi::PacketNop()).Raw(abi::PacketNop());
  ASSERT_OK_AND_ASSIGN(const hal::Chunk good, Place(internal));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  for (const uint32_t bytes : {0u, 1u, 4u, 7u, 12u, ~0u}) {
    hal::Chunk chunk = nop;
    chunk.bytes = bytes;
    EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument)) << bytes;
    chunk = good;
    chunk.bytes = bytes;
    EXPECT_FALSE(driver().Submit(std::array<hal::Chunk, 2>{chunk, nop}).ok()) << bytes;
  }
}

TEST_F(ErrorSuite, MoreThanTheCommandMemoryIsRefused) {
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, PlaceNop());
  for (const uint32_t bytes : {16u, 4096u, 1u << 31, 0xFFFFFFF8u}) {
    chunk.bytes = bytes;
    EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument)) << bytes;
  }
}

TEST_F(ErrorSuite, UnknownCommandMemoryIsRefused) {
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, PlaceNop());
  const uint64_t known = chunk.commands;
  for (const uint64_t handle : {uint64_t{0}, known + 1000, ~uint64_t{0}}) {
    chunk.commands = handle;
    EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument)) << handle;
  }
  EXPECT_OK(driver().DestroyCommandMemory(known));
  chunk.commands = known;
  EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ErrorSuite, InternalCommandsOutsideUserMemoryAreRefused) {
  Job job = NewJob(ComputeDma(0));
  job.Raw(abi::PacketNop()).Raw(abi::PacketNop());
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, Place(job));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  const hal::DeviceInfo& info = driver().info();
  const uint64_t addresses[] = {
      0,
      info.dram_user_base.value() - 8,                                     // straddles
      info.dram_user_base.value() - 16,                                    // the kernel's
      info.dram_user_base.value() + info.dram_user_bytes - 8,              // straddles
      info.dram_user_base.value() + info.dram_user_bytes,                  // behind
      info.sram_user_base.value() - 8,                                     // straddles
      info.sram_user_base.value() + info.sram_user_bytes - 8,              // straddles
      chip().address_map().cfg_base().value(),                             // registers
      chip().address_map().host_va_start().value() + (uint64_t{1} << 40),  // not mapped
      ~uint64_t{0} - 15,                                                   // to the very end
      ~uint64_t{0} - 7,                                                    // wraps around
  };
  for (uint64_t address : addresses) {
    chunk.commands = address;
    EXPECT_THAT(driver().Submit(std::array<hal::Chunk, 2>{chunk, nop}),
                StatusIs(StatusCode::kOutOfRange))
        << std::hex << address;
  }
}

TEST_F(ErrorSuite, OneBadChunkRefusesAllAndIsNamed) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(Pattern(64, 1)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(64)));
  Job job = NewJob(HostDma(0));
  job.HostCopy(dram, out->address, 64);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk copy, Place(job));
  hal::Chunk bad = copy;
  bad.queue = QueueId(MissingQueues(chip())[0]);
  for (size_t place = 0; place < 4; ++place) {
    std::array<hal::Chunk, 4> chunks = {copy, copy, copy, copy};
    chunks[place] = bad;
    EXPECT_THAT(driver().Submit(chunks),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("chunk ", place))));
  }
  ExpectUnharmed();
  EXPECT_TRUE(out->bytes == Bytes(64));
}

TEST_F(ErrorSuite, UnknownOpcodesInExternalBuffersAreRefused) {
  for (uint32_t opcode = 0; opcode < 32; ++opcode) {
    if (abi::PacketBytes(static_cast<abi::Opcode>(opcode)) != 0) continue;
    abi::PacketNop packet;
    packet.ctl = abi::Ctl::OPCODE::Set(packet.ctl, opcode);
    EXPECT_THAT(SubmitExternal(packet),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("packet 1")))
        << opcode;
  }
}

TEST_F(ErrorSuite, ForbiddenPacketsInExternalBuffersAreDenied) {
  const auto denied = [](const char* name) {
    return StatusIs(StatusCode::kPermissionDenied, AllOf(HasSubstr("packet 1"), HasSubstr(name)));
  };
  EXPECT_THAT(SubmitExternal(abi::PacketMsgProt()), denied("MSG_PROT"));
  EXPECT_THAT(SubmitExternal(abi::PacketCpDma()), denied("CP_DMA"));
  EXPECT_THAT(SubmitExternal(abi::PacketStop()), denied("STOP"));
  EXPECT_THAT(SubmitExternal(abi::PacketWregBulk()), denied("WREG_BULK"));
  abi::PacketLoadAndExe predicates;
  predicates.cfg = abi::PacketLoadAndExe::DST::Set(0, 1);
  EXPECT_THAT(SubmitExternal(predicates), denied("LOAD_AND_EXE"));
}

TEST_F(ErrorSuite, WaitInAnExternalBufferIsRefused) {
  EXPECT_THAT(SubmitExternal(abi::PacketWait()),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("packet 1")));
}

TEST_F(ErrorSuite, PacketsPastTheEndOfAnExternalBufferAreRefused) {
  Job job = NewJob(HostDma(0));
  job.Raw(abi::PacketNop()).Raw(abi::PacketLinDma());
  ASSERT_OK_AND_ASSIGN(hal::Chunk chunk, Place(job));
  for (const uint32_t bytes : {16u, 24u}) {
    chunk.bytes = bytes;
    EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument, HasSubstr("packet 1")));
  }
  Job message = NewJob(HostDma(0));
  message.Raw(abi::PacketMsgLong());
  ASSERT_OK_AND_ASSIGN(chunk, Place(message));
  chunk.bytes = 8;
  EXPECT_THAT(SubmitOne(chunk), StatusIs(StatusCode::kInvalidArgument, HasSubstr("packet 0")));
}

TEST_F(ErrorSuite, WaitsForNoneAndForMoreThan32AreRefused) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&nop, 1}));
  const std::vector<Sequence> many(hal::kMaxWaits + 1, sequence);
  for (const WaitFor what : {WaitFor::kAll, WaitFor::kAny}) {
    for (const absl::Duration timeout : {absl::ZeroDuration(), absl::InfiniteDuration()}) {
      EXPECT_THAT(driver().Wait({}, what, timeout), StatusIs(StatusCode::kInvalidArgument));
      EXPECT_THAT(driver().Wait(many, what, timeout),
                  StatusIs(StatusCode::kInvalidArgument, HasSubstr("33")));
    }
  }
}

TEST_F(ErrorSuite, WaitsForUnknownSubmissionsAreRefused) {
  EXPECT_THAT(Wait(Sequence(1)), StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&nop, 1}));
  for (const Sequence unknown : {Sequence(0), sequence + 1, Sequence(~uint64_t{0})}) {
    EXPECT_THAT(Wait(unknown),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(absl::StrCat(unknown.value()))));
    const std::array<Sequence, 2> both = {sequence, unknown};
    EXPECT_THAT(driver().Wait(both, WaitFor::kAny, absl::InfiniteDuration()),
                StatusIs(StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace openhpu::conformance
