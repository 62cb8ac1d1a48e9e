// Submissions: what is taken, in which order it runs, when it is done, and how that is waited for.
#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/abi/gaudi/packets.h"
#include "testing/conformance/driver_suite.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

using absl::StatusCode;
using hal::WaitFor;
using testing::AnyOf;

constexpr absl::Duration kPoll = absl::ZeroDuration();

class QueueSuite : public DriverSuite {
 protected:
  // What the host pays for a submission of `chunks` chunks.
  absl::Duration SubmitCost(uint64_t chunks) {
    return absl::Nanoseconds(
        (chip().host().submit_ps().value() + chunks * chip().host().submit_chunk_ps().value()) /
            1000 +
        1);
  }
  // Each stream of each engine of a kind adds 1 to an object of its own; an external job waits for
  // all of them.
  void ExpectEveryQueueRuns(hal::EngineKind kind);
};

void QueueSuite::ExpectEveryQueueRuns(hal::EngineKind kind) {
  const int engines = hal::CountEngines(chip(), kind);
  ASSERT_GT(engines, 0);
  std::vector<hal::Chunk> chunks;
  std::vector<hal::SyncCondition> all;
  Job reset = NewJob(HostDma(0));
  for (uint32_t i = 0; i < static_cast<uint32_t>(engines) * 4; ++i) {
    Job job = NewJob({kind, static_cast<uint8_t>(i / 4)}, i % 4);
    job.AddSob(i);
    ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
    chunks.push_back(chunk);
    if (i % 8 == 0) all.push_back({i / 8, 0, 1});
    all.back().watch |= static_cast<uint8_t>(1u << (i % 8));
  }
  reset.Await(all);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk last, Place(reset));
  chunks.push_back(last);
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit(chunks));
  EXPECT_OK(Wait(sequence));
}

TEST_F(QueueSuite, SequencesGrowByOne) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver().Submit({&nop, 1}));
  for (uint64_t i = 1; i <= 20; ++i) {
    EXPECT_THAT(driver().Submit({&nop, 1}), IsOkAndHolds(first + i));
  }
  EXPECT_OK(Wait(first + 20));
}

TEST_F(QueueSuite, ARefusedSubmissionTakesNoSequence) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver().Submit({&nop, 1}));
  EXPECT_THAT(driver().Submit({}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(driver().Submit({&nop, 1}), IsOkAndHolds(first + 1));
  EXPECT_OK(Wait(first + 1));
}

TEST_F(QueueSuite, EveryExternalQueueRunsCommands) {
  for (int dma = 0; dma < host_dmas(); ++dma) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(dma, stream));
      ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&nop, 1}));
      EXPECT_OK(Wait(sequence)) << "DMA " << dma << " stream " << stream;
    }
  }
}

TEST_F(QueueSuite, EveryDmaQueueRunsCommands) { ExpectEveryQueueRuns(hal::EngineKind::kDma); }
TEST_F(QueueSuite, EveryMmeQueueRunsCommands) { ExpectEveryQueueRuns(hal::EngineKind::kMme); }
TEST_F(QueueSuite, EveryTpcQueueRunsCommands) { ExpectEveryQueueRuns(hal::EngineKind::kTpc); }

TEST_F(QueueSuite, OneCommandMemoryServesManySubmissions) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(Pattern(64, 1)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(64)));
  Job job = NewJob(HostDma(0));
  job.HostCopy(a, out->address, 64);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_OK(Upload(Pattern(64, i), a));
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
    ASSERT_OK(Wait(sequence));
    EXPECT_TRUE(out->bytes == Pattern(64, i)) << i;
  }
}

TEST_F(QueueSuite, ASubmissionMayUsePartOfItsCommandMemory) {
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory memory, driver().CreateCommandMemory(4096));
  // Behind the packet there is nothing that a queue could run.
  std::memset(memory.bytes.data(), 0xFF, memory.bytes.size());
  const hal::abi::gaudi::PacketNop nop;
  std::memcpy(memory.bytes.data(), &nop, sizeof nop);
  ASSERT_OK_AND_ASSIGN(const QueueId queue, Queue(HostDma(0), 0));
  const hal::Chunk chunk{queue, memory.handle, sizeof nop};
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
  EXPECT_OK(Wait(sequence));
}

TEST_F(QueueSuite, CommandMemoryMayBeDestroyedWhileItsSubmissionRuns) {
  const Bytes data = Pattern(1 << 20, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(data.size()));
  Job job = NewJob(HostDma(0));
  job.HostCopy(from->address, dram, data.size());
  ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
  EXPECT_OK(driver().DestroyCommandMemory(chunk.commands));
  // Its handle is gone at once.
  EXPECT_THAT(driver().Submit({&chunk, 1}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_OK(Wait(sequence));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
  EXPECT_TRUE(got == data);
}

TEST_F(QueueSuite, TheLargestCommandBufferRuns) {
  constexpr uint32_t kBytes = (2 << 20) - 32;
  ASSERT_OK_AND_ASSIGN(const hal::CommandMemory memory, driver().CreateCommandMemory(kBytes));
  const hal::abi::gaudi::PacketNop nop;
  for (uint32_t at = 0; at < kBytes; at += sizeof nop) {
    std::memcpy(memory.bytes.data() + at, &nop, sizeof nop);
  }
  ASSERT_OK_AND_ASSIGN(const QueueId queue, Queue(HostDma(0), 0));
  const hal::Chunk chunk{queue, memory.handle, kBytes};
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
  EXPECT_OK(Wait(sequence));
}

TEST_F(QueueSuite, AllChunksOfTheLargestSubmissionRun) {
  std::vector<hal::Chunk> chunks;
  for (uint32_t i = 0; i < hal::kMaxChunks; ++i) {
    ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(i % host_dmas(), i / host_dmas() % 4));
    chunks.push_back(nop);
  }
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit(chunks));
  EXPECT_OK(Wait(sequence));
}

TEST_F(QueueSuite, JobsOfAStreamRunInOrder) {
  // Each copies what the one before it has copied.
  constexpr uint64_t kJobs = 40, kBytes = 3000;
  const Bytes data = Pattern(kBytes, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram((kJobs + 1) * 4096));
  ASSERT_OK(Upload(data, dram));
  std::vector<hal::Chunk> chunks;
  for (uint64_t i = 0; i < kJobs; ++i) {
    Job job = NewJob(HostDma(0));
    job.HostCopy(dram + i * 4096, dram + (i + 1) * 4096, kBytes);
    ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
    chunks.push_back(chunk);
  }
  // Half in one submission, half in one each.
  ASSERT_OK_AND_ASSIGN(Sequence last, driver().Submit({chunks.data(), kJobs / 2}));
  for (uint64_t i = kJobs / 2; i < kJobs; ++i) {
    ASSERT_OK_AND_ASSIGN(last, driver().Submit({&chunks[i], 1}));
  }
  ASSERT_OK(Wait(last));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram + kJobs * 4096, kBytes));
  EXPECT_TRUE(got == data);
}

TEST_F(QueueSuite, AnUpperBufferRunsItsBodiesInOrder) {
  constexpr uint32_t kBodies = 10;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(4096));
  Job job = NewJob(ComputeDma(0)), wait = NewJob(HostDma(0));
  for (uint32_t i = 0; i < kBodies; ++i) {
    hal::DmaFill fill;
    fill.destination = At(dram);
    fill.bytes = 4096;
    fill.value = 0x01010101 * i;
    job.Dma(fill, 0).Run();
  }
  wait.Await({Reaches(0, kBodies)});
  ASSERT_OK(Run({&job, &wait}));
  EXPECT_THAT(Download(dram, 4096), IsOkAndHolds(Bytes(4096, std::byte{kBodies - 1})));
}

TEST_F(QueueSuite, BodiesOfFourStreamsShareAnEngine) {
  // Each stream's body fills memory of its own, bit by bit.
  constexpr uint32_t kFills = 8;
  std::vector<Job> jobs;
  std::vector<DeviceAddress> memory;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(512 * kFills));
    memory.push_back(dram);
    jobs.push_back(NewJob(ComputeDma(0), stream));
    for (uint32_t i = 0; i < kFills; ++i) {
      hal::DmaFill fill;
      fill.destination = At(dram + 512 * i);
      fill.bytes = 512;
      fill.value = 0x01010101 * (stream + 1);
      jobs.back().Dma(fill, stream);
    }
    jobs.back().Run();
  }
  Job wait = NewJob(HostDma(0));
  wait.Await({{0, 0xF, kFills}});
  ASSERT_OK(Run({&jobs[0], &jobs[1], &jobs[2], &jobs[3], &wait}));
  for (uint32_t stream = 0; stream < 4; ++stream) {
    EXPECT_THAT(Download(memory[stream], 512 * kFills),
                IsOkAndHolds(Bytes(512 * kFills, static_cast<std::byte>(stream + 1))))
        << stream;
  }
}

TEST_F(QueueSuite, ManySubmissionsInFlightCompleteInOrder) {
  constexpr int kSubmissions = 50;
  Job job = LongJob(HostDma(0), 0, absl::Microseconds(60));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
  std::vector<Sequence> sequences;
  for (int i = 0; i < kSubmissions; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
    sequences.push_back(sequence);
  }
  for (int i = 0; i < kSubmissions; i += 7) {
    ASSERT_OK(Wait(sequences[i]));
    for (int before = 0; before <= i; ++before) {
      EXPECT_OK(Wait(sequences[before], kPoll)) << before << " of " << i;
    }
  }
  ASSERT_OK(Wait(sequences.back()));
}

TEST_F(QueueSuite, StreamsOfAnExternalQueueInterleave) {
  // Each stream waits for the one that is submitted after it.
  std::vector<Job> jobs;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    jobs.push_back(NewJob(HostDma(0), stream));
    if (stream < 3) jobs.back().Await({Reaches(stream + 1, 1)});
    jobs.back().AddSob(stream);
  }
  EXPECT_OK(Run({&jobs[0], &jobs[1], &jobs[2], &jobs[3]}));
}

TEST_F(QueueSuite, StreamsOfAnInternalQueueInterleave) {
  // The same, with copies in bodies that share the lower command processor: each stream passes on
  // what it was given.
  const Bytes data = Pattern(4096, 1);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(5 * 4096));
  ASSERT_OK(Upload(data, dram + 4 * 4096));
  std::vector<Job> jobs;
  for (uint32_t stream = 0; stream < 4; ++stream) {
    jobs.push_back(NewJob(ComputeDma(0), stream));
    if (stream < 3) jobs.back().Await({Reaches(stream + 1, 1)});
    jobs.back().Dma(Linear(dram + (stream + 1) * 4096, dram + stream * 4096, 4096), stream).Run();
  }
  Job wait = NewJob(HostDma(0));
  wait.Await({Reaches(0, 1)});
  ASSERT_OK(Run({&jobs[0], &jobs[1], &jobs[2], &jobs[3], &wait}));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(dram, data.size()));
  EXPECT_TRUE(got == data);
}

TEST_F(QueueSuite, ABlockedStreamDoesNotBlockTheOthers) {
  Job blocked = NewJob(ComputeDma(0), 0), free = NewJob(ComputeDma(0), 1);
  Job first = NewJob(HostDma(0), 0), second = NewJob(HostDma(0), 1);
  blocked.Await({Reaches(0, 1)}).AddSob(1);
  free.AddSob(2);
  first.Await({Reaches(1, 1)});
  second.Await({Reaches(2, 1)}).AddSob(0);
  ASSERT_OK_AND_ASSIGN(const Sequence waiting, Submit({&blocked, &first}));
  ASSERT_OK_AND_ASSIGN(const Sequence other, Submit({&free, &second}));
  EXPECT_OK(Wait(other));
  EXPECT_OK(Wait(waiting));
}

TEST_F(QueueSuite, AWaitingStreamLetsTheOthersHaveTheEngine) {
  // The first has used the engine, then waits for one that uses it too.
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(Pattern(4096, 1)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(2 * 4096));
  Job first = NewJob(HostDma(0), 0), second = NewJob(HostDma(0), 1);
  first.HostCopy(host->address, dram, 4096).AddSob(0).Await({Reaches(1, 1)});
  second.Await({Reaches(0, 1)}).HostCopy(host->address, dram + 4096, 4096).AddSob(1, 1, true);
  EXPECT_OK(Run({&first, &second}));
}

TEST_F(QueueSuite, DoneMeansThatAllExternalJobsAreDone) {
  const Bytes data = Pattern(1 << 20, 1);
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(data));
  ASSERT_OK_AND_ASSIGN(HostMemory* const to, MapHost(Bytes(data.size())));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(data.size()));
  Job slow = NewJob(HostDma(0), 0), quick = NewJob(HostDma(host_dmas() - 1), 1);
  slow.HostCopy(from->address, dram, data.size()).HostCopy(from->address, to->address, data.size());
  quick.Raw(hal::abi::gaudi::PacketNop());
  ASSERT_OK(Run({&slow, &quick}));
  EXPECT_TRUE(to->bytes == data);
}

TEST_F(QueueSuite, DoneMeansNothingOfInternalJobs) {
  // The submission is complete while its internal job still waits.
  Job internal = NewJob(ComputeDma(0)), external = NewJob(HostDma(0));
  internal.Await({Reaches(0, 1)}).AddSob(1);
  external.Raw(hal::abi::gaudi::PacketNop());
  ASSERT_OK(Run({&internal, &external}));
  Job serve = NewJob(HostDma(0));
  serve.AddSob(0).Await({Reaches(1, 1)});
  EXPECT_OK(Run({&serve}));
}

TEST_F(QueueSuite, PollingIsNotDoneUntilItIs) {
  Job job = LongJob(HostDma(0), 0, absl::Milliseconds(1));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&job}));
  EXPECT_THAT(Wait(sequence, kPoll), StatusIs(StatusCode::kDeadlineExceeded));
  // Polling alone must get there.
  absl::Status status;
  uint64_t polls = 0;
  do {
    status = Wait(sequence, kPoll);
  } while (status.code() == StatusCode::kDeadlineExceeded && ++polls < 100000000);
  EXPECT_OK(status);
}

TEST_F(QueueSuite, AWaitEndsAtItsDeadlineAndLosesNothing) {
  Job job = LongJob(HostDma(0), 0, absl::Milliseconds(1));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Submit({&job}));
  EXPECT_THAT(Wait(sequence, absl::Microseconds(10)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Wait(sequence, absl::Microseconds(100)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_OK(Wait(sequence, absl::Seconds(60)));
}

TEST_F(QueueSuite, NegativeTimeoutsPoll) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&nop, 1}));
  EXPECT_OK(Wait(sequence));
  EXPECT_OK(Wait(sequence, absl::Seconds(-1)));
  EXPECT_OK(Wait(sequence, -absl::InfiniteDuration()));
}

TEST_F(QueueSuite, ADoneSubmissionStaysDone) {
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  ASSERT_OK_AND_ASSIGN(const Sequence first, driver().Submit({&nop, 1}));
  EXPECT_OK(Wait(first));
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&nop, 1}));
    ASSERT_OK(Wait(sequence));
  }
  EXPECT_OK(Wait(first, kPoll));
  EXPECT_OK(Wait(first));
}

TEST_F(QueueSuite, WaitForAnyReturnsWithTheFirst) {
  Job slow = LongJob(HostDma(0), 0, absl::Milliseconds(2));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(host_dmas() - 1, 1));
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit({&slow}));
  ASSERT_OK_AND_ASSIGN(const Sequence second, driver().Submit({&nop, 1}));
  const std::array<Sequence, 2> both = {first, second};
  EXPECT_OK(driver().Wait(both, WaitFor::kAny, absl::InfiniteDuration()));
  EXPECT_OK(Wait(second, kPoll));
  EXPECT_THAT(Wait(first, kPoll), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_OK(driver().Wait(both, WaitFor::kAll, absl::InfiniteDuration()));
  EXPECT_OK(Wait(first, kPoll));
}

TEST_F(QueueSuite, ThirtyTwoAreWaitedForAtOnce) {
  Job job = LongJob(HostDma(0), 0, absl::Microseconds(60));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk chunk, Place(job));
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < hal::kMaxWaits; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&chunk, 1}));
    sequences.push_back(sequence);
  }
  EXPECT_OK(driver().Wait(sequences, WaitFor::kAll, absl::InfiniteDuration()));
  for (Sequence sequence : sequences) EXPECT_OK(Wait(sequence, kPoll));
  // The same one twice is no error.
  sequences[1] = sequences[0];
  EXPECT_OK(driver().Wait(sequences, WaitFor::kAll, absl::InfiniteDuration()));
}

TEST_F(QueueSuite, AFullQueueIsRetryable) {
  // The stream is blocked, so its queue fills; every submission has an external job elsewhere.
  Job blocked = NewJob(ComputeDma(0), 0), counted = NewJob(ComputeDma(0), 0);
  blocked.Await({Reaches(0, 1)});
  counted.AddSob(1);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk block, Place(blocked));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk count, Place(counted));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 1));
  const std::array<hal::Chunk, 2> first = {block, nop}, next = {count, nop};
  ASSERT_OK(driver().Submit(first));
  const uint64_t entries = chip().qman().pq_entries_dma().value();
  uint64_t taken = 0;
  Sequence last;
  absl::Status full;
  while (taken <= entries) {
    auto sequence = driver().Submit(next);
    full = sequence.status();
    if (!full.ok()) break;
    last = *sequence;
    ++taken;
  }
  EXPECT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  // One entry more or less may be in the hardware's hands.
  EXPECT_GE(taken + 2, entries);
  // All that were taken are complete, as far as the host can see.
  EXPECT_OK(Wait(last));
  Job serve = NewJob(HostDma(0), 2);
  serve.AddSob(0).Await({Reaches(1, static_cast<uint32_t>(taken))});
  ASSERT_OK(Run({&serve}));
  ASSERT_OK_AND_ASSIGN(const Sequence again, driver().Submit(next));
  EXPECT_OK(Wait(again));
}

TEST_F(QueueSuite, AFullQueueTakesNothingOfASubmission) {
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, DramWith(Pattern(64, 1)));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(64)));
  Job blocked = NewJob(ComputeDma(0), 0), filler = NewJob(ComputeDma(0), 0);
  Job other = NewJob(HostDma(0), 0);
  blocked.Await({Reaches(0, 1)});
  filler.Raw(hal::abi::gaudi::PacketNop());
  other.HostCopy(dram, out->address, 64);
  ASSERT_OK_AND_ASSIGN(const hal::Chunk block, Place(blocked));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk fill, Place(filler));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk copy, Place(other));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 1));
  ASSERT_OK(driver().Submit(std::array<hal::Chunk, 2>{block, nop}));
  absl::Status full;
  for (uint64_t i = 0; full.ok() && i <= chip().qman().pq_entries_dma().value(); ++i) {
    full = driver().Submit(std::array<hal::Chunk, 2>{fill, nop}).status();
  }
  ASSERT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  // There is room for the copy, before and behind what there is no room for.
  for (const auto& chunks : {std::array<hal::Chunk, 2>{copy, fill}, {fill, copy}}) {
    EXPECT_THAT(driver().Submit(chunks), StatusIs(StatusCode::kResourceExhausted));
  }
  Job serve = NewJob(HostDma(0), 0);
  serve.AddSob(0);
  ASSERT_OK(Run({&serve}));
  EXPECT_TRUE(out->bytes == Bytes(64));
}

TEST_F(QueueSuite, TooManyInFlightIsRetryable) {
  const uint64_t most =
      std::min(chip().qman().max_pending_cs().value(), chip().qman().pq_entries_external().value());
  // Long enough for the host to submit twice as many.
  Job slow = LongJob(HostDma(0), 0, SubmitCost(1) * static_cast<int64_t>(2 * most));
  ASSERT_OK_AND_ASSIGN(const Sequence first, Submit({&slow}));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop(0, 0));
  uint64_t taken = 0;
  Sequence last = first;
  absl::Status full;
  while (taken <= most) {
    auto sequence = driver().Submit({&nop, 1});
    full = sequence.status();
    if (!full.ok()) break;
    last = *sequence;
    ++taken;
  }
  EXPECT_THAT(full, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_GE(taken + 2, most);
  EXPECT_OK(Wait(last));
  ASSERT_OK_AND_ASSIGN(const Sequence again, driver().Submit({&nop, 1}));
  EXPECT_EQ(again, last + 1);
  EXPECT_OK(Wait(again));
}

TEST_F(QueueSuite, TimestampsGrowWithTheWork) {
  ASSERT_OK_AND_ASSIGN(HostMemory* const times, MapHost(Bytes(3 * sizeof(uint64_t))));
  ASSERT_OK_AND_ASSIGN(HostMemory* const from, MapHost(Bytes(1 << 20)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress dram, Dram(1 << 20));
  Job job = NewJob(HostDma(0));
  job.Timestamp(times->address);
  job.HostCopy(from->address, dram, 4096).Timestamp(times->address + 8);
  job.HostCopy(from->address, dram, 1 << 20).Timestamp(times->address + 16);
  ASSERT_OK(Run({&job}));
  uint64_t t[3];
  std::memcpy(t, times->bytes.data(), sizeof t);
  EXPECT_LT(t[0], t[1]);
  EXPECT_LT(t[1], t[2]);
  // The larger copy takes longer, and no less than the bus needs.
  EXPECT_GT(t[2] - t[1], t[1] - t[0]);
  EXPECT_GE((t[2] - t[1]) * chip().memory().pcie_bytes_per_second().value() / 1000000000,
            uint64_t{1 << 20} * 9 / 10);
}

TEST_F(QueueSuite, ThreadsShareADevice) {
  constexpr int kThreads = 4, kRounds = 20;
  constexpr uint64_t kBytes = 5000;
  struct Lane {
    Bytes in, out = Bytes(kBytes);
    hal::Chunk chunk;
  };
  std::vector<Lane> lanes(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    lanes[t].in = Pattern(kBytes, t);
    ASSERT_OK_AND_ASSIGN(const DeviceAddress in, driver().MapHost(lanes[t].in.data(), kBytes));
    ASSERT_OK_AND_ASSIGN(const DeviceAddress out, driver().MapHost(lanes[t].out.data(), kBytes));
    Job job = NewJob(HostDma(t % host_dmas()), t);
    job.HostCopy(in, out, kBytes);
    ASSERT_OK_AND_ASSIGN(lanes[t].chunk, Place(job));
  }
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (Lane& lane : lanes) {
    threads.emplace_back([this, &lane, &right] {
      for (int i = 0; i < kRounds; ++i) {
        std::fill(lane.out.begin(), lane.out.end(), std::byte{0});
        const auto sequence = driver().Submit({&lane.chunk, 1});
        if (sequence.ok() && Wait(*sequence).ok() && lane.in == lane.out) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right.load(), kThreads * kRounds);
  // Lanes would overlap if the mappings did.
  for (const Lane& lane : lanes) EXPECT_TRUE(lane.in == lane.out);
}

TEST_F(QueueSuite, TwoDevicesShareNothing) {
  auto second = MakeDriverUnderTest();
  if (!second.ok()) GTEST_SKIP() << "one device at a time: " << second.status().ToString();
  Job mine = NewJob(HostDma(0));
  mine.AddSob(0);
  ASSERT_OK(Run({&mine}));
  // The same addresses and handles there are other ones.
  ASSERT_OK_AND_ASSIGN(const DeviceAddress here, Dram(4096));
  EXPECT_THAT((*second)->Free(here), StatusIs(StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const hal::Chunk nop, PlaceNop());
  EXPECT_THAT((*second)->Submit({&nop, 1}),
              AnyOf(StatusIs(StatusCode::kInvalidArgument), StatusIs(StatusCode::kNotFound)));
  EXPECT_OK((*second)->Reset());
  Job still = NewJob(HostDma(0));
  still.Await({Reaches(0, 1)});
  EXPECT_OK(Run({&still}));
}

}  // namespace
}  // namespace openhpu::conformance
