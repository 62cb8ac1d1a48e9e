// Resets: of a device at rest, under load, and while threads wait; what a caller holds stays valid.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

using absl::StatusCode;
using hal::HealthEvent;
using testing::AnyOf;
using testing::Contains;
using testing::IsEmpty;

class ResetSuite : public DriverSuite {
 protected:
  void ExpectUsable() {
    const Bytes data = Pattern(5000, 9);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(data));
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
    EXPECT_TRUE(got == data);
    EXPECT_OK(driver().Free(dram));
  }
};

TEST_F(ResetSuite, AResetIsAnEventThatIsTakenOnce) {
  EXPECT_THAT(TakeEventKinds(), IsEmpty());
  ASSERT_OK(driver().Reset());
  EXPECT_THAT(TakeEventKinds(), Contains(HealthEvent::Kind::kReset));
  EXPECT_THAT(TakeEventKinds(), IsEmpty());
}

TEST_F(ResetSuite, ResetsFollowEachOther) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(driver().Reset());
  ExpectUsable();
  ASSERT_OK(driver().Reset());
  ExpectUsable();
}

TEST_F(ResetSuite, WhatACallerHoldsStaysValid) {
  const Bytes data = Pattern(3000, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
  ASSERT_OK_AND_ASSIGN(HostMemory* const to, MapHost(Bytes(data.size())));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(data.size()));
  Job job = NewJob(HostDma(0));
  job.HostCopy(from->address, dram, data.size());
  ASSERT_OK_AND_ASSIGN(const hal::Chunk in, Place(job));
  Job back = NewJob(HostDma(0));
  back.HostCopy(dram, to->address, data.size());
  ASSERT_OK_AND_ASSIGN(const hal::Chunk out, Place(back));
  // The same commands, mappings and memory, before and after.
  for (int i = 0; i < 3; ++i) {
    std::fill(to->bytes.begin(), to->bytes.end(), std::byte{0});
    for (const hal::Chunk& chunk : {in, out}) {
      ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
      ASSERT_OK(Wait(sequence));
    }
    EXPECT_TRUE(to->bytes == data) << i;
    ASSERT_OK(driver().Reset());
  }
  // Memory that is allocated is not given out again.
  ASSERT_OK_AND_ASSIGN(const DeviceAddress other, Dram(data.size()));
  EXPECT_TRUE(other.value() + data.size() <= dram.value() ||
              dram.value() + data.size() <= other.value());
  EXPECT_OK(driver().UnmapHost(from->address));
  EXPECT_OK(driver().Free(dram));
  EXPECT_THAT(driver().Free(dram), StatusIs(StatusCode::kNotFound));
}

TEST_F(ResetSuite, WhatWasDoneStaysDoneAndNumbersGoOn) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence done, driver().Submit({&nop, 1}));
  ASSERT_OK(Wait(done));
  ASSERT_OK(driver().Reset());
  EXPECT_OK(Wait(done));
  ASSERT_OK_AND_ASSIGN(const Sequence next, driver().Submit({&nop, 1}));
  EXPECT_EQ(next, done + 1);
  EXPECT_OK(Wait(next));
}

TEST_F(ResetSuite, UnderLoadWhatIsInFlightIsLostForGood) {
  std::vector<Sequence> sequences;
  for (int dma = 0; dma < host_dmas(); ++dma) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      Job job = LongJob(HostDma(dma), stream, absl::Milliseconds(1));
      ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
      ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
      sequences.push_back(sequence);
    }
  }
  ASSERT_OK(driver().Reset());
  std::vector<absl::Status> results;
  for (const Sequence sequence : sequences) {
    results.push_back(Wait(sequence));
    EXPECT_THAT(results.back(), AnyOf(IsOk(), StatusIs(StatusCode::kAborted)));
  }
  ExpectUsable();
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(Wait(sequences[i]), results[i]);
    EXPECT_EQ(Wait(sequences[i], absl::ZeroDuration()), results[i]);
  }
}

TEST_F(ResetSuite, ABlockedQueueIsFreeAfterIt) {
  // Nobody will ever raise the object.
  Job blocked = NewJob(ComputeDma(0), 0), done = NewJob(HostDma(0), 1);
  blocked.Await({Reaches(0, 1)}).AddSob(1);
  done.Await({Reaches(1, 1)});
  ASSERT_OK_AND_ASSIGN(const Sequence lost, Submit({&blocked, &done}));
  ASSERT_OK(driver().Reset());
  EXPECT_THAT(Wait(lost), StatusIs(StatusCode::kAborted));
  // The objects are zero, and the queue takes work.
  Job counts = NewJob(ComputeDma(0), 0), waits = NewJob(HostDma(0), 1);
  counts.AddSob(1);
  waits.Await({Reaches(1, 1)});
  EXPECT_OK(Run({&counts, &waits}));
}

TEST_F(ResetSuite, ThreadsThatWorkSeeItAndGoOn) {
  std::vector<hal::Chunk> nops;
  constexpr int kThreads = 3;
  for (int t = 0; t < kThreads; ++t) {
    ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(t % host_dmas(), t / host_dmas()));
    nops.push_back(nop);
  }
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const hal::Chunk& nop : nops) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        const auto sequence = driver().Submit({&nop, 1});
        if (!sequence.ok()) {
          if (!absl::IsFailedPrecondition(sequence.status())) ++wrong;
          continue;
        }
        const absl::Status status = Wait(*sequence);
        if (!status.ok() && !absl::IsAborted(status)) ++wrong;
      }
    });
  }
  for (int i = 0; i < 5; ++i) EXPECT_OK(driver().Reset());
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  TakeEventKinds();
  ExpectUsable();
}

}  // namespace
}  // namespace openhpu::conformance
