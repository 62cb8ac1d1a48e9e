// Memory and submissions over a kernel in memory.
#include "hal/habanalabs/driver.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/allocations.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

namespace abi = hal::abi::gaudi;
using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class DriverTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override {
    driver_.reset();
    EXPECT_EQ(kernel_.open_files(), 0u);
    EXPECT_EQ(kernel_.mapped_regions(), 0u);
  }
  void Open(std::string_view spec = "habanalabs:0") {
    driver_.reset();
    auto driver = Driver::Open(spec, kernel_.MakeSyscalls());
    ASSERT_OK(driver);
    driver_ = *std::move(driver);
  }
  // A job of the queue, of the packets.
  template <typename... Packets>
  Chunk External(uint64_t queue, const Packets&... packets) {
    const auto memory = driver_->CreateCommandMemory((sizeof(packets) + ...));
    if (!memory.ok()) {
      ADD_FAILURE() << memory.status();
      return {};
    }
    size_t at = 0;
    ((std::memcpy(memory->bytes.data() + at, &packets, sizeof packets), at += sizeof packets), ...);
    return {QueueId(queue), memory->handle, static_cast<uint32_t>(at)};
  }
  Chunk Nop(uint64_t queue = 0) { return External(queue, abi::PacketNop()); }
  absl::Status SubmitStatus(const Chunk& chunk, int error) {
    kernel_.submit_errors = {-error};
    return driver_->Submit({&chunk, 1}).status();
  }

  FakeKernel kernel_;
  std::unique_ptr<Driver> driver_;
};

TEST_F(DriverTest, DeviceMemoryNeedsNoCallOfTheKernel) {
  const int before = kernel_.ioctls;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 100));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress sram, driver_->Allocate(MemoryKind::kSram, 100));
  EXPECT_EQ(dram.value(), 0x20000000u);
  EXPECT_EQ(sram.value(), 0x7FF0000080u);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress large, driver_->Allocate(MemoryKind::kDram, 8192));
  EXPECT_EQ(large.value() % 8192, 0u);
  EXPECT_OK(driver_->Free(dram));
  EXPECT_OK(driver_->Free(sram));
  EXPECT_THAT(driver_->Free(sram), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(driver_->Allocate(MemoryKind::kSram, uint64_t{1} << 40),
              StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(kernel_.ioctls, before);
}

TEST_F(DriverTest, HostMemoryIsMappedByTheKernel) {
  std::vector<std::byte> memory(10000);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(&memory[77], 5000));
  ASSERT_EQ(kernel_.mappings(), 1u);
  const hl_mem_in& in = kernel_.mapped_host().at(address.value());
  EXPECT_EQ(in.flags, uint32_t{HL_MEM_USERPTR});
  EXPECT_EQ(in.map_host.host_virt_addr, reinterpret_cast<uintptr_t>(&memory[77]));
  EXPECT_EQ(in.map_host.mem_size, 5000u);
  EXPECT_EQ(in.map_host.hint_addr, 0u);
  EXPECT_THAT(driver_->UnmapHost(address + 1), StatusIs(StatusCode::kNotFound));
  EXPECT_OK(driver_->UnmapHost(address));
  EXPECT_THAT(driver_->UnmapHost(address), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(kernel_.mappings(), 0u);
}

TEST_F(DriverTest, WhatCannotBeMappedIsRefused) {
  int word = 0;
  EXPECT_THAT(driver_->MapHost(nullptr, 8), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver_->MapHost(&word, 0), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver_->MapHost(&word, ~uint64_t{0}), StatusIs(StatusCode::kInvalidArgument));
  const std::pair<int, StatusCode> cases[] = {{EINVAL, StatusCode::kInvalidArgument},
                                              {ENOMEM, StatusCode::kResourceExhausted},
                                              {EFAULT, StatusCode::kOutOfRange},
                                              {EPERM, StatusCode::kPermissionDenied},
                                              {EBUSY, StatusCode::kFailedPrecondition}};
  for (const auto& [error, code] : cases) {
    kernel_.memory_errors = {-error};
    EXPECT_THAT(driver_->MapHost(&word, 4), StatusIs(code, HasSubstr("4 bytes"))) << error;
  }
  EXPECT_OK(driver_->MapHost(&word, 4));
}

TEST_F(DriverTest, CommandMemoryIsABufferOfTheKernelAndItsMapping) {
  ASSERT_OK_AND_ASSIGN(const CommandMemory memory, driver_->CreateCommandMemory(100));
  EXPECT_EQ(memory.bytes.size(), 100u);
  EXPECT_EQ(kernel_.buffers(), 1u);
  EXPECT_EQ(kernel_.mapped_regions(), 1u);
  EXPECT_OK(driver_->DestroyCommandMemory(memory.handle));
  EXPECT_THAT(driver_->DestroyCommandMemory(memory.handle), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(kernel_.buffers(), 0u);
  EXPECT_EQ(kernel_.mapped_regions(), 0u);
  // The handle is not had again.
  ASSERT_OK_AND_ASSIGN(const CommandMemory next, driver_->CreateCommandMemory(100));
  EXPECT_NE(next.handle, memory.handle);
  EXPECT_THAT(driver_->DestroyCommandMemory(memory.handle), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(driver_->DestroyCommandMemory(0), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(driver_->DestroyCommandMemory(~uint64_t{0}), StatusIs(StatusCode::kNotFound));
}

TEST_F(DriverTest, ThousandsOfCommandMemoriesKeepTheirHandles) {
  std::vector<CommandMemory> all;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_OK_AND_ASSIGN(const CommandMemory memory, driver_->CreateCommandMemory(64));
    all.push_back(memory);
  }
  for (const CommandMemory& memory : all) {
    const abi::PacketNop nop;
    std::memcpy(memory.bytes.data(), &nop, sizeof nop);
    const Chunk chunk = {QueueId(0), memory.handle, sizeof nop};
    EXPECT_OK(driver_->Submit({&chunk, 1}));
  }
  for (const CommandMemory& memory : all) EXPECT_OK(driver_->DestroyCommandMemory(memory.handle));
}

TEST_F(DriverTest, AFailureInCreatingCommandMemoryLeavesNothing) {
  kernel_.buffer_errors = {-ENOMEM};
  EXPECT_THAT(driver_->CreateCommandMemory(64), StatusIs(StatusCode::kResourceExhausted));
  kernel_.map_errors = {-ENOMEM};
  EXPECT_THAT(driver_->CreateCommandMemory(64), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(driver_->CreateCommandMemory(0), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver_->CreateCommandMemory(HL_MAX_CB_SIZE + 1),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(kernel_.buffers(), 0u);
  EXPECT_EQ(kernel_.mapped_regions(), 0u);
}

TEST_F(DriverTest, ASubmissionIsOneCallWithItsChunks) {
  const Chunk nop = Nop(3);
  const std::array<Chunk, 2> chunks = {Chunk{QueueId(41), 0x20001000, 32}, nop};
  const int before = kernel_.ioctls;
  EXPECT_THAT(driver_->Submit(chunks), IsOkAndHolds(Sequence(1)));
  EXPECT_EQ(kernel_.ioctls, before + 1);
  EXPECT_EQ(kernel_.last_submission.num_chunks_restore, 0u);
  EXPECT_EQ(kernel_.last_submission.cs_flags, 0u);
  ASSERT_EQ(kernel_.last_chunks.size(), 2u);
  EXPECT_EQ(kernel_.last_chunks[0].queue_index, 41u);
  EXPECT_EQ(kernel_.last_chunks[0].cb_handle, 0x20001000u);
  EXPECT_EQ(kernel_.last_chunks[0].cb_size, 32u);
  EXPECT_EQ(kernel_.last_chunks[0].cs_chunk_flags, 0u);
  EXPECT_EQ(kernel_.last_chunks[1].queue_index, 3u);
  EXPECT_GE(kernel_.last_chunks[1].cb_handle, 0x10000u);  // the kernel's, not ours
}

TEST_F(DriverTest, TheTimeoutOfTheSpecGoesWithEverySubmission) {
  Open("habanalabs:0,timeout=5");
  const Chunk nop = Nop();
  EXPECT_OK(driver_->Submit({&nop, 1}));
  EXPECT_EQ(kernel_.last_submission.cs_flags, uint32_t{HL_CS_FLAGS_CUSTOM_TIMEOUT});
  EXPECT_EQ(kernel_.last_submission.timeout, 5u);
}

TEST_F(DriverTest, SequencesGrowByOneWhateverTheKernelCounts) {
  const Chunk nop = Nop();
  EXPECT_THAT(driver_->Submit({&nop, 1}), IsOkAndHolds(Sequence(1)));
  // The kernel has used up numbers for submissions that it refused.
  kernel_.skipped_numbers = 7;
  EXPECT_THAT(driver_->Submit({&nop, 1}), IsOkAndHolds(Sequence(2)));
  kernel_.outcomes[9] = FakeKernel::Outcome::kBusy;
  const Sequence first(1), second(2);
  EXPECT_OK(driver_->Wait({&first, 1}, WaitFor::kAll, absl::ZeroDuration()));
  EXPECT_THAT(driver_->Wait({&second, 1}, WaitFor::kAll, absl::ZeroDuration()),
              StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(DriverTest, SubmittingAndWaitingAllocateNothing) {
  const Chunk nop = Nop();
  const std::vector<Chunk> many(kMaxChunks, nop);
  kernel_.records = false;
  const auto submit_and_wait = [&](absl::Span<const Chunk> chunks) {
    const auto sequence = driver_->Submit(chunks);
    return sequence.ok() &&
           driver_->Wait({&*sequence, 1}, WaitFor::kAll, absl::InfiniteDuration()).ok();
  };
  ASSERT_TRUE(submit_and_wait({&nop, 1}));
  const uint64_t before = ThreadAllocations();
  bool all = true;
  for (int i = 0; i < 100; ++i) all = all && submit_and_wait(many);
  EXPECT_EQ(ThreadAllocations(), before);
  EXPECT_TRUE(all);
}

TEST_F(DriverTest, EveryErrorOfTheKernelHasItsCode) {
  const Chunk nop = Nop();
  const std::pair<int, StatusCode> cases[] = {{EAGAIN, StatusCode::kResourceExhausted},
                                              {ENOMEM, StatusCode::kResourceExhausted},
                                              {EINVAL, StatusCode::kInvalidArgument},
                                              {EPERM, StatusCode::kPermissionDenied},
                                              {EFAULT, StatusCode::kOutOfRange},
                                              {ENOTTY, StatusCode::kUnimplemented},
                                              {200, StatusCode::kInternal}};
  for (const auto& [error, code] : cases) {
    EXPECT_THAT(SubmitStatus(nop, error), StatusIs(code)) << error;
    // The device goes on working.
    EXPECT_OK(driver_->Submit({&nop, 1})) << error;
  }
}

TEST_F(DriverTest, InterruptedCallsAreMadeAgain) {
  kernel_.takes_interrupts = true;
  const Chunk nop = Nop();
  int word = 0;
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver_->Submit({&nop, 1}));
  EXPECT_OK(driver_->Wait({&sequence, 1}, WaitFor::kAll, absl::InfiniteDuration()));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(&word, 4));
  EXPECT_OK(driver_->UnmapHost(address));
}

TEST_F(DriverTest, ADeviceThatTakesNoWorkNeedsAReset) {
  for (const int error : {EBUSY, ENODEV}) {
    const Chunk nop = Nop();
    EXPECT_THAT(SubmitStatus(nop, error),
                StatusIs(StatusCode::kFailedPrecondition, HasSubstr("needs a reset")));
    // Without asking again.
    const int before = kernel_.ioctls;
    EXPECT_THAT(
        driver_->Submit({&nop, 1}),
        StatusIs(StatusCode::kFailedPrecondition, HasSubstr(error == EBUSY ? "EBUSY" : "ENODEV")));
    EXPECT_EQ(kernel_.ioctls, before);
    EXPECT_OK(driver_->Reset());
    EXPECT_OK(driver_->Submit({&nop, 1}));
  }
}

TEST_F(DriverTest, ARefusalNamesChunkAndPacket) {
  const Chunk good = Nop();
  const abi::PacketNop nop;
  abi::PacketNop unknown;
  unknown.ctl = abi::Ctl::OPCODE::Set(unknown.ctl, 0x1F);
  struct Case {
    Chunk chunk;
    int error;
    StatusCode code;
    const char* says;
  };
  Chunk bad_queue = good, bad_handle = good, too_long = good, odd = good, kernels = good;
  bad_queue.queue = QueueId(uint64_t{1} << 32);
  bad_handle.commands += 1000;
  too_long.bytes = 16;
  odd.bytes = 12;
  kernels.queue = QueueId(8);
  const Case cases[] = {
      {External(0, nop, abi::PacketStop()), EPERM, StatusCode::kPermissionDenied, "packet 1: STOP"},
      {External(1, nop, nop, abi::PacketCpDma()), EPERM, StatusCode::kPermissionDenied,
       "packet 2: CP_DMA"},
      {External(0, unknown), EINVAL, StatusCode::kInvalidArgument, "packet 0: unknown opcode 0x1f"},
      {bad_queue, EINVAL, StatusCode::kInvalidArgument, "no queue 4294967296"},
      {bad_handle, EINVAL, StatusCode::kInvalidArgument, "no command memory"},
      {too_long, EINVAL, StatusCode::kInvalidArgument, "16 bytes"},
      {odd, EINVAL, StatusCode::kInvalidArgument, "12 bytes"},
      {kernels, EINVAL, StatusCode::kInvalidArgument, "kernel's own"},
      {{QueueId(41), 0x1000, 8}, EFAULT, StatusCode::kOutOfRange, "0x1000"},
      {{QueueId(41), ~uint64_t{0} - 7, 8}, EFAULT, StatusCode::kOutOfRange, "0xfffffffffffffff8"},
  };
  for (const Case& c : cases) {
    const std::array<Chunk, 3> chunks = {good, good, c.chunk};
    kernel_.submit_errors = {-c.error};
    EXPECT_THAT(driver_->Submit(chunks),
                StatusIs(c.code, AllOf(HasSubstr("chunk 2: "), HasSubstr(c.says))));
  }
  // The kernel itself refuses what has no handle.
  kernel_.submit_errors.clear();
  EXPECT_THAT(driver_->Submit({&bad_handle, 1}), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(DriverTest, ARefusalNamesTheChunkWhoseFaultItIs) {
  // The first has another fault than the one that the kernel speaks of.
  const std::array<Chunk, 3> chunks = {Chunk{QueueId(41), 0x1000, 8}, Nop(),
                                       External(0, abi::PacketMsgProt())};
  kernel_.submit_errors = {-EPERM, -EFAULT, -EINVAL};
  EXPECT_THAT(driver_->Submit(chunks),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("chunk 2: packet 0: MSG_PROT")));
  EXPECT_THAT(driver_->Submit(chunks), StatusIs(StatusCode::kOutOfRange, HasSubstr("chunk 0: ")));
  EXPECT_THAT(driver_->Submit(chunks),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("chunk 0: ")));
}

TEST_F(DriverTest, ARefusalWithoutAVisibleReasonSaysSo) {
  EXPECT_THAT(SubmitStatus(Nop(), EINVAL),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("nothing is seen to be wrong"), HasSubstr("EINVAL"))));
}

TEST_F(DriverTest, CommandsMayLieInMappedHostMemory) {
  std::vector<std::byte> memory(100);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(memory.data(), 100));
  const Chunk inside = {QueueId(41), address.value() + 60, 40};
  EXPECT_THAT(SubmitStatus(inside, EFAULT),
              StatusIs(StatusCode::kOutOfRange, HasSubstr("nothing is seen")));
  const Chunk beyond = {QueueId(41), address.value() + 61, 40};
  EXPECT_THAT(SubmitStatus(beyond, EFAULT),
              StatusIs(StatusCode::kOutOfRange, HasSubstr("chunk 0: ")));
}

TEST_F(DriverTest, NoChunksAndTooManyAreRefused) {
  EXPECT_THAT(driver_->Submit({}), StatusIs(StatusCode::kInvalidArgument));
  const std::vector<Chunk> many(kMaxChunks + 1, Nop());
  EXPECT_THAT(driver_->Submit(many), StatusIs(StatusCode::kInvalidArgument, HasSubstr("513")));
  EXPECT_OK(driver_->Submit({many.data(), kMaxChunks}));
  EXPECT_EQ(kernel_.last_chunks.size(), kMaxChunks);
}

TEST_F(DriverTest, ThreadsSubmitAndWaitWhileAnotherResets) {
  constexpr int kThreads = 3, kEach = 200;
  const Chunk nop = Nop();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const auto sequence = driver_->Submit({&nop, 1});
        if (!sequence.ok()) {
          // Only because of the reset.
          EXPECT_THAT(sequence,
                      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("being reset")));
          continue;
        }
        EXPECT_THAT(driver_->Wait({&*sequence, 1}, WaitFor::kAll, absl::InfiniteDuration()),
                    testing::AnyOf(IsOk(), StatusIs(StatusCode::kAborted)));
        int word = 0;
        const auto address = driver_->MapHost(&word, sizeof word);
        EXPECT_OK(address);
        EXPECT_OK(driver_->UnmapHost(*address));
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_OK(driver_->Reset());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace openhpu::hal::habanalabs
