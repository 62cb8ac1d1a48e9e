// Jobs that complete wherever their commands lie, on any queue, as the emulated kernel of a Gaudi2
// submits them.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi2/blocks.h"
#include "hal/abi/gaudi2/packets.h"
#include "hal/abi/gaudi2/qman.h"
#include "hal/abi/gaudi2/queue_ids.h"
#include "simulator/card.h"
#include "simulator/card_testing.h"
#include "simulator/spec.h"

namespace openhpu::simulator {
namespace {

namespace abi2 = hal::abi::gaudi2;
using ::testing::HasSubstr;

constexpr Picoseconds kSecond{1000000000000};
constexpr uint32_t kEdma = abi2::EdmaQueue(1, 0, 0), kTpc = abi2::TpcQueue(2, 3, 1);

class CardReportsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const Spec spec, ParseSpec("sim:gaudi2"));
    ASSERT_OK_AND_ASSIGN(card_, Card::Create("sim:gaudi2", spec));
    card_->LeaveWaitingToKernel();
    memory_.resize(1 << 20);
    ASSERT_OK_AND_ASSIGN(host_, card_->MapHost(memory_.data(), memory_.size()));
  }
  // In the host's memory.
  Card::ReportingJob InMemory(uint32_t queue, const Packets& packets) {
    std::memcpy(memory_.data() + used_, packets.bytes().data(), packets.bytes().size());
    Card::ReportingJob job;
    job.chunk.queue = QueueId(queue);
    job.chunk.commands = host_.value() + used_;
    job.chunk.bytes = static_cast<uint32_t>(packets.bytes().size());
    used_ += 4096;
    return job;
  }
  bool IsDone(Sequence sequence) {
    card_->WaitUntil({sequence}, hal::WaitFor::kAll, card_->host_time() + kSecond.value(), true);
    return card_->CompletionTime(sequence) != Card::kNever;
  }
  // At fence 0 of the stream, which the second opens for kTpc.
  static abi2::PacketFence Fence() {
    abi2::PacketFence packet;
    packet.cfg = abi2::PacketFence::TARGET_VAL::Set(packet.cfg, 1);
    packet.cfg = abi2::PacketFence::DEC_VAL::Set(packet.cfg, 1);
    return packet;
  }
  static abi2::PacketMsgLong Opening() {
    abi2::PacketMsgLong packet;
    packet.addr = abi2::TpcQmanBase(2, 3) + abi2::qman::CpFenceRdata(0, 1);
    packet.value = 1;
    return packet;
  }

  std::unique_ptr<Card> card_;
  std::vector<std::byte> memory_;
  DeviceAddress host_;
  size_t used_ = 0;
};

TEST_F(CardReportsTest, ASubmissionIsCompleteWhenItsLastJobIs) {
  const std::vector<Card::ReportingJob> jobs = {InMemory(abi2::PdmaQueue(0, 0), Packets().Nop()),
                                                InMemory(kTpc, Packets().Add(Fence()))};
  ASSERT_OK_AND_ASSIGN(const Sequence waits, card_->SubmitReporting(jobs));
  EXPECT_FALSE(IsDone(waits));
  ASSERT_OK_AND_ASSIGN(const Sequence opens,
                       card_->SubmitReporting({InMemory(kEdma, Packets().Add(Opening()))}));
  EXPECT_TRUE(IsDone(opens));
  EXPECT_TRUE(IsDone(waits));
}

TEST_F(CardReportsTest, ItsEndIsTheEnginesAndTheMessages) {
  const DeviceAddress sram = card_->info().sram_user_base;
  const auto time_of = [&](uint32_t bytes) {
    const Picoseconds before = card_->host_time();
    const auto sequence = card_->SubmitReporting(
        {InMemory(kEdma, Packets().Copy(sram, sram + (uint64_t{1} << 24), bytes))});
    EXPECT_THAT(sequence, IsOk());
    EXPECT_TRUE(IsDone(*sequence));
    return card_->CompletionTime(*sequence) - before;
  };
  const Picoseconds small = time_of(128), large = time_of(128 + (10 << 20));
  // 10 MiB at 128 bytes a cycle of 1.75 GHz are 46.8 us, and not quite all cycles move bytes.
  EXPECT_GT((large - small).value(), 46800000u);
  EXPECT_LT((large - small).value(), 60000000u);
}

TEST_F(CardReportsTest, TheSameJobEndsAtTheSameTimeFromBothKindsOfMemory) {
  const auto time_of = [&](const Card::ReportingJob& job) {
    const Picoseconds before = card_->host_time();
    const auto sequence = card_->SubmitReporting({job});
    EXPECT_THAT(sequence, IsOk());
    EXPECT_TRUE(IsDone(*sequence));
    return card_->CompletionTime(*sequence) - before;
  };
  Card::ReportingJob mapped = InMemory(kEdma, Packets().Nop());
  Card::ReportingJob kernels = mapped;
  kernels.chunk.commands =
      card_->AddCommandMemory(absl::MakeSpan(memory_.data() + used_ - 4096, mapped.chunk.bytes));
  kernels.has_handle = true;
  EXPECT_EQ(time_of(mapped), time_of(kernels));
}

TEST_F(CardReportsTest, WhatCannotBeFetchedFaultsWhenItIsItsTurn) {
  Card::ReportingJob job = InMemory(kTpc, Packets().Nop());
  job.chunk.commands = host_.value() + memory_.size() + 8192;
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, card_->SubmitReporting({job}));
  EXPECT_FALSE(IsDone(sequence));
  const std::vector<hal::HealthEvent> events = card_->TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, hal::HealthEvent::Kind::kPageFault);
  EXPECT_THAT(events[0].message, HasSubstr("DCORE2_TPC3 stream 1"));
  EXPECT_EQ(card_->fault().address, job.chunk.commands);
}

TEST_F(CardReportsTest, AllThatAreInFlightCountWhateverTheirQueues) {
  const Card::ReportingJob job = InMemory(kTpc, Packets().Add(Fence()));
  for (int i = 0; i < 64; ++i) EXPECT_THAT(card_->SubmitReporting({job}), IsOk());
  EXPECT_THAT(card_->SubmitReporting({job}), StatusIs(absl::StatusCode::kResourceExhausted,
                                                      HasSubstr("64 submissions are in flight")));
}

TEST_F(CardReportsTest, QueuesThatAreNoneAndHandlesThatAreNoneAreNamed) {
  Card::ReportingJob job = InMemory(kTpc, Packets().Nop());
  const auto refused = [&](const char* what) {
    EXPECT_THAT(card_->SubmitReporting({job}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  };
  job.has_handle = true;
  refused("no command memory");
  job.has_handle = false;
  job.chunk.bytes = 12;
  refused("multiple of 8");
  job.chunk.bytes = 8;
  job.chunk.queue = QueueId(abi2::NicQueue(3, 0));
  refused("NICs are not modelled");
  EXPECT_THAT(card_->SubmitReporting({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CardReportsTest, HiddenDramIsReachedWhereItIsMapped) {
  const DeviceAddress dram = card_->info().dram_user_base;
  EXPECT_NE(card_->Peek(dram, 1), nullptr);
  card_->HideDram();
  EXPECT_EQ(card_->Peek(dram, 1), nullptr);
  EXPECT_THAT(card_->MapDram(dram + 4096, 0, 4096), IsOk());
  EXPECT_EQ(card_->Peek(dram, 1), nullptr);
  EXPECT_EQ(card_->Peek(dram + 4096, 4096), card_->Peek(DeviceAddress(0x1001000030000000), 4096))
      << "by physical address";
  EXPECT_EQ(card_->Peek(dram + 4096, 4097), nullptr);
  EXPECT_THAT(card_->UnmapDram(dram + 4096), IsOk());
  EXPECT_EQ(card_->Peek(dram + 4096, 1), nullptr);
}

}  // namespace
}  // namespace openhpu::simulator
