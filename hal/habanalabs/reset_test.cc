// Resets over a kernel in memory: what callers hold stays valid, what was in flight is lost.
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/fake_kernel.h"
#include "testing/status_matchers.h"

namespace openhpu::hal::habanalabs {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using Outcome = FakeKernel::Outcome;

class ResetTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    kernel_.has_placeholder = GetParam();
    auto driver = Driver::Open("habanalabs:0", kernel_.MakeSyscalls());
    ASSERT_OK(driver);
    driver_ = *std::move(driver);
    nop_ = Commands(8);
  }
  void TearDown() override {
    driver_.reset();
    EXPECT_EQ(kernel_.open_files(), 0u);
    EXPECT_EQ(kernel_.mapped_regions(), 0u);
  }
  // Command memory that begins with a NOP; behind it the numbers of its bytes.
  CommandMemory Commands(uint64_t bytes) {
    const auto memory = driver_->CreateCommandMemory(bytes);
    EXPECT_OK(memory);
    const abi::gaudi::PacketNop nop;
    for (size_t i = 0; i < bytes; ++i) memory->bytes[i] = static_cast<std::byte>(i);
    std::memcpy(memory->bytes.data(), &nop, sizeof nop);
    return *memory;
  }
  absl::StatusOr<Sequence> Submit(const CommandMemory& memory) {
    const Chunk chunk = {QueueId(0), memory.handle, 8};
    return driver_->Submit({&chunk, 1});
  }
  absl::Status Poll(Sequence sequence) {
    return driver_->Wait({&sequence, 1}, WaitFor::kAll, absl::ZeroDuration());
  }

  FakeKernel kernel_;
  std::unique_ptr<Driver> driver_;
  CommandMemory nop_;
};

TEST_P(ResetTest, WhatWasInFlightIsLostAndWhatWasDoneStaysDone) {
  kernel_.outcome = Outcome::kDone;
  ASSERT_OK_AND_ASSIGN(const Sequence waited, Submit(nop_));
  EXPECT_OK(Poll(waited));
  ASSERT_OK_AND_ASSIGN(const Sequence done, Submit(nop_));
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence busy, Submit(nop_));
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(Poll(waited));
  EXPECT_OK(Poll(done));
  EXPECT_THAT(Poll(busy), StatusIs(StatusCode::kAborted, HasSubstr("reset")));
  // The kernel's numbers begin again, ours go on.
  EXPECT_THAT(Submit(nop_), IsOkAndHolds(busy + 1));
  EXPECT_THAT(Poll(busy + 1), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Poll(busy), StatusIs(StatusCode::kAborted));
}

TEST_P(ResetTest, WhatWasDoneStaysDoneThoughThePollIsInterrupted) {
  ASSERT_OK_AND_ASSIGN(const Sequence done, Submit(nop_));
  ASSERT_OK_AND_ASSIGN(const Sequence also_done, Submit(nop_));
  kernel_.wait_errors = {-EINTR, -EINTR, 0, -EINTR};
  EXPECT_OK(driver_->Reset());
  EXPECT_TRUE(kernel_.wait_errors.empty());
  EXPECT_OK(Poll(done));
  EXPECT_OK(Poll(also_done));
}

// What a submission of that moment would name is the old context's.
TEST_P(ResetTest, NobodySubmitsWhileCommandsAndMappingsAreRestored) {
  std::vector<std::byte> memory(100);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(memory.data(), 100));
  const Requests& requests = RequestsOf(kernel_.api);
  int submissions = 0, restored = 0;
  kernel_.on_ioctl = [&](unsigned long request) {
    if (request == requests.command_submission) ++submissions;
    if (request != requests.command_buffer && request != requests.memory) return;
    ++restored;
    std::thread([this] {
      EXPECT_THAT(Submit(nop_), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("reset")));
      EXPECT_THAT(driver_->SubmitSignal(QueueId(0)),
                  StatusIs(StatusCode::kFailedPrecondition, HasSubstr("reset")));
    }).join();
  };
  // Whoever got in would be refused, and not look for the reason, for which it would wait.
  kernel_.submit_errors.assign(4, -EAGAIN);
  EXPECT_OK(driver_->Reset());
  EXPECT_EQ(restored, 2);
  EXPECT_EQ(submissions, 0);
  kernel_.submit_errors.clear();
  EXPECT_OK(Submit(nop_));
  EXPECT_EQ(submissions, 1);
  kernel_.on_ioctl = nullptr;
  EXPECT_OK(driver_->UnmapHost(address));
}

TEST_P(ResetTest, CommandMemoryKeepsHandleAddressAndContents) {
  const CommandMemory a = Commands(100), b = Commands(10000);
  const std::vector<std::byte> bytes_a(a.bytes.begin(), a.bytes.end()),
      bytes_b(b.bytes.begin(), b.bytes.end());
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Submit(a));
    const uint64_t before = kernel_.last_chunks[0].cb_handle;
    EXPECT_OK(driver_->Reset());
    EXPECT_TRUE(std::equal(bytes_a.begin(), bytes_a.end(), a.bytes.begin()));
    EXPECT_TRUE(std::equal(bytes_b.begin(), bytes_b.end(), b.bytes.begin()));
    EXPECT_EQ(kernel_.buffers(), 3u);
    ASSERT_OK(Submit(a));
    EXPECT_NE(kernel_.last_chunks[0].cb_handle, before);
    ASSERT_OK(Submit(b));
  }
  EXPECT_OK(driver_->DestroyCommandMemory(a.handle));
  EXPECT_THAT(Submit(a), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_OK(Submit(b));
}

TEST_P(ResetTest, MappingsKeepTheirAddresses) {
  std::vector<std::byte> memory(20000);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, driver_->MapHost(&memory[5], 9000));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, driver_->MapHost(&memory[10001], 1));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress c, driver_->MapHost(&memory[12000], 100));
  EXPECT_OK(driver_->UnmapHost(b));
  EXPECT_OK(driver_->Reset());
  ASSERT_EQ(kernel_.mappings(), 2u);
  const hl_mem_in& in = kernel_.mapped_host().at(a.value());
  EXPECT_EQ(in.flags, uint32_t{HL_MEM_USERPTR | HL_MEM_FORCE_HINT});
  EXPECT_EQ(in.map_host.host_virt_addr, reinterpret_cast<uintptr_t>(&memory[5]));
  EXPECT_EQ(in.map_host.mem_size, 9000u);
  EXPECT_EQ(kernel_.mapped_host().count(c.value()), 1u);
  EXPECT_OK(driver_->UnmapHost(a));
  EXPECT_OK(driver_->UnmapHost(c));
}

TEST_P(ResetTest, AMappingThatComesElsewhereFailsTheReset) {
  int word = 0;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(&word, sizeof word));
  // Someone else has the addresses, for both sizes of pages that are tried.
  kernel_.memory_errors = {-ENOMEM, -ENOMEM};
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(Submit(nop_), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("ENOMEM")));
  // Nobody else gets the address meanwhile.
  EXPECT_THAT(driver_->MapHost(&word, sizeof word), StatusIs(StatusCode::kFailedPrecondition));
  // The next try gets it.
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(Submit(nop_));
  EXPECT_OK(driver_->UnmapHost(address));
}

TEST_P(ResetTest, DeviceMemoryStaysAllocated) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, driver_->Allocate(MemoryKind::kDram, 4096));
  EXPECT_OK(driver_->Reset());
  ASSERT_OK_AND_ASSIGN(const DeviceAddress other, driver_->Allocate(MemoryKind::kDram, 4096));
  EXPECT_NE(dram, other);
  EXPECT_OK(driver_->Free(dram));
}

TEST_P(ResetTest, TheNodeIsWaitedFor) {
  kernel_.open_errors = {-EAGAIN, -EBUSY, -EAGAIN};
  kernel_.statuses = {HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE};
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(Submit(nop_));
}

TEST_P(ResetTest, ANodeThatDoesNotComeBackCanBeTriedAgain) {
  const CommandMemory memory = Commands(64);
  std::vector<std::byte> host(10);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, driver_->MapHost(host.data(), 10));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress given_back, driver_->MapHost(host.data(), 5));
  const CommandMemory destroyed = Commands(64);
  kernel_.open_errors.assign(1000000, -EAGAIN);
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kUnavailable));
  kernel_.open_errors = {-ENXIO};
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kNotFound));
  // Meanwhile nothing works, and nothing breaks.
  EXPECT_THAT(Submit(memory), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(driver_->CreateCommandMemory(8), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(driver_->MapHost(host.data(), 10), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(driver_->DeviceTime(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_TRUE(driver_->TakeEvents().empty());
  EXPECT_EQ(memory.bytes[63], std::byte{63});
  EXPECT_OK(driver_->UnmapHost(given_back));
  EXPECT_OK(driver_->DestroyCommandMemory(destroyed.handle));
  EXPECT_OK(driver_->Reset());
  EXPECT_OK(Submit(memory));
  EXPECT_EQ(memory.bytes[63], std::byte{63});
  EXPECT_EQ(kernel_.mappings(), 1u);
  EXPECT_OK(driver_->UnmapHost(address));
}

TEST_P(ResetTest, AnotherCardInItsPlaceIsRefused) {
  kernel_.ip.dram_size -= 4096;
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kInternal, HasSubstr("another card")));
  kernel_.ip.dram_size += 4096;
  EXPECT_OK(driver_->Reset());
}

TEST_P(ResetTest, AFailureInTheMiddleIsMadeGoodByTheNext) {
  const CommandMemory a = Commands(64), b = Commands(64);
  kernel_.buffer_errors = {0, -ENOMEM};
  EXPECT_THAT(driver_->Reset(), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(Submit(a), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(driver_->Reset());
  for (const CommandMemory& memory : {a, b}) {
    EXPECT_OK(Submit(memory));
    EXPECT_EQ(memory.bytes[63], std::byte{63});
  }
}

TEST_P(ResetTest, AResetIsAnEvent) {
  EXPECT_OK(driver_->Reset());
  const std::vector<HealthEvent> events = driver_->TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, HealthEvent::Kind::kReset);
  EXPECT_TRUE(driver_->TakeEvents().empty());
}

TEST_P(ResetTest, ADeviceThatAnswersNothingCanBeReset) {
  kernel_.outcome = Outcome::kBusy;
  ASSERT_OK_AND_ASSIGN(const Sequence busy, Submit(nop_));
  kernel_.wait_errors = {-ENODEV};
  kernel_.info_errors[HL_INFO_GET_EVENTS] = -ENODEV;
  EXPECT_OK(driver_->Reset());
  EXPECT_THAT(Poll(busy), StatusIs(StatusCode::kAborted));
}

// With a placeholder for command memory's addresses, as on Linux, and on machines without.
INSTANTIATE_TEST_SUITE_P(Placeholder, ResetTest, testing::Bool());

}  // namespace
}  // namespace openhpu::hal::habanalabs
