// What goes wrong on the device: the submission fails with an error that names engine, queue and
// packet, its event is reported, everything is refused until a reset, and then all is well. Nothing
// hangs.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "testing/conformance/addresses.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;
using absl::StatusCode;
using hal::HealthEvent;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class FaultSuite : public DriverSuite {
 protected:
  // What people call the engine.
  std::string Name(hal::Engine engine) { return EngineName(chip(), engine); }

  // What a kernel makes of it.
  HealthEvent::Kind AsKnown(HealthEvent::Kind kind) {
    return !knows_why() && kind == HealthEvent::Kind::kDeadlock ? HealthEvent::Kind::kTimeout
                                                                : kind;
  }

  // A copy in and out is right.
  void ExpectUsable() {
    const Bytes data = Pattern(5000, 9);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(data));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
    EXPECT_TRUE(got == data);
    EXPECT_OK(driver().Free(dram));
  }

  // `job` fails with an event of this kind, and a message that names its engine and stream, and has
  // `says`. An internal job gets a companion that waits for it.
  void ExpectFault(Job& job, HealthEvent::Kind kind, const std::string& says) {
    ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
    Job companion = NewJob(HostDma(host_dmas() - 1), 2);
    companion.Await({Reaches(500, 1)});
    ASSERT_OK_AND_ASSIGN(const hal::Chunk wait, Place(companion));
    ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
    std::vector<hal::Chunk> chunks = {chunk};
    if (!job.external()) chunks.push_back(wait);
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit(chunks));
    const absl::Status status = Wait(sequence);
    std::string messages;
    if (knows_why()) {
      EXPECT_THAT(
          status,
          StatusIs(StatusCode::kAborted,
                   AllOf(HasSubstr(absl::StrCat(Name(job.engine()), " stream ", job.stream())),
                         HasSubstr("packet "), HasSubstr(says))));
      EXPECT_THAT(TakeEventKinds(&messages), testing::ElementsAre(kind)) << messages;
      EXPECT_THAT(messages, HasSubstr(says));
    } else {
      EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
      const std::vector<HealthEvent::Kind> kinds = TakeEventKinds(&messages);
      ASSERT_FALSE(kinds.empty());
      EXPECT_EQ(kinds.front(), AsKnown(kind)) << messages;
      EXPECT_THAT(kinds, Contains(HealthEvent::Kind::kReset)) << messages;
      EXPECT_THAT(messages,
                  HasSubstr(kind == HealthEvent::Kind::kDeadlock         ? "timed out"
                            : job.engine().kind == hal::EngineKind::kMme ? "MME"
                                                                         : Name(job.engine())));
    }
    // It stays so until the reset.
    EXPECT_EQ(Wait(sequence), status);
    EXPECT_EQ(Wait(sequence, absl::ZeroDuration()), status);
    EXPECT_THAT(driver().Submit({&nop, 1}), StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_OK(driver().Reset());
    EXPECT_EQ(Wait(sequence), status);
    TakeEventKinds();
    ExpectUsable();
  }

  template <typename Packet>
  void ExpectInternalFault(const Packet& packet, HealthEvent::Kind kind, const std::string& says) {
    for (const bool body : {false, true}) {
      SCOPED_TRACE(body ? "in a body" : "in an upper buffer");
      Job job = NewJob(ComputeDma(0), 1);
      if (body) {
        job.BodyRaw(abi::PacketNop()).BodyRaw(packet).Run();
      } else {
        job.Raw(abi::PacketNop()).Raw(packet);
      }
      ExpectFault(job, kind, absl::StrCat("packet 1"));
      // The same once more, for the reason.
      Job again = NewJob(ComputeDma(0), 2);
      again.Raw(packet);
      ExpectFault(again, kind, says);
    }
  }

  static abi::PacketMsgLong Message(uint64_t address, uint32_t value) {
    abi::PacketMsgLong packet;
    packet.addr = address;
    packet.value = value;
    return packet;
  }
  static abi::PacketFence Fence(uint32_t fence, uint32_t target) {
    abi::PacketFence packet;
    packet.cfg = abi::PacketFence::ID::Set(packet.cfg, fence);
    packet.cfg = abi::PacketFence::TARGET_VAL::Set(packet.cfg, target);
    packet.cfg = abi::PacketFence::DEC_VAL::Set(packet.cfg, target);
    return packet;
  }
  uint64_t EndOfDram() {
    return driver().info().dram_user_base.value() + driver().info().dram_user_bytes;
  }
  // Of SRAM, or just before it, and not the user's.
  uint64_t KernelsSram() {
    const hal::AddressMap& map = chip().address_map();
    return map.sram_base().value() - (map.sram_reserved_bytes().value() == 0 ? 64 : 0);
  }
  uint64_t UnmappedHost() {
    return chip().address_map().host_va_start().value() + (uint64_t{1} << 40);
  }
};

TEST_F(FaultSuite, UnknownOpcodesStopInternalQueues) {
  abi::PacketNop packet;
  packet.ctl = abi::Ctl::OPCODE::Set(packet.ctl, 0x1B);
  ExpectInternalFault(packet, HealthEvent::Kind::kUndefinedOpcode, "0x1b");
}

TEST_F(FaultSuite, StopIsAnError) {
  ExpectInternalFault(abi::PacketStop(), HealthEvent::Kind::kUndefinedOpcode, "STOP");
}

TEST_F(FaultSuite, PacketsPastTheEndStopInternalQueues) {
  const abi::PacketMsgLong packet;
  struct Half {
    uint32_t words[2];
  } half;
  std::memcpy(&half, &packet, sizeof half);
  ExpectInternalFault(half, HealthEvent::Kind::kUndefinedOpcode, "passes the end");
}

TEST_F(FaultSuite, BodiesDoNotNest) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(Bytes(64)));
  abi::PacketCpDma packet;
  packet.tsize = 64;
  packet.src_addr = dram.value();
  Job job = NewJob(ComputeDma(0));
  job.BodyRaw(packet).Run();
  ExpectFault(job, HealthEvent::Kind::kUndefinedOpcode, "CP_DMA");
}

TEST_F(FaultSuite, BodiesMustBeInUserMemory) {
  for (const uint64_t address : {uint64_t{0x1000}, EndOfDram(), EndOfDram() - 8, UnmappedHost(),
                                 KernelsSram(), ~uint64_t{0} - 15}) {
    abi::PacketCpDma packet;
    packet.tsize = 16;
    packet.src_addr = address;
    Job job = NewJob(ComputeDma(0), 3);
    job.Raw(packet);
    ExpectFault(job, HealthEvent::Kind::kPageFault, "0x");
  }
}

TEST_F(FaultSuite, HostCopiesOfWhatIsNotMappedFault) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(4096));
  ASSERT_OK_AND_ASSIGN(HostMemory* const gone, MapHost(Bytes(4096)));
  ASSERT_OK(driver().UnmapHost(gone->address));
  ASSERT_OK_AND_ASSIGN(HostMemory* const small, MapHost(Bytes(4096)));
  struct Case {
    uint64_t from, to, bytes;
  };
  const Case cases[] = {
      {UnmappedHost(), dram.value(), 64},
      {dram.value(), UnmappedHost(), 64},
      {gone->address.value(), dram.value(), 64},
      {small->address.value(), dram.value(), 1 << 20},  // runs out of the mapping
      {dram.value(), EndOfDram() - 32, 64},             // and out of the memory
      {dram.value(), 0x1000, 64},                       // the kernel's
      {KernelsSram(), dram.value(), 64},                // the kernel's too
      {dram.value(), (uint64_t{1} << 56) - 64, 64},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(i);
    if (cases[i].from == gone->address.value() && gone->address == small->address) continue;
    Job job = NewJob(HostDma(0), 1);
    job.HostCopy(DeviceAddress(cases[i].from), DeviceAddress(cases[i].to), cases[i].bytes);
    ExpectFault(job, HealthEvent::Kind::kPageFault, "packet 0");
  }
}

TEST_F(FaultSuite, InternalCopiesOutOfMemoryFault) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(4096));
  hal::DmaCopy last_row = Linear(dram, DeviceAddress(EndOfDram() - 4096), 64);
  // Only the last of the rows leaves the memory.
  last_row.sizes = {5, 1, 1, 1};
  last_row.source_strides = {64, 0, 0, 0};
  last_row.destination_strides = {1024, 0, 0, 0};
  for (const hal::DmaCopy& copy : {Linear(DeviceAddress(UnmappedHost()), dram, 64),
                                   Linear(dram, DeviceAddress(64), 64), last_row}) {
    Job job = NewJob(ComputeDma(0), 2);
    job.Dma(copy, 0).Run();
    ExpectFault(job, HealthEvent::Kind::kPageFault, "body packet ");
  }
}

TEST_F(FaultSuite, AFaultedCopyWritesNothing) {
  const Bytes before = Pattern(4096, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(before));
  Job job = NewJob(HostDma(0));
  job.HostCopy(DeviceAddress(UnmappedHost()), host->address, 4096);
  ExpectFault(job, HealthEvent::Kind::kPageFault, "packet 0");
  EXPECT_TRUE(host->bytes == before);
}

TEST_F(FaultSuite, WhatNoKernelLooksAtTheHardwareFlags) {
  if (chip().dialect() == "gaudi") GTEST_SKIP() << "the kernel driver refuses it: ErrorSuite";
  for (const uint32_t opcode : {0x0u, 0x11u, 0x1Fu}) {
    abi::PacketNop unknown;
    unknown.ctl = abi::Ctl::OPCODE::Set(unknown.ctl, opcode);
    Job job = NewJob(HostDma(0), 1);
    job.Raw(abi::PacketNop()).Raw(unknown).Raw(abi::PacketNop());
    ExpectFault(job, HealthEvent::Kind::kUndefinedOpcode, "packet 1");
  }
}

TEST_F(FaultSuite, MessagesToWhatIsNotTheUsersFault) {
  for (const uint64_t address : KernelsRegisters(chip())) {
    Job job = NewJob(HostDma(0), 1);
    job.Raw(Message(address, 1));
    // A message is not waited for by what follows, but by the end of the job.
    job.Raw(Fence(3, 1));
    ExpectFault(job, HealthEvent::Kind::kRazwi, "packet 0");
  }
  Job job = NewJob(HostDma(0), 1);
  job.Raw(Message(UnmappedHost(), 1)).Raw(Fence(3, 1));
  ExpectFault(job, HealthEvent::Kind::kPageFault, "packet 0");
}

TEST_F(FaultSuite, SyncObjectsAndMonitorsThatAreNotThereFault) {
  for (const RegisterWrite& write : BadSyncWrites(chip())) {
    Job job = NewJob(HostDma(0), 1);
    job.Raw(Message(write.address, write.value)).Raw(Fence(3, 1));
    ExpectFault(job, HealthEvent::Kind::kRazwi, "packet 0");
  }
}

TEST_F(FaultSuite, RegistersThatAreTheKernelsFault) {
  abi::PacketWreg32 packet;
  // The queue manager's own enables, and an offset where nothing is.
  for (const uint32_t offset : {abi::qman::kWregBase, 0x7000u}) {
    packet.ctl = abi::PacketWreg32::REG_OFFSET::Set(packet.ctl, offset);
    ExpectInternalFault(packet, HealthEvent::Kind::kRazwi, absl::StrCat("0x"));
  }
}

TEST_F(FaultSuite, LinearDmaIsForDmaEngines) {
  if (hal::CountEngines(chip(), hal::EngineKind::kTpc) == 0) GTEST_SKIP() << "no TPC";
  Job job = NewJob(Tpc(0));
  job.BodyRaw(abi::PacketLinDma()).Run();
  ExpectFault(job, HealthEvent::Kind::kUndefinedOpcode, "LIN_DMA");
}

TEST_F(FaultSuite, ADescriptorThatWouldNeverEndEnds) {
  // A product, more and more of its loops as long as their registers allow.
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(3 * 4096));
  hal::MmeGemm gemm;
  gemm.a = At(dram);
  gemm.b = At(dram + 4096);
  gemm.c = At(dram + 2 * 4096);
  gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = 32;
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       hal::CommandWriter::Create(chip(), Mme(0), hal::CommandWriter::Role::kBody));
  ASSERT_OK(writer->Mme(gemm, std::nullopt));
  hal::CommandBlob blob = writer->Take();
  const std::array<uint64_t, 1> symbols = {0};
  ASSERT_OK(hal::Relocate(blob.relocations, {symbols, first_sob(), first_monitor(), 0},
                          absl::MakeSpan(blob.bytes)));
  for (const size_t field : {offsetof(abi::MmeDescriptor, conv_kernel_size_minus_1),
                             offsetof(abi::MmeDescriptor, num_iterations_minus_1)}) {
    std::memset(&blob.bytes[sizeof(abi::PacketWregBulk) + field], 0xFF, sizeof(uint32_t));
    Job job = NewJob(Mme(0));
    for (size_t at = 0; at < blob.bytes.size(); at += sizeof(uint32_t)) {
      uint32_t word;
      std::memcpy(&word, &blob.bytes[at], sizeof word);
      job.BodyRaw(word);
    }
    ExpectFault(job.Run(), HealthEvent::Kind::kUndefinedOpcode, "MME descriptor");
  }
}

TEST_F(FaultSuite, AFenceThatNobodyServesIsADeadlock) {
  Job job = NewJob(HostDma(0), 1);
  job.Raw(abi::PacketNop()).Raw(Fence(3, 2));
  ExpectFault(job, HealthEvent::Kind::kDeadlock, "packet 1");
  Job again = NewJob(HostDma(0), 2);
  again.Raw(Fence(3, 2));
  ExpectFault(again, HealthEvent::Kind::kDeadlock, "FENCE 3");
}

TEST_F(FaultSuite, AFenceInABodyThatNobodyServesIsADeadlock) {
  Job job = NewJob(ComputeDma(0));
  job.BodyRaw(Fence(0, 1)).Run();
  ExpectFault(job, HealthEvent::Kind::kDeadlock, "FENCE 0");
}

TEST_F(FaultSuite, ACountThatIsOneShortIsADeadlockThatNamesIt) {
  // The message names the monitor, the object, what it is and what was asked for.
  Job job = NewJob(HostDma(0), 1);
  job.SetSob(11, 41).Await({Reaches(11, 42)});
  ExpectFault(job, HealthEvent::Kind::kDeadlock, absl::StrCat("monitor ", first_monitor()));
  Job again = NewJob(HostDma(0), 1);
  again.SetSob(11, 41).Await({Reaches(11, 42)});
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&again}));
  const absl::Status status = Wait(sequence);
  EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
  if (!knows_why()) return;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(absl::StrCat(first_sob() + 11)), HasSubstr("41"), HasSubstr("42")));
}

TEST_F(FaultSuite, QueuesThatWaitForEachOtherAreADeadlock) {
  Job a = NewJob(ComputeDma(0)), b = NewJob(ComputeDma(1)), wait = NewJob(HostDma(0));
  a.Await({Reaches(0, 1)}).AddSob(1);
  b.Await({Reaches(1, 1)}).AddSob(0);
  wait.Await({Reaches(0, 1)});
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&a, &b, &wait}));
  const absl::Status status = Wait(sequence);
  EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
  if (knows_why()) {
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(Name(a.engine())), HasSubstr(Name(b.engine())),
                      HasSubstr(Name(wait.engine()))));
  }
  EXPECT_THAT(TakeEventKinds(), Contains(AsKnown(HealthEvent::Kind::kDeadlock)));
  EXPECT_OK(driver().Reset());
  ExpectUsable();
}

TEST_F(FaultSuite, PollingForWhatWillNeverComeEnds) {
  Job job = NewJob(HostDma(0));
  job.Await({Reaches(0, 1)});
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&job}));
  absl::Status status = absl::DeadlineExceededError("");
  for (uint64_t polls = 0; status.code() == StatusCode::kDeadlineExceeded && polls < 10000000;
       ++polls) {
    status = Wait(sequence, absl::ZeroDuration());
  }
  EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
  EXPECT_OK(driver().Reset());
  ExpectUsable();
}

TEST_F(FaultSuite, SubmittingToWhatWillNeverDrainEnds) {
  // A program that tries again until it is taken, on a queue that waits for what nobody does.
  Job blocked = NewJob(ComputeDma(0));
  blocked.Await({Reaches(0, 1)});
  ASSERT_OK_AND_ASSIGN(const hal::Chunk block, Place(blocked));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 1));
  const std::array<hal::Chunk, 2> both = {block, nop};
  absl::Status status;
  for (uint64_t tries = 0;
       (status.ok() || status.code() == StatusCode::kResourceExhausted) && tries < 10000000;
       ++tries) {
    status = driver().Submit(both).status();
  }
  EXPECT_THAT(status, StatusIs(StatusCode::kFailedPrecondition));
  if (knows_why()) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(Name(blocked.engine())));
  }
  EXPECT_THAT(TakeEventKinds(), Contains(AsKnown(HealthEvent::Kind::kDeadlock)));
  EXPECT_OK(driver().Reset());
  ExpectUsable();
}

TEST_F(FaultSuite, WaitsWithDeadlinesForWhatWillNeverComeEnd) {
  Job job = NewJob(HostDma(0));
  job.Await({Reaches(0, 1)});
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&job}));
  EXPECT_THAT(Wait(sequence, absl::Milliseconds(1)), StatusIs(StatusCode::kDeadlineExceeded));
  absl::Status status = absl::DeadlineExceededError("");
  for (uint64_t waits = 0; status.code() == StatusCode::kDeadlineExceeded && waits < 10000000;
       ++waits) {
    status = Wait(sequence, absl::Milliseconds(1));
  }
  EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
  EXPECT_OK(driver().Reset());
  ExpectUsable();
}

TEST_F(FaultSuite, WaitingForAnyIsNotHeldUpByADeadlock) {
  Job never = NewJob(HostDma(0));
  never.Await({Reaches(0, 1)});
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 1));
  ASSERT_OK_AND_ASSIGN(const Sequence stuck, Submit({&never}));
  ASSERT_OK_AND_ASSIGN(const Sequence fine, driver().Submit({&nop, 1}));
  const std::array<Sequence, 2> both = {stuck, fine};
  EXPECT_OK(driver().Wait(both, hal::WaitFor::kAny, absl::InfiniteDuration()));
  Job serve = NewJob(HostDma(0), 2);
  serve.AddSob(0);
  EXPECT_OK(Run({&serve}));
  EXPECT_OK(Wait(stuck));
}

TEST_F(FaultSuite, WhatIsInFlightIsLostWithAFault) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 2));
  ASSERT_OK_AND_ASSIGN(const Sequence before, driver().Submit({&nop, 1}));
  EXPECT_OK(Wait(before));
  Job waiting = NewJob(HostDma(0), 0), faulty = NewJob(HostDma(0), 1),
      behind = NewJob(HostDma(0), 1);
  waiting.Await({Reaches(0, 1)});
  faulty.HostCopy(DeviceAddress(UnmappedHost()), driver().info().dram_user_base, 64);
  behind.AddSob(0);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk w, Place(waiting));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk f, Place(faulty));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk b, Place(behind));
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver().Submit({&w, 1}));
  ASSERT_OK_AND_ASSIGN(const Sequence second, driver().Submit({&f, 1}));
  ASSERT_OK_AND_ASSIGN(const Sequence third, driver().Submit({&b, 1}));
  EXPECT_THAT(Wait(second), StatusIs(StatusCode::kAborted));
  for (const Sequence lost : {first, third}) {
    EXPECT_THAT(Wait(lost),
                AnyOf(StatusIs(StatusCode::kAborted), StatusIs(StatusCode::kFailedPrecondition)));
  }
  // What was done stays done.
  EXPECT_OK(Wait(before));
  EXPECT_OK(driver().Reset());
  EXPECT_OK(Wait(before));
  for (const Sequence lost : {first, second, third}) {
    EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted));
    EXPECT_THAT(Wait(lost, absl::ZeroDuration()), StatusIs(StatusCode::kAborted));
  }
  ExpectUsable();
}

TEST_F(FaultSuite, ResetAbortsWhatIsInFlight) {
  Job waiting = NewJob(HostDma(0)), held = NewJob(ComputeDma(0));
  waiting.Await({Reaches(0, 1)});
  held.Await({Reaches(0, 1)}).AddSob(1);
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&held, &waiting}));
  EXPECT_OK(driver().Reset());
  EXPECT_THAT(Wait(sequence), StatusIs(StatusCode::kAborted, HasSubstr("reset")));
  EXPECT_THAT(TakeEventKinds(), Contains(HealthEvent::Kind::kReset));
  // Neither job is there any more: both queues run what comes next, and nothing moves object 1.
  Job next = NewJob(ComputeDma(0)), check = NewJob(HostDma(0));
  next.AddSob(0);
  check.Await({Reaches(0, 1)}).SetSob(2, 1);
  EXPECT_OK(Run({&next, &check}));
}

TEST_F(FaultSuite, ResetLeavesAllocationsMappingsAndCommandsValid) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(4096));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress sram, Sram(4096));
  ASSERT_OK_AND_ASSIGN(HostMemory* const in, MapHost(Pattern(4096, 1)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(4096)));
  Job there = NewJob(HostDma(0)), back = NewJob(HostDma(0));
  there.HostCopy(in->address, dram, 4096).HostCopy(in->address, sram, 4096);
  back.HostCopy(sram, out->address, 4096);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk give, Place(there));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk take, Place(back));
  ASSERT_OK_AND_ASSIGN(const Sequence before, driver().Submit({&give, 1}));
  EXPECT_OK(Wait(before));
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(driver().Reset());
    std::fill(out->bytes.begin(), out->bytes.end(), std::byte{0});
    ASSERT_OK_AND_ASSIGN(const Sequence first, driver().Submit({&give, 1}));
    EXPECT_LT(before, first);
    ASSERT_OK_AND_ASSIGN(const Sequence second, driver().Submit({&take, 1}));
    EXPECT_OK(Wait(second));
    EXPECT_TRUE(out->bytes == in->bytes);
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, 4096));
    EXPECT_TRUE(got == in->bytes);
  }
  EXPECT_OK(driver().Free(dram));
  EXPECT_OK(driver().Free(sram));
  EXPECT_OK(driver().UnmapHost(in->address));
}

TEST_F(FaultSuite, EventsAreTakenOnce) {
  EXPECT_THAT(driver().TakeEvents(), IsEmpty());
  EXPECT_OK(driver().Reset());
  EXPECT_THAT(TakeEventKinds(), testing::ElementsAre(HealthEvent::Kind::kReset));
  EXPECT_THAT(driver().TakeEvents(), IsEmpty());
}

TEST_F(FaultSuite, EveryFaultIsRecoveredFrom) {
  for (int i = 0; i < 20; ++i) {
    Job job = NewJob(HostDma(i % host_dmas()), i % 3);
    job.HostCopy(DeviceAddress(UnmappedHost()), driver().info().dram_user_base, 64);
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&job}));
    EXPECT_THAT(Wait(sequence), StatusIs(StatusCode::kAborted)) << i;
    EXPECT_OK(driver().Reset());
  }
  ExpectUsable();
}

}  // namespace
}  // namespace openhpu::conformance
