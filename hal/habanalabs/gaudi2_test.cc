// What is different with a Gaudi2, over a kernel in memory: DRAM is allocated and mapped, command
// memory is ours and mapped, every chunk is an address, and few submissions are in flight.
#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "hal/chip.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/allocations.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

namespace abi = hal::abi::gaudi2;
using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using Outcome = FakeKernel::Outcome;

constexpr uint64_t kDramPage = 0x30000000;

class Gaudi2Test : public testing::TestWithParam<Api> {
 protected:
  void SetUp() override { ASSERT_OK(Open()); }
  void TearDown() override {
    driver_.reset();
    EXPECT_EQ(kernel_.open_files(), 0u);
    EXPECT_EQ(kernel_.mapped_regions(), 0u);
  }
  absl::Status Open() {
    driver_.reset();
    absl::StatusOr<std::unique_ptr<Driver>> driver =
        Driver::Open("habanalabs:0", kernel_.MakeSyscalls());
    if (driver.ok()) driver_ = *std::move(driver);
    return driver.status();
  }
  CommandMemory Nop(uint64_t bytes = 8) {
    const auto memory = driver_->CreateCommandMemory(bytes);
    EXPECT_OK(memory);
    if (!memory.ok()) return {};
    const abi::PacketNop nop;
    std::memcpy(memory->bytes.data(), &nop, sizeof nop);
    return *memory;
  }
  absl::StatusOr<Sequence> Submit(const CommandMemory& memory, uint32_t bytes = 8) {
    const Chunk chunk = {QueueId(abi::PdmaQueue(0, 0)), memory.handle, bytes};
    return driver_->Submit({&chunk, 1});
  }
  // One for whose timeout the device is not reset.
  absl::StatusOr<Sequence> SubmitSurvivor(const CommandMemory& memory) {
    const Chunk chunk = {QueueId(abi::PdmaQueue(0, 0)), memory.handle, 8};
    SubmitOptions options;
    options.survives_timeout = true;
    return driver_->SubmitWith({&chunk, 1}, options);
  }
  absl::Status Poll(Sequence sequence) {
    return driver_->Wait({&sequence, 1}, WaitFor::kAll, absl::ZeroDuration());
  }

  FakeKernel kernel_{GetParam(), kGaudi2Id};
  std::unique_ptr<Driver> driver_;
};

TEST_P(Gaudi2Test, AllOfDramIsOneAllocationThatIsMapped) {
  const DeviceInfo& info = driver_->info();
  EXPECT_EQ(info.chip.name(), "gaudi2");
  EXPECT_EQ(info.dram_user_base.value(), kernel_.mapped_dram());
  EXPECT_EQ(info.dram_user_bytes, 127 * kDramPage);
  EXPECT_EQ(UserDram(info.chip).begin, info.dram_user_base.value());
  EXPECT_EQ(UserDram(info.chip).bytes, info.dram_user_bytes);
  EXPECT_EQ(info.sram_user_base.value(), 0x1000FFFFFD000000u);
  EXPECT_EQ(info.sram_user_bytes, 0x3000000u);
  // What is had of it needs no call.
  const int before = kernel_.ioctls;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 100));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress sram, driver_->Allocate(MemoryKind::kSram, 100));
  EXPECT_EQ(dram, info.dram_user_base);
  EXPECT_EQ(sram, info.sram_user_base);
  EXPECT_OK(driver_->Free(dram));
  EXPECT_OK(driver_->Free(sram));
  EXPECT_EQ(kernel_.ioctls, before);
}

TEST_P(Gaudi2Test, DramIsWhatIsFreeInWholePages) {
  kernel_.dram_taken = kDramPage + 1;
  ASSERT_OK(Open());
  EXPECT_EQ(driver_->info().dram_user_bytes, 125 * kDramPage);
  // A kernel that does not say what is free has all.
  kernel_.dram_taken = 0;
  kernel_.info_errors[HL_INFO_DRAM_USAGE] = -ENOTTY;
  ASSERT_OK(Open());
  EXPECT_EQ(driver_->info().dram_user_bytes, 127 * kDramPage);
  kernel_.info_errors.clear();
  kernel_.dram_taken = 127 * kDramPage - 1;
  EXPECT_THAT(Open(), StatusIs(StatusCode::kUnavailable, HasSubstr("no DRAM is free")));
  EXPECT_EQ(kernel_.open_files(), 0u);
}

TEST_P(Gaudi2Test, DramMayBeMappedAnywhere) {
  kernel_.dram_address = 0x1001008000000000;
  ASSERT_OK(Open());
  EXPECT_EQ(driver_->info().dram_user_base.value(), 0x1001008000000000u);
  EXPECT_EQ(UserDram(driver_->info().chip).begin, 0x1001008000000000u);
}

TEST_P(Gaudi2Test, DramThatCannotBeHadFailsTheOpening) {
  kernel_.memory_errors = {-ENOMEM};
  EXPECT_THAT(Open(), StatusIs(StatusCode::kResourceExhausted, HasSubstr("allocating")));
  kernel_.memory_errors = {0, -ENOMEM};
  EXPECT_THAT(Open(), StatusIs(StatusCode::kResourceExhausted, HasSubstr("mapping")));
  EXPECT_EQ(kernel_.open_files(), 0u);
}

TEST_P(Gaudi2Test, SizesThatCannotBeAreRefused) {
  const hl_info_hw_ip_info good = kernel_.ip;
  for (const auto& spoil : std::array<void (*)(hl_info_hw_ip_info&), 6>{
           [](hl_info_hw_ip_info& ip) { ip.dram_page_size = 0; },
           [](hl_info_hw_ip_info& ip) { ip.dram_size = ip.dram_page_size - 1; },
           [](hl_info_hw_ip_info& ip) { ip.dram_size = ~uint64_t{0}; },
           [](hl_info_hw_ip_info& ip) { ip.sram_size = 0; },
           [](hl_info_hw_ip_info& ip) {
             ip.edma_enabled_mask = 0x80;
           },  // of those that compute: none
           [](hl_info_hw_ip_info& ip) { ip.tpc_enabled_mask = ip.tpc_enabled_mask_ext = 0; }}) {
    kernel_.ip = good;
    spoil(kernel_.ip);
    EXPECT_THAT(Open(), StatusIs(StatusCode::kInternal));
  }
}

TEST_P(Gaudi2Test, EnginesThatAreFusedOffAreNotUsed) {
  kernel_.ip.edma_enabled_mask = 0xFD;
  kernel_.ip.tpc_enabled_mask_ext = 0x1FFFFFF;  // the spare one, too
  ASSERT_OK(Open());
  EXPECT_EQ(driver_->info().chip.dma().compute_mask().value(), 0x74u);
  EXPECT_EQ(driver_->info().chip.tpc().count().value(), 24u);
  kernel_.ip.edma_enabled_mask = 0;  // a kernel that has no mask
  kernel_.ip.tpc_enabled_mask_ext = 0x7FF;
  ASSERT_OK(Open());
  EXPECT_EQ(driver_->info().chip.dma().compute_mask().value(), 0x7Cu);
  EXPECT_EQ(driver_->info().chip.tpc().count().value(), 11u);
}

TEST_P(Gaudi2Test, SyncManagersAreCountedByDcore) {
  const uint32_t first[] = {413, 8, 16, 24};
  for (int manager = 0; manager < 4; ++manager) {
    ASSERT_OK_AND_ASSIGN(const SyncManagerInfo info, driver_->GetSyncManagerInfo(manager));
    EXPECT_EQ(info.first_sob, first[manager]);
    EXPECT_EQ(info.num_sobs, 8192 - first[manager]);
    EXPECT_EQ(info.first_monitor, manager == 0 ? 289u : 0u);
    EXPECT_EQ(info.num_monitors, manager == 0 ? 1759u : 2048u);
  }
}

TEST_P(Gaudi2Test, CommandMemoryIsMappedAndEveryChunkIsAnAddress) {
  const CommandMemory memory = Nop(100);
  EXPECT_EQ(kernel_.buffers(), 0u);
  ASSERT_EQ(kernel_.mappings(), 1u);
  const auto& [address, in] = *kernel_.mapped_host().begin();
  EXPECT_EQ(in.map_host.host_virt_addr, reinterpret_cast<uintptr_t>(memory.bytes.data()));
  EXPECT_EQ(in.map_host.mem_size, 100u);
  EXPECT_EQ(in.map_host.host_virt_addr % 4096, 0u);
  EXPECT_EQ(memory.bytes[99], std::byte{0});
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 128));
  const std::array<Chunk, 2> chunks = {Chunk{QueueId(abi::EdmaQueue(0, 0, 1)), dram.value(), 16},
                                       Chunk{QueueId(abi::PdmaQueue(1, 2)), memory.handle, 8}};
  EXPECT_THAT(driver_->Submit(chunks), IsOkAndHolds(Sequence(1)));
  ASSERT_EQ(kernel_.last_chunks.size(), 2u);
  EXPECT_EQ(kernel_.last_chunks[0].cb_handle, dram.value());
  EXPECT_EQ(kernel_.last_chunks[1].cb_handle, address);
  EXPECT_EQ(kernel_.last_chunks[1].queue_index, 6u);
  for (const hl_cs_chunk& chunk : kernel_.last_chunks) {
    EXPECT_EQ(chunk.cs_chunk_flags, uint32_t{HL_CS_CHUNK_FLAGS_USER_ALLOC_CB});
  }
  EXPECT_OK(Poll(Sequence(1)));
  EXPECT_OK(driver_->DestroyCommandMemory(memory.handle));
  EXPECT_EQ(kernel_.mappings(), 0u);
  EXPECT_THAT(driver_->DestroyCommandMemory(memory.handle), StatusIs(StatusCode::kNotFound));
}

TEST_P(Gaudi2Test, DestroyedCommandMemoryStaysWhileQueuesMayReadIt) {
  const CommandMemory a = Nop(), b = Nop();
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit(a));
  ASSERT_OK_AND_ASSIGN(const Sequence second, Submit(b));
  EXPECT_OK(driver_->DestroyCommandMemory(a.handle));
  EXPECT_THAT(Submit(a), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(kernel_.mappings(), 2u);
  kernel_.outcomes[1] = Outcome::kDone;
  EXPECT_OK(Poll(first));
  // The second was there, too, when it was destroyed.
  EXPECT_OK(driver_->DestroyCommandMemory(b.handle));
  EXPECT_EQ(kernel_.mappings(), 2u);
  // Found out by the next call, without a wait of the caller's.
  kernel_.outcomes[2] = Outcome::kDone;
  const CommandMemory c = Nop();
  EXPECT_EQ(kernel_.mappings(), 1u);
  EXPECT_OK(Poll(second));
  // A reset ends everything.
  ASSERT_OK(Submit(c));
  EXPECT_OK(driver_->DestroyCommandMemory(c.handle));
  EXPECT_EQ(kernel_.mappings(), 1u);
  EXPECT_OK(driver_->Reset());
  EXPECT_EQ(kernel_.mappings(), 0u);
}

TEST_P(Gaudi2Test, AFailureInCreatingCommandMemoryLeavesNothing) {
  const std::pair<int, StatusCode> cases[] = {{ENOMEM, StatusCode::kResourceExhausted},
                                              {EFAULT, StatusCode::kOutOfRange},
                                              {EINVAL, StatusCode::kInvalidArgument}};
  for (const auto& [error, code] : cases) {
    kernel_.memory_errors = {-error};
    EXPECT_THAT(driver_->CreateCommandMemory(64), StatusIs(code)) << error;
  }
  EXPECT_THAT(driver_->CreateCommandMemory(0), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver_->CreateCommandMemory(2 << 20), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(kernel_.mappings(), 0u);
}

TEST_P(Gaudi2Test, WhatTheKernelCannotSeeIsRefusedHere) {
  const CommandMemory good = Nop();
  const QueueId pdma(abi::PdmaQueue(0, 0)), tpc(abi::TpcQueue(0, 0, 0));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 128));
  const DeviceInfo& info = driver_->info();
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument, kOut = StatusCode::kOutOfRange;
  struct Case {
    Chunk chunk;
    StatusCode code;
    const char* says;
  };
  const Case cases[] = {
      {{pdma, good.handle + 1000, 8}, kInvalid, "no command memory"},
      {{pdma, 0, 8}, kInvalid, "no command memory"},
      {{pdma, good.handle, 16}, kInvalid, "16 bytes"},
      {{pdma, good.handle, 0}, kInvalid, "0 bytes"},
      {{tpc, dram.value(), 12}, kInvalid, "12 bytes"},
      {{tpc, dram.value(), 0}, kInvalid, "0 bytes"},
      {{QueueId(abi::kNumQueues), dram.value(), 8}, kInvalid, "no queue 261"},
      {{QueueId(uint64_t{1} << 32), good.handle, 8}, kInvalid, "no queue 4294967296"},
      {{QueueId(abi::kCpuQueue), dram.value(), 8}, kInvalid, "kernel's own"},
      {{QueueId(abi::MmeQueue(1, 0)), dram.value(), 8}, kInvalid, "DCORE1_MME"},
      {{QueueId(abi::TpcQueue(0, 6, 0)), dram.value(), 8}, kInvalid, "DCORE0_TPC6"},
      {{QueueId(abi::RotatorQueue(1, 0)), dram.value(), 8}, kInvalid, "ROT1"},
      {{tpc, 0, 8}, kOut, "0x0"},
      {{tpc, 0x1000, 8}, kOut, "0x1000"},
      {{tpc, info.dram_user_base.value() - 8, 16}, kOut, "not the user's"},
      {{tpc, info.dram_user_base.value() + info.dram_user_bytes - 8, 16}, kOut, "not the user's"},
      {{tpc, ~uint64_t{0} - 7, 8}, kOut, "not the user's"},
      // DRAM by its physical address is nobody's.
      {{tpc, 0x1001000030000000, 16}, kOut, "not the user's"},
  };
  const Chunk first = {pdma, good.handle, 8};
  for (const Case& c : cases) {
    const int before = kernel_.ioctls;
    const std::array<Chunk, 2> chunks = {first, c.chunk};
    EXPECT_THAT(driver_->Submit(chunks),
                StatusIs(c.code, AllOf(HasSubstr("chunk 1: "), HasSubstr(c.says))));
    EXPECT_EQ(kernel_.ioctls, before);
  }
}

TEST_P(Gaudi2Test, CommandsMayLieInSramAndInMappedHostMemory) {
  std::vector<std::byte> memory(100);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(memory.data(), 100));
  const QueueId tpc(abi::TpcQueue(3, 5, 3));
  const DeviceInfo& info = driver_->info();
  for (const Chunk& chunk :
       {Chunk{tpc, address.value() + 60, 40}, Chunk{tpc, info.sram_user_base.value(), 8},
        Chunk{tpc, info.sram_user_base.value() + info.sram_user_bytes - 8, 8}}) {
    EXPECT_OK(driver_->Submit({&chunk, 1}));
  }
  const Chunk beyond = {tpc, address.value() + 61, 40};
  EXPECT_THAT(driver_->Submit({&beyond, 1}), StatusIs(StatusCode::kOutOfRange));
}

TEST_P(Gaudi2Test, EveryErrorOfTheKernelHasItsCode) {
  const CommandMemory memory = Nop();
  const std::pair<int, StatusCode> cases[] = {{EAGAIN, StatusCode::kResourceExhausted},
                                              {ENOMEM, StatusCode::kResourceExhausted},
                                              {EINVAL, StatusCode::kInvalidArgument},
                                              {EPERM, StatusCode::kPermissionDenied},
                                              {EFAULT, StatusCode::kOutOfRange}};
  for (const auto& [error, code] : cases) {
    kernel_.submit_errors = {-error};
    EXPECT_THAT(Submit(memory), StatusIs(code)) << error;
    EXPECT_OK(Submit(memory)) << error;
  }
  kernel_.submit_errors = {-EBUSY};
  EXPECT_THAT(Submit(memory), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(Submit(memory));
}

TEST_P(Gaudi2Test, SubmittingAndWaitingAllocateNothing) {
  const CommandMemory memory = Nop();
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 128));
  const std::array<Chunk, 2> chunks = {Chunk{QueueId(abi::TpcQueue(1, 2, 3)), dram.value(), 8},
                                       Chunk{QueueId(abi::PdmaQueue(0, 0)), memory.handle, 8}};
  kernel_.records = false;
  const auto submit_and_wait = [&] {
    const auto sequence = driver_->Submit(chunks);
    return sequence.ok() &&
           driver_->Wait({&*sequence, 1}, WaitFor::kAll, absl::InfiniteDuration()).ok();
  };
  ASSERT_TRUE(submit_and_wait());
  const uint64_t before = ThreadAllocations();
  bool all = true;
  for (int i = 0; i < 100; ++i) all = all && submit_and_wait();
  EXPECT_EQ(ThreadAllocations(), before);
  EXPECT_TRUE(all);
}

TEST_P(Gaudi2Test, TheSixtyFifthInFlightCanBeTriedAgain) {
  const CommandMemory memory = Nop();
  kernel_.outcome = Outcome::kBusy;
  for (uint64_t i = 1; i <= 64; ++i) EXPECT_THAT(Submit(memory), IsOkAndHolds(Sequence(i)));
  EXPECT_THAT(Submit(memory), StatusIs(StatusCode::kResourceExhausted, HasSubstr("in flight")));
  kernel_.outcomes[1] = Outcome::kDone;
  EXPECT_THAT(Submit(memory), IsOkAndHolds(Sequence(65)));
  EXPECT_THAT(Poll(Sequence(65)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_OK(Poll(Sequence(1)));
}

TEST_P(Gaudi2Test, AResetKeepsDramCommandsAndMappingsWhereTheyWere) {
  kernel_.dram_address = 0x1001008000000000;
  ASSERT_OK(Open());
  const DeviceAddress base = driver_->info().dram_user_base;
  const CommandMemory memory = Nop(64);
  memory.bytes[63] = std::byte{42};
  std::vector<std::byte> host(10000);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress mapped, driver_->MapHost(&host[77], 5000));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 4096));
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence lost, Submit(memory));
  const uint64_t commands = kernel_.last_chunks[0].cb_handle;
  // Wherever it would come by itself.
  kernel_.dram_address = 0x1001002000000000;
  kernel_.outcome = Outcome::kDone;
  EXPECT_OK(driver_->Reset());
  EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted, HasSubstr("reset")));
  EXPECT_EQ(kernel_.mapped_dram(), base.value());
  ASSERT_EQ(kernel_.mappings(), 2u);
  EXPECT_EQ(kernel_.mapped_host().at(mapped.value()).flags,
            uint32_t{HL_MEM_USERPTR | HL_MEM_FORCE_HINT});
  EXPECT_EQ(kernel_.mapped_host().count(commands), 1u);
  EXPECT_EQ(memory.bytes[63], std::byte{42});
  ASSERT_OK(Submit(memory));
  EXPECT_EQ(kernel_.last_chunks[0].cb_handle, commands);
  EXPECT_OK(driver_->Free(dram));
  EXPECT_OK(driver_->UnmapHost(mapped));
}

TEST_P(Gaudi2Test, AFailureInAResetIsMadeGoodByTheNext) {
  const CommandMemory a = Nop(), b = Nop();
  // Allocating, mapping DRAM, and mapping command memory by each size of page.
  for (const std::deque<int>& errors :
       {std::deque<int>{-ENOMEM}, std::deque<int>{0, -ENOMEM},
        std::deque<int>{0, 0, -ENOMEM, -ENOMEM}, std::deque<int>{0, 0, 0, -ENOMEM, -ENOMEM}}) {
    kernel_.memory_errors = errors;
    EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kResourceExhausted));
    EXPECT_THAT(Submit(a), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("ENOMEM")));
    EXPECT_OK(driver_->Reset());
    EXPECT_OK(Submit(a));
    EXPECT_OK(Submit(b));
  }
  // Destroyed while there is no device.
  kernel_.memory_errors = {-ENOMEM};
  EXPECT_FALSE(driver_->Reset().ok());
  EXPECT_OK(driver_->DestroyCommandMemory(a.handle));
  EXPECT_OK(driver_->Reset());
  EXPECT_EQ(kernel_.mappings(), 1u);
  EXPECT_OK(Submit(b));
}

TEST_P(Gaudi2Test, CommandsOfATimeoutThatIsSurvivedStayUntilAReset) {
  const CommandMemory a = Nop();
  kernel_.outcome = Outcome::kTimedOut;
  ASSERT_OK_AND_ASSIGN(const Sequence lost, SubmitSurvivor(a));
  EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted));
  EXPECT_OK(driver_->DestroyCommandMemory(a.handle));
  EXPECT_EQ(kernel_.mappings(), 1u);
  EXPECT_OK(driver_->Reset());
  EXPECT_EQ(kernel_.mappings(), 0u);
}

TEST_P(Gaudi2Test, ATimeoutThatNobodyWaitedForIsNotForgotten) {
  const CommandMemory a = Nop(), b = Nop();
  kernel_.outcome = Outcome::kTimedOut;
  ASSERT_OK_AND_ASSIGN(const Sequence lost, SubmitSurvivor(a));
  ASSERT_OK_AND_ASSIGN(const Sequence also_lost, SubmitSurvivor(a));
  kernel_.outcome = Outcome::kDone;
  ASSERT_OK_AND_ASSIGN(const Sequence done, SubmitSurvivor(b));
  for (int i = 0; i < 200; ++i) ASSERT_OK(Submit(b));
  const int before = kernel_.ioctls;
  EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
  EXPECT_THAT(Poll(also_lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
  EXPECT_OK(Poll(done));
  EXPECT_EQ(kernel_.ioctls, before);
  // A queue may still be in its commands.
  EXPECT_OK(driver_->DestroyCommandMemory(a.handle));
  EXPECT_EQ(kernel_.mappings(), 2u);
}

TEST_P(Gaudi2Test, ATimeoutIsNotForgottenForSubmissionsThatAreRefused) {
  const CommandMemory memory = Nop();
  kernel_.outcome = Outcome::kTimedOut;
  ASSERT_OK_AND_ASSIGN(const Sequence lost, SubmitSurvivor(memory));
  kernel_.outcome = Outcome::kDone;
  for (int i = 0; i < 100; ++i) {
    kernel_.submit_errors = {-EAGAIN};
    EXPECT_THAT(Submit(memory), StatusIs(StatusCode::kResourceExhausted));
  }
  kernel_.skipped_numbers = 100;
  EXPECT_OK(Submit(memory));
  EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
}

TEST_P(Gaudi2Test, WhatMaySurviveItsTimeoutIsOverBeforeTheKernelForgetsIt) {
  const CommandMemory memory = Nop();
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence slow, SubmitSurvivor(memory));
  kernel_.outcome = Outcome::kDone;
  for (int i = 0; i < 63; ++i) ASSERT_OK(Submit(memory));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Submit(memory), StatusIs(StatusCode::kResourceExhausted, HasSubstr("in flight")));
  }
  EXPECT_THAT(Poll(slow), StatusIs(StatusCode::kDeadlineExceeded));
  kernel_.outcomes[1] = Outcome::kTimedOut;
  // Polls that are interrupted, and those that say nothing, settle nothing.
  kernel_.wait_errors = {-EINTR};
  EXPECT_OK(Submit(memory));
  EXPECT_THAT(Poll(slow), StatusIs(StatusCode::kAborted, HasSubstr("timed out")));
}

TEST_P(Gaudi2Test, AnAbortedOneThatNobodyWaitedForStopsTheNextSubmission) {
  const CommandMemory memory = Nop();
  kernel_.outcome = Outcome::kAborted;
  ASSERT_OK_AND_ASSIGN(const Sequence lost, SubmitSurvivor(memory));
  kernel_.outcome = Outcome::kDone;
  absl::Status status;
  for (int i = 0; i < 63 && status.ok(); ++i) status = Submit(memory).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kFailedPrecondition, HasSubstr("aborted")));
  EXPECT_OK(driver_->Reset());
  EXPECT_THAT(Poll(lost), StatusIs(StatusCode::kAborted));
  for (int i = 0; i < 200; ++i) ASSERT_OK(Submit(memory));
}

TEST_P(Gaudi2Test, DramThatIsTakenSinceFailsTheReset) {
  kernel_.dram_taken = kDramPage;
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kInternal, HasSubstr("another card")));
  kernel_.dram_taken = 0;
  EXPECT_OK(driver_->Reset());
}

TEST_P(Gaudi2Test, EveryBusyEngineIsNamed) {
  kernel_.busy_engines[0] = uint64_t{1} << GAUDI2_DCORE2_ENGINE_ID_MME | uint64_t{1} << 63;
  static_assert(GAUDI2_ENGINE_ID_NIC11_1 == 74);
  kernel_.busy_engines[1] = uint64_t{1} << (GAUDI2_ENGINE_ID_NIC11_1 - 64);
  kernel_.busy_engines[3] = uint64_t{1} << 63;
  ASSERT_OK_AND_ASSIGN(const Driver::Idleness idleness, driver_->GetIdleness());
  EXPECT_FALSE(idleness.is_idle);
  std::bitset<256> busy;
  busy.set(GAUDI2_DCORE2_ENGINE_ID_MME).set(63).set(GAUDI2_ENGINE_ID_NIC11_1);
  // Only the later interface has so many.
  if (GetParam() == Api::kAccel) busy.set(255);
  EXPECT_EQ(idleness.busy_engines, busy);
}

TEST_P(Gaudi2Test, EventsNameItsEngines) {
  const std::pair<uint32_t, const char*> opcodes[] = {
      {GAUDI2_DCORE0_ENGINE_ID_EDMA_1, "DCORE0_EDMA1 stream 1: "},
      {GAUDI2_DCORE2_ENGINE_ID_MME, "DCORE2_MME stream 1: "},
      {GAUDI2_DCORE3_ENGINE_ID_TPC_5, "DCORE3_TPC5 stream 1: "},
      {GAUDI2_DCORE1_ENGINE_ID_DEC_1, "DCORE1_DEC1 stream 1: "},
      {GAUDI2_DCORE0_ENGINE_ID_TPC_6, "DCORE0_TPC6 stream 1: "},
      {GAUDI2_ENGINE_ID_PDMA_1, "PDMA1 stream 1: "},
      {GAUDI2_ENGINE_ID_ROT_1, "ROT1 stream 1: "},
      {GAUDI2_PCIE_ENGINE_ID_DEC_0, "PCIE_DEC0 stream 1: "},
      {GAUDI2_ENGINE_ID_NIC11_0, "NIC11_0 stream 1: "},
      {GAUDI2_ENGINE_ID_SIZE, "engine "},
  };
  for (const auto& [engine, says] : opcodes) {
    ++kernel_.opcode.timestamp;
    kernel_.opcode.engine_id = engine;
    kernel_.opcode.stream_id = 1;
    kernel_.events = HL_NOTIFIER_EVENT_UNDEFINED_OPCODE;
    kernel_.announced = 1;
    const std::vector<HealthEvent> events = driver_->TakeEvents();
    ASSERT_EQ(events.size(), 1u) << engine;
    EXPECT_EQ(events[0].kind, HealthEvent::Kind::kUndefinedOpcode);
    EXPECT_THAT(events[0].message, testing::StartsWith(says));
  }
}

INSTANTIATE_TEST_SUITE_P(Interfaces, Gaudi2Test, testing::Values(Api::kMisc, Api::kAccel));

}  // namespace
}  // namespace openhpu::hal::habanalabs
