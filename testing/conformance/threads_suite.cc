// Many threads on one device: all methods of the seam at once, many waiters, and many submissions.
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/conformance/driver_suite.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

constexpr int kThreads = 4;

class ThreadsSuite : public DriverSuite {
 protected:
  // Each thread runs `body`, which says whether all was well.
  template <typename Body>
  void ExpectAllRight(int count, const Body& body) {
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < count; ++t) {
      threads.emplace_back([&, t] { right += body(t) ? 1 : 0; });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right.load(), count);
  }
  // A copy of the thread's own: command memory made, used and destroyed. Nothing of the suite's.
  absl::Status CopyOnce(int t, DeviceAddress from, DeviceAddress to, uint64_t bytes) {
    Job job = NewJob(HostDma(t % host_dmas()), static_cast<uint32_t>(t) % 4);
    job.HostCopy(from, to, bytes);
    const absl::StatusOr<Bytes> commands = job.Link(first_sob(), first_monitor(), DeviceAddress(0));
    if (!commands.ok()) return commands.status();
    const absl::StatusOr<QueueId> queue = Queue(job.engine(), job.stream());
    if (!queue.ok()) return queue.status();
    const absl::StatusOr<hal::CommandMemory> memory =
        driver().CreateCommandMemory(commands->size());
    if (!memory.ok()) return memory.status();
    std::memcpy(memory->bytes.data(), commands->data(), commands->size());
    const hal::Chunk chunk = {*queue, memory->handle, static_cast<uint32_t>(commands->size())};
    const absl::StatusOr<Sequence> sequence = driver().Submit({&chunk, 1});
    absl::Status status = sequence.ok() ? Wait(*sequence) : sequence.status();
    const absl::Status destroyed = driver().DestroyCommandMemory(memory->handle);
    return status.ok() ? destroyed : status;
  }
};

TEST_F(ThreadsSuite, EveryMethodIsCalledAtOnce) {
  ExpectAllRight(kThreads, [this](int t) {
    constexpr uint64_t kBytes = 3000;
    for (int i = 0; i < 15; ++i) {
      Bytes in = Pattern(kBytes, static_cast<uint64_t>(t) * 100 + i), out(kBytes);
      const auto dram = driver().Allocate(hal::MemoryKind::kDram, kBytes);
      const auto from = driver().MapHost(in.data(), kBytes);
      const auto to = driver().MapHost(out.data(), kBytes);
      if (!dram.ok() || !from.ok() || !to.ok()) return false;
      if (!CopyOnce(t, *from, *dram, kBytes).ok() || !CopyOnce(t, *dram, *to, kBytes).ok()) {
        return false;
      }
      if (in != out || !driver().TakeEvents().empty()) return false;
      if (!driver().UnmapHost(*from).ok() || !driver().UnmapHost(*to).ok() ||
          !driver().Free(*dram).ok() || !driver().GetSyncManagerInfo(0).ok()) {
        return false;
      }
    }
    return true;
  });
}

TEST_F(ThreadsSuite, ManyWaitForOne) {
  Job slow = LongJob(HostDma(0), 0, absl::Milliseconds(1));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&slow}));
  ExpectAllRight(32, [&](int t) {
    const hal::WaitFor what = t % 2 == 0 ? hal::WaitFor::kAll : hal::WaitFor::kAny;
    return driver().Wait({&sequence, 1}, what, absl::InfiniteDuration()).ok();
  });
}

TEST_F(ThreadsSuite, ManySubmissionsOfManyThreadsAllComplete) {
  std::vector<hal::Chunk> nops;
  for (int t = 0; t < kThreads; ++t) {
    ASSERT_OK_AND_ASSIGN(const hal::Chunk nop,
                         PlaceNop(t % host_dmas(), static_cast<uint32_t>(t / host_dmas())));
    nops.push_back(nop);
  }
  ExpectAllRight(kThreads, [&](int t) {
    Sequence last(0);
    for (int i = 0; i < 200; ++i) {
      absl::StatusOr<Sequence> sequence = driver().Submit({&nops[t], 1});
      // As the seam says of a full queue: try again after a wait. A thread that has nothing yet to
      // wait for lets the others do so, who were there first.
      while (absl::IsResourceExhausted(sequence.status())) {
        if (last.value() == 0) {
          std::this_thread::yield();
        } else if (!Wait(last).ok()) {
          return false;
        }
        sequence = driver().Submit({&nops[t], 1});
      }
      if (!sequence.ok() || *sequence <= last) return false;
      last = *sequence;
    }
    return Wait(last).ok();
  });
}

TEST_F(ThreadsSuite, WaitersForAnyReturnWithTheirFirst) {
  Job slow = LongJob(HostDma(0), 0, absl::Milliseconds(1));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 1));
  ASSERT_OK_AND_ASSIGN(const Sequence last, Submit({&slow}));
  ExpectAllRight(kThreads, [&](int) {
    const auto mine = driver().Submit({&nop, 1});
    if (!mine.ok()) return false;
    const Sequence both[] = {last, *mine};
    return driver().Wait(both, hal::WaitFor::kAny, absl::InfiniteDuration()).ok();
  });
  EXPECT_OK(Wait(last));
}

}  // namespace
}  // namespace openhpu::conformance
