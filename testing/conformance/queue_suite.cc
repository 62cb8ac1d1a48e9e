// Queues: order, streams, bodies, limits, waiting.
#include <cstdint>
#include <numeric>
#include <vector>

#include "testing/conformance/fixture.h"

namespace openhpu::conformance {
namespace {

using absl::StatusCode;

class QueueSuite : public ConformanceTest {
 protected:
  hal::Chunk Copy(uint32_t stream, const Memory& from, const Memory& to, uint64_t bytes,
                  hal::Engine engine = kHostIn) {
    return External(engine, stream, [&](hal::CommandWriter& w) {
      EXPECT_THAT(w.HostCopy(from.at(0), to.at(0), bytes), IsOk());
    });
  }
  std::vector<uint32_t> Numbers(size_t count) {
    std::vector<uint32_t> values(count);
    std::iota(values.begin(), values.end(), 1);
    return values;
  }
};

TEST_F(QueueSuite, SequencesGrowByOne) {
  const Memory a = Allocate(1024), b = Allocate(1024);
  const hal::Chunk copy = Copy(0, a, b, 1024);
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit({copy}));
  ASSERT_OK_AND_ASSIGN(const Sequence second, Submit({copy}));
  EXPECT_EQ(second, first + 1);
  EXPECT_THAT(driver().Wait({first, second}, hal::WaitFor::kAll, absl::InfiniteDuration()), IsOk());
}

TEST_F(QueueSuite, ACompleteSubmissionStaysComplete) {
  const Memory a = Allocate(1024), b = Allocate(1024);
  const hal::Chunk copy = Copy(0, a, b, 1024);
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit({copy}));
  EXPECT_THAT(Wait(first), IsOk());
  for (int i = 0; i < 200; ++i) EXPECT_THAT(Run({copy}), IsOk());
  EXPECT_THAT(Wait(first, absl::ZeroDuration()), IsOk());
}

TEST_F(QueueSuite, AQueueKeepsTheOrderOfSubmission) {
  constexpr size_t kCount = 5000;
  const Memory a = Upload(Numbers(kCount)), b = Allocate(4 * kCount), c = Allocate(4 * kCount),
               d = Allocate(4 * kCount);
  ASSERT_THAT(Submit({Copy(1, a, b, 4 * kCount)}), IsOk());
  ASSERT_THAT(Submit({Copy(1, b, c, 4 * kCount)}), IsOk());
  ASSERT_OK_AND_ASSIGN(const Sequence last, Submit({Copy(1, c, d, 4 * kCount)}));
  ASSERT_THAT(Wait(last), IsOk());
  EXPECT_EQ(Download<uint32_t>(d), Numbers(kCount));
}

TEST_F(QueueSuite, EveryExternalQueueCopies) {
  constexpr size_t kCount = 300;
  const Memory a = Upload(Numbers(kCount));
  for (hal::Engine engine : {kHostIn, kHostOut}) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      const Memory b = Upload(std::vector<uint32_t>(kCount, 0));
      EXPECT_THAT(Run({Copy(stream, a, b, 4 * kCount, engine)}), IsOk());
      EXPECT_EQ(Download<uint32_t>(b), Numbers(kCount));
    }
  }
}

TEST_F(QueueSuite, EveryStreamOfEveryComputeDmaRunsABody) {
  const std::vector<uint32_t> want(64, 0x01020304);
  for (int i = 0; i < Count(hal::EngineKind::kDma); ++i) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      const Memory memory = Upload(std::vector<uint32_t>(64, 0));
      EXPECT_THAT(RunBody(ComputeDma(i), stream, 1,
                          [&](hal::CommandWriter& body) {
                            EXPECT_THAT(
                                body.Dma(hal::DmaFill{memory.at(0), 256, 0x01020304}, hal::Sob{0}),
                                IsOk());
                          }),
                  IsOk());
      EXPECT_EQ(Download<uint32_t>(memory), want) << "engine " << i << " stream " << stream;
    }
  }
}

TEST_F(QueueSuite, AnUpperBufferRunsBodiesInOrder) {
  const hal::Engine engine = ComputeDma(0);
  const Memory memory = Allocate(4096);
  std::vector<Body> bodies;
  for (uint32_t i = 0; i < 10; ++i) {
    bodies.push_back(MakeBody(engine, [&](hal::CommandWriter& body) {
      EXPECT_THAT(body.Dma(hal::DmaFill{memory.at(0), 4096, i}, hal::Sob{0}), IsOk());
    }));
  }
  EXPECT_THAT(Run({Upper(engine, 0,
                         [&](hal::CommandWriter& upper) {
                           for (const Body& body : bodies) {
                             EXPECT_THAT(upper.Run(body.address, body.bytes), IsOk());
                           }
                         }),
                   Finish(0, {{0, 1, 10}})}),
              IsOk());
  EXPECT_EQ(Download<uint32_t>(memory), std::vector<uint32_t>(1024, 9));
}

TEST_F(QueueSuite, StreamsOfOneEngineShareIt) {
  const hal::Engine engine = ComputeDma(0);
  std::vector<Memory> memory;
  std::vector<hal::Chunk> chunks;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    memory.push_back(Upload(std::vector<uint32_t>(1024, 0)));
    const Body body = MakeBody(engine, [&](hal::CommandWriter& w) {
      for (uint32_t i = 0; i < 8; ++i) {
        EXPECT_THAT(w.Dma(hal::DmaFill{memory.back().at(512 * i), 512, stream}, hal::Sob{stream}),
                    IsOk());
      }
    });
    chunks.push_back(Upper(engine, stream, [&](hal::CommandWriter& upper) {
      EXPECT_THAT(upper.Run(body.address, body.bytes), IsOk());
    }));
  }
  chunks.push_back(Finish(0, {{0, 0xF, 8}}));
  EXPECT_THAT(Run(chunks), IsOk());
  for (uint32_t stream = 0; stream < 4; ++stream) {
    EXPECT_EQ(Download<uint32_t>(memory[stream]), std::vector<uint32_t>(1024, stream));
  }
}

TEST_F(QueueSuite, ASubmissionHoldsManyChunksOfOneQueue) {
  const Memory a = Upload(Numbers(32)), b = Allocate(128);
  const std::vector<hal::Chunk> chunks(100, Copy(0, a, b, 128));
  EXPECT_THAT(Run(chunks), IsOk());
  EXPECT_EQ(Download<uint32_t>(b), Numbers(32));
}

TEST_F(QueueSuite, AFullDeviceSaysSoAndTakesMoreAfterAWait) {
  const Memory a = Allocate(1 << 20), b = Allocate(1 << 20);
  const hal::Chunk copy = Copy(0, a, b, 1 << 20);
  std::vector<Sequence> sequences;
  absl::Status refused;
  // A device that is faster than the host is never full.
  const size_t enough = 2 * chip().qman().max_pending_cs().value();
  while (sequences.size() < enough) {
    const absl::StatusOr<Sequence> sequence = Submit({copy});
    if (!sequence.ok()) {
      refused = sequence.status();
      break;
    }
    sequences.push_back(*sequence);
  }
  if (!refused.ok()) {
    EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted));
    // The first ones may have been complete when it was refused.
    absl::StatusOr<Sequence> taken = refused;
    for (size_t i = 0; i < sequences.size() && !taken.ok(); ++i) {
      EXPECT_THAT(Wait(sequences[i]), IsOk());
      taken = Submit({copy});
    }
    ASSERT_OK_AND_ASSIGN(const Sequence next, taken);
    EXPECT_EQ(next, sequences.back() + 1);  // nothing was queued by the one that was refused
    sequences.push_back(next);
  }
  EXPECT_THAT(Wait(sequences.back()), IsOk());
}

TEST_F(QueueSuite, AWaitForAnyEndsWithTheFirst) {
  const Memory a = Allocate(8 << 20), b = Allocate(8 << 20), c = Allocate(128), d = Allocate(128);
  ASSERT_OK_AND_ASSIGN(const Sequence slow, Submit({Copy(0, a, b, 8 << 20)}));
  ASSERT_OK_AND_ASSIGN(const Sequence fast, Submit({Copy(0, c, d, 128, kHostOut)}));
  EXPECT_THAT(driver().Wait({slow, fast}, hal::WaitFor::kAny, absl::InfiniteDuration()), IsOk());
  EXPECT_THAT(driver().Wait({slow, fast}, hal::WaitFor::kAll, absl::InfiniteDuration()), IsOk());
}

TEST_F(QueueSuite, PollingComesToAnEnd) {
  const Memory a = Allocate(1 << 20), b = Allocate(1 << 20);
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({Copy(0, a, b, 1 << 20)}));
  absl::Status status = absl::DeadlineExceededError("");
  while (status.code() == StatusCode::kDeadlineExceeded) {
    status = Wait(sequence, absl::ZeroDuration());
  }
  EXPECT_THAT(status, IsOk());
}

TEST_F(QueueSuite, AWaitTakesOneToThirtyTwoSequences) {
  const Memory a = Allocate(128), b = Allocate(128);
  const hal::Chunk copy = Copy(0, a, b, 128);
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < hal::kMaxWaits + 1; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({copy}));
    sequences.push_back(sequence);
  }
  const auto wait = [&](size_t count) {
    return driver().Wait(absl::MakeConstSpan(sequences).subspan(0, count), hal::WaitFor::kAll,
                         absl::InfiniteDuration());
  };
  EXPECT_THAT(wait(hal::kMaxWaits), IsOk());
  EXPECT_THAT(wait(hal::kMaxWaits + 1), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(wait(0), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Wait(sequences.back() + 1), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace openhpu::conformance
