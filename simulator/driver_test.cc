#include "simulator/driver.h"

#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/card_testing.h"

namespace openhpu::simulator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DriverTest : public ::testing::TestWithParam<const char*> {
 protected:
  TestCard card_{GetParam()};
};

TEST_P(DriverTest, CopiesToTheDeviceAndBack) {
  std::vector<uint32_t> source(10000);
  std::iota(source.begin(), source.end(), 7);
  const DeviceAddress device = card_.Upload(source);
  EXPECT_EQ(card_.ReadAll<uint32_t>(device, source.size()), source);
  const Statistics statistics = card_->statistics();
  EXPECT_EQ(statistics.submissions, 2u);
  EXPECT_EQ(statistics.engines[0].name, "DMA0");
  EXPECT_EQ(statistics.engines[0].commands, 1u);
  EXPECT_EQ(statistics.engines[0].bytes_read, 40000u);
}

TEST_P(DriverTest, AFenceOnOneQueueWaitsForASyncObjectThatAnotherQueueCounts) {
  // DMA 1 reads back what DMA 0 wrote, in one submission.
  std::vector<uint32_t> source(5000, 3), target(5000, 0);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, card_->MapHost(source.data(), 20000));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress to, card_->MapHost(target.data(), 20000));
  const DeviceAddress device = card_.Allocate(20000);
  Packets down, up;
  down.Copy(from, device, 20000).AddSob(8, 1, abi::Ctl::ENG_BARRIER::kMask);
  up.Await(8, 1, 3, abi::DmaQmanBase(1), 2).Copy(device, to, 20000).Sob(8, 0);
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(1, 2), up),
                         card_.External(abi::DmaQueue(0, 1), down)}),
              IsOk());
  EXPECT_EQ(target, source);
}

TEST_P(DriverTest, AnInternalQueueRunsABodyOnItsLowerProcessor) {
  std::vector<uint32_t> values(4096);
  std::iota(values.begin(), values.end(), 0);
  const DeviceAddress from = card_.Upload(values), to = card_.Allocate(16384);
  Packets body, upper, external;
  body.Copy(from, to, 16384);
  const DeviceAddress body_address = card_.Upload(body.bytes());
  upper.Body(body_address, static_cast<uint32_t>(body.bytes().size()))
      .AddSob(16, 1, abi::Ctl::ENG_BARRIER::kMask);
  external.Await(16, 1, 0, abi::DmaQmanBase(0), 0).Sob(16, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(card_.Run({card_.Internal(abi::DmaQueue(2, 0), upper),
                           card_.External(abi::DmaQueue(0, 0), external)}),
                IsOk());
  }
  EXPECT_EQ(card_.ReadAll<uint32_t>(to, values.size()), values);
}

TEST_P(DriverTest, FourStreamsShareOneLowerProcessor) {
  std::vector<uint32_t> values(1024, 5);
  const DeviceAddress from = card_.Upload(values);
  std::vector<DeviceAddress> to;
  std::vector<hal::Chunk> chunks;
  Packets external;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    to.push_back(card_.Allocate(4096));
    Packets body, upper;
    body.Copy(from, to.back(), 4096);
    const DeviceAddress at = card_.Upload(body.bytes());
    for (int i = 0; i < 5; ++i) upper.Body(at, static_cast<uint32_t>(body.bytes().size()));
    upper.AddSob(24, 1, abi::Ctl::ENG_BARRIER::kMask);
    chunks.push_back(card_.Internal(abi::DmaQueue(3, stream), upper));
  }
  external.Await(24, 4, 9, abi::DmaQmanBase(0), 3).Sob(24, 0);
  chunks.push_back(card_.External(abi::DmaQueue(0, 3), external));
  EXPECT_THAT(card_.Run(chunks), IsOk());
  EXPECT_EQ(card_->statistics().engines[3].commands, 20u);
  for (DeviceAddress address : to) EXPECT_EQ(card_.ReadAll<uint32_t>(address, 1024), values);
}

TEST_P(DriverTest, WritesTheTimeOfTheDevice) {
  const DeviceAddress at = card_.Upload(std::vector<uint64_t>{1, 2});
  Packets packets;
  const uint32_t timestamp =
      abi::PacketMsgLong::OP::Set(0, static_cast<uint32_t>(abi::MessageOp::kTimestamp));
  packets.MessageLong(at.value(), 0, timestamp).MessageLong(at.value() + 8, 77);
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), packets)}), IsOk());
  const std::vector<uint64_t> times = card_.ReadAll<uint64_t>(at, 2);
  EXPECT_EQ(times[1], 77u);
  EXPECT_EQ(times[0] > 1000, std::string(GetParam()).find("functional") == std::string::npos);
  EXPECT_LE(1000 * times[0], card_->statistics().now.value());
}

TEST_P(DriverTest, CountsModulo32768) {
  Packets packets;
  packets.Sob(40, 0x7FFF).AddSob(40, 3).Monitor(2, abi::DmaQmanBase(0), 0);
  uint32_t arm = abi::sync_manager::ArmAtLeast(40, 2);
  arm = abi::sync_manager::MON_ARM::SOP::Set(arm, 1);  // equal
  packets.Arm(2, arm).Fence();
  EXPECT_THAT(card_.Run({card_.External(abi::DmaQueue(0, 0), packets)}), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Modes, DriverTest,
                         ::testing::Values("sim:tiny", "sim:gaudi", "sim:tiny,mode=functional",
                                           "sim:tiny,hazards=on",
                                           "sim:gaudi,mode=functional,hazards=on"));

TEST(SpecTest, NamesWhatThereIs) {
  EXPECT_THAT(Simulator::Open("sim:no_such_chip"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("tiny")));
  EXPECT_THAT(Simulator::Open("sim:/no/such/file.textproto"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Simulator::Open("null:tiny"), StatusIs(absl::StatusCode::kInvalidArgument));
  for (const char* chip : {"sim:gaudi2", "sim:gaudi3"}) {
    EXPECT_THAT(Simulator::Open(chip), IsOk()) << chip;
  }
  EXPECT_THAT(Simulator::Open("sim:tiny,mode=slow"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("functional")));
  EXPECT_THAT(Simulator::Open("sim:tiny,colour=red"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("colour"), HasSubstr("hazards"))));
  EXPECT_THAT(Simulator::Open("sim:tiny,tpc.count=many"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tpc.count")));
  TestCard one_tpc("sim:tiny,tpc.count=1");
  EXPECT_EQ(one_tpc->info().chip.tpc().count().value(), 1u);
  EXPECT_EQ(one_tpc->info().driver, "sim:tiny,tpc.count=1");
}

TEST(MachinesTest, LiveSideBySideAndKeepTheirOwnTime) {
  TestCard a("sim:tiny"), b("sim:tiny"), c("sim:gaudi");
  const std::vector<uint32_t> values(100, 9);
  const DeviceAddress in_a = a.Upload(values), in_c = c.Upload(values);
  const DeviceAddress in_b = b.Upload(values);
  EXPECT_EQ(b.ReadAll<uint32_t>(in_b, 100), values);
  EXPECT_EQ(c.ReadAll<uint32_t>(in_c, 100), values);
  EXPECT_EQ(a.ReadAll<uint32_t>(in_a, 100), values);
  EXPECT_EQ(a->statistics().now, b->statistics().now);
  EXPECT_NE(a->statistics().now, c->statistics().now);
}

TEST(MachinesTest, RunOnManyThreads) {
  TestCard shared("sim:tiny,qman.max_pending_cs=1024");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, t] {
      TestCard own("sim:tiny");
      for (uint32_t i = 0; i < 20; ++i) {
        const std::vector<uint32_t> values(64, 100 * t + i);
        EXPECT_EQ(own.ReadAll<uint32_t>(own.Upload(values), 64), values);
        EXPECT_EQ(shared.ReadAll<uint32_t>(shared.Upload(values), 64), values);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared->statistics().submissions, 160u);
}

TEST(HostTimeTest, CallsCostWhatTheChipFileSays) {
  TestCard card("sim:tiny");
  EXPECT_EQ(card->statistics().now.value(), 0u);
  // Its addresses are physical: no call of the kernel.
  card.Allocate(64);
  EXPECT_EQ(card->statistics().now.value(), 0u);
  const hal::Chunk chunk = card.External(abi::DmaQueue(0, 0), Packets().Nop());
  EXPECT_EQ(card->statistics().now.value(), 5000000u);
  ASSERT_OK_AND_ASSIGN(const Sequence s, card.Submit({chunk}));
  EXPECT_EQ(card->statistics().now.value(), 8200000u);
  // Doorbell, fetch, three packets of 10 ns, completion.
  EXPECT_THAT(card.Wait(s), IsOk());
  EXPECT_EQ(card->statistics().now.value(), 8200000u + 1000000 + 1000000 + 30000 + 1000000);
  // The wait for what is long complete.
  EXPECT_THAT(card.Wait(s), IsOk());
  EXPECT_EQ(card->statistics().now.value(), 11230000u + 2000000);
}

TEST(HostTimeTest, PollsAdvanceTimeSoThatASpinLoopEnds) {
  TestCard card("sim:tiny");
  ASSERT_OK_AND_ASSIGN(const Sequence s,
                       card.Submit({card.External(abi::DmaQueue(0, 0), Packets().Nop())}));
  int polls = 0;
  absl::Status status;
  do {
    status = card.Wait(s, absl::ZeroDuration());
    ++polls;
  } while (status.code() == absl::StatusCode::kDeadlineExceeded && polls < 100);
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(polls, 11);  // 3.03 us at 0.3 us a poll
}

TEST(HostTimeTest, AWaitEndsAtItsDeadline) {
  TestCard card("sim:tiny");
  std::vector<uint32_t> data(1 << 20);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress from, card->MapHost(data.data(), 4 * data.size()));
  const DeviceAddress to = card.Allocate(4 * data.size());
  Packets packets;
  packets.Copy(from, to, 4 * data.size());  // 262 us at 16 GB/s
  ASSERT_OK_AND_ASSIGN(const Sequence s,
                       card.Submit({card.External(abi::DmaQueue(0, 0), packets)}));
  const uint64_t before = card->statistics().now.value();
  EXPECT_THAT(card.Wait(s, absl::Microseconds(100)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(card->statistics().now.value(), before + 100000000);
  EXPECT_THAT(card.Wait(s, absl::Microseconds(1000)), IsOk());
  EXPECT_LT(card->statistics().now.value(), before + 300000000);
}

TEST(HostTimeTest, SplittingATransferCostsLittleButItsFixedCosts) {
  const auto run = [](int pieces) {
    TestCard card("sim:tiny");
    constexpr uint32_t kBytes = 8 << 20;
    const DeviceAddress from = card.Allocate(kBytes), to = card.Allocate(kBytes);
    Packets packets;
    for (int i = 0; i < pieces; ++i) {
      const uint64_t offset = uint64_t{kBytes} / pieces * i;
      packets.Copy(from + offset, to + offset, kBytes / pieces);
    }
    const uint64_t before = card->statistics().now.value();
    EXPECT_THAT(card.Run({card.External(abi::DmaQueue(0, 0), packets)}), IsOk());
    return card->statistics().now.value() - before;
  };
  const uint64_t one = run(1), two = run(2), four = run(4);
  // A command's launch and first-byte latency.
  const uint64_t fixed = 300000 + 400000;
  EXPECT_NEAR(double(two - fixed), double(one), 0.005 * one);
  EXPECT_NEAR(double(four - 3 * fixed), double(one), 0.005 * one);
}

}  // namespace
}  // namespace openhpu::simulator
