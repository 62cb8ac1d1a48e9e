#include "runtime/stream.h"

#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/context_impl.h"
#include "runtime/event.h"
#include "runtime/instance.h"
#include "runtime/signals.h"
#include "runtime/testing_programs.h"
#include "simulator/driver.h"

namespace openhpu::runtime {
namespace {

using absl::StatusCode;

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    ADD_FAILURE() << value.status();
    std::abort();
  }
  return *std::move(value);
}

class StreamTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    context_ = Must(Context::Create(Must(simulator::Simulator::Open(GetParam()))));
    stream_ = Must(context_->CreateStream());
    other_ = Must(context_->CreateStream());
  }
  std::vector<uint32_t> Numbers(size_t count, uint32_t first) {
    std::vector<uint32_t> values(count);
    std::iota(values.begin(), values.end(), first);
    return values;
  }
  void CheckRoundTrip(size_t count) {
    auto memory = Must(context_->Allocate(4 * count));
    std::vector<uint32_t> values = Numbers(count, 3);
    const std::vector<uint32_t> want = values;
    ASSERT_TRUE(stream_->CopyToDevice(values.data(), 4 * count, memory->address()).ok());
    std::fill(values.begin(), values.end(), 0);  // may be reused at once
    ASSERT_TRUE(stream_->CopyFromDevice(memory->address(), 4 * count, values.data()).ok());
    EXPECT_EQ(values, want);
  }
  std::unique_ptr<Context> context_;
  std::unique_ptr<Stream> stream_, other_;
};

TEST_P(StreamTest, CopiesOfAnySizeComeBack) {
  for (size_t count : {size_t{0}, size_t{1}, size_t{1000}, size_t{700000}, size_t{3000000}}) {
    CheckRoundTrip(count);
  }
}

TEST_P(StreamTest, PinnedMemoryIsCopiedInPlace) {
  constexpr uint64_t kBytes = 1 << 20;
  auto host = Must(context_->AllocateHost(2 * kBytes));
  auto memory = Must(context_->Allocate(kBytes));
  const std::vector<uint32_t> values = Numbers(kBytes / 4, 5);
  std::memcpy(host->data(), values.data(), kBytes);
  ASSERT_TRUE(stream_->CopyToDeviceAsync(*host, 0, kBytes, memory->address()).ok());
  ASSERT_TRUE(stream_->CopyFromDeviceAsync(memory->address(), kBytes, *host, kBytes).ok());
  ASSERT_TRUE(stream_->Synchronize().ok());
  EXPECT_EQ(std::memcmp(host->data() + kBytes, values.data(), kBytes), 0);
  EXPECT_EQ(stream_->CopyToDeviceAsync(*host, kBytes + 1, kBytes, memory->address()).code(),
            StatusCode::kOutOfRange);
  ASSERT_TRUE(stream_->CopyFromDeviceAsync(memory->address(), kBytes, *host, 0).ok());
  host.reset();  // waits
}

// Two programs on two streams, launched in shuffled orders: each sees its own data only.
TEST_P(StreamTest, TwoProgramsInFlightInAnyOrder) {
  constexpr uint32_t kBytes = 8192;
  Stream* const streams[] = {stream_.get(), other_.get()};
  std::unique_ptr<Instance> instances[2][2];  // stream, program
  std::unique_ptr<DeviceMemory> memory[2][3];
  for (int s = 0; s < 2; ++s) {
    instances[s][0] = Must(Instance::Load(*streams[s], CopyProgram(context_->chip(), kBytes, 1)));
    instances[s][1] = Must(Instance::Load(*streams[s], CopyProgram(context_->chip(), kBytes, 2)));
    for (auto& m : memory[s]) m = Must(context_->Allocate(kBytes));
  }
  uint32_t random = 3;
  for (uint32_t round = 0; round < 10; ++round) {
    for (int s = 0; s < 2; ++s) {
      const std::vector<uint32_t> values = Numbers(kBytes / 4, 100 * round + s);
      ASSERT_TRUE(streams[s]->CopyToDevice(values.data(), kBytes, memory[s][0]->address()).ok());
    }
    // From 0 to 1 by the first program, from 1 to 2 by the second, interleaved with the other
    // stream's.
    int next[2] = {0, 0};
    while (next[0] < 2 || next[1] < 2) {
      random = random * 1664525 + 1013904223;
      int s = (random >> 16) & 1;
      if (next[s] == 2) s = 1 - s;
      const int p = next[s]++;
      ASSERT_TRUE(
          instances[s][p]->Launch({memory[s][p]->address(), memory[s][p + 1]->address()}).ok());
    }
    for (int s = 0; s < 2; ++s) {
      std::vector<uint32_t> got(kBytes / 4);
      ASSERT_TRUE(streams[s]->CopyFromDevice(memory[s][2]->address(), kBytes, got.data()).ok());
      EXPECT_EQ(got, Numbers(kBytes / 4, 100 * round + s));
    }
  }
}

TEST_P(StreamTest, StreamsTakeTurnsOverTheHardwaresFour) {
  std::vector<std::unique_ptr<Stream>> streams;
  EXPECT_EQ(stream_->hardware_stream(), 0u);
  EXPECT_EQ(other_->hardware_stream(), 1u);
  for (uint32_t i = 2; i < 10; ++i) {
    streams.push_back(Must(context_->CreateStream()));
    EXPECT_EQ(streams.back()->hardware_stream(), i % 4);
  }
}

TEST_P(StreamTest, QueryTurnsTrueWhenTheWorkIsDone) {
  EXPECT_TRUE(*stream_->Query());
  auto memory = Must(context_->Allocate(4 << 20));
  const std::vector<uint8_t> zeros(4 << 20);
  ASSERT_TRUE(stream_->CopyToDevice(zeros.data(), zeros.size(), memory->address()).ok());
  int polls = 0;
  while (!*stream_->Query()) ++polls;
  EXPECT_TRUE(stream_->Synchronize().ok());
  if (std::string(GetParam()).find("functional") == std::string::npos) {
    EXPECT_GT(polls, 0);
  }
}

TEST_P(StreamTest, AnEventIsReachedAfterWhatCameBefore) {
  auto event = Must(Event::Create(*context_, false));
  EXPECT_TRUE(*event->Query());
  EXPECT_TRUE(event->Synchronize().ok());
  auto memory = Must(context_->Allocate(1 << 20));
  const std::vector<uint8_t> zeros(1 << 20);
  ASSERT_TRUE(stream_->CopyToDevice(zeros.data(), zeros.size(), memory->address()).ok());
  ASSERT_TRUE(stream_->Record(*event).ok());
  ASSERT_TRUE(event->Synchronize().ok());
  EXPECT_TRUE(*event->Query());
  EXPECT_TRUE(*stream_->Query());
}

TEST_P(StreamTest, AnotherStreamWaitsOnTheDevice) {
  constexpr uint32_t kBytes = 1 << 20;
  const Program program = CopyProgram(context_->chip(), kBytes, 2);
  auto produce = Must(Instance::Load(*stream_, program));
  auto consume = Must(Instance::Load(*other_, program));
  auto a = Must(context_->Allocate(kBytes)), b = Must(context_->Allocate(kBytes)),
       c = Must(context_->Allocate(kBytes));
  auto ready = Must(Event::Create(*context_, false)), taken = Must(Event::Create(*context_, false));
  for (uint32_t round = 1; round < 8; ++round) {
    const std::vector<uint32_t> values = Numbers(kBytes / 4, round);
    ASSERT_TRUE(stream_->WaitFor(*taken).ok());
    ASSERT_TRUE(stream_->CopyToDevice(values.data(), kBytes, a->address()).ok());
    ASSERT_TRUE(produce->Launch({a->address(), b->address()}).ok());
    ASSERT_TRUE(stream_->Record(*ready).ok());
    ASSERT_TRUE(other_->WaitFor(*ready).ok());
    ASSERT_TRUE(consume->Launch({b->address(), c->address()}).ok());
    ASSERT_TRUE(other_->Record(*taken).ok());
    if (round % 3 != 0) continue;
    std::vector<uint32_t> got(kBytes / 4);
    ASSERT_TRUE(other_->CopyFromDevice(c->address(), kBytes, got.data()).ok());
    EXPECT_EQ(got, values);
  }
  EXPECT_TRUE(context_->Synchronize().ok());
}

TEST_P(StreamTest, ElapsedTimeIsTheDevices) {
  auto start = Must(Event::Create(*context_, true)), end = Must(Event::Create(*context_, true));
  EXPECT_EQ(end->ElapsedSince(*start).status().code(), StatusCode::kFailedPrecondition);
  auto plain = Must(Event::Create(*context_, false));
  EXPECT_EQ(end->ElapsedSince(*plain).status().code(), StatusCode::kFailedPrecondition);
  auto memory = Must(context_->Allocate(4 << 20));
  const std::vector<uint8_t> zeros(4 << 20);
  ASSERT_TRUE(stream_->Record(*start).ok());
  ASSERT_TRUE(stream_->CopyToDevice(zeros.data(), zeros.size(), memory->address()).ok());
  ASSERT_TRUE(stream_->Record(*end).ok());
  const auto elapsed = end->ElapsedSince(*start);
  ASSERT_TRUE(elapsed.ok()) << elapsed.status();
  if (std::string(GetParam()) == "sim:tiny") {
    // 4 MiB at 16 bytes a nanosecond are 262 us.
    EXPECT_GT(*elapsed, absl::Microseconds(250));
    EXPECT_LT(*elapsed, absl::Microseconds(400));
  }
  EXPECT_GE(*elapsed, absl::ZeroDuration());
}

TEST_P(StreamTest, AFullCountTurnsOver) {
  auto& impl = static_cast<ContextImpl&>(*context_);
  HardwareStream& a = impl.hardware_stream(2);
  HardwareStream& b = impl.hardware_stream(3);
  auto signals = Must(Signals::Create(impl.device(), /*max_count=*/3));
  std::vector<Mark> marks;
  for (int i = 0; i < 25; ++i) {
    marks.push_back(Must(signals->Record(a, std::nullopt)));
    // Waits for the newest mark, for one of the epoch before, and for one that is long complete.
    ASSERT_TRUE(signals->WaitFor(b, marks.back()).ok());
    if (i % 2 == 0) {
      ASSERT_TRUE(signals->WaitFor(b, marks[marks.size() / 2]).ok());
    }
    ASSERT_TRUE(signals->WaitFor(b, marks.front()).ok());
  }
  EXPECT_EQ(marks.back().epoch, 8u);
  EXPECT_TRUE(b.timeline().Wait(b.timeline().last(), absl::InfiniteDuration()).ok());
  EXPECT_TRUE(a.timeline().Wait(a.timeline().last(), absl::InfiniteDuration()).ok());
}

TEST_P(StreamTest, MemoryInUseIsNotGivenAway) {
  constexpr uint32_t kBytes = 1 << 20;
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), kBytes, 1)));
  auto from = Must(context_->Allocate(kBytes)), to = Must(context_->Allocate(kBytes));
  const std::vector<uint32_t> values = Numbers(kBytes / 4, 9);
  ASSERT_TRUE(stream_->CopyToDevice(values.data(), kBytes, from->address()).ok());
  ASSERT_TRUE(instance->Launch({from->address(), to->address()}).ok());
  from->RecordUse(*stream_);
  const DeviceAddress address = from->address();
  from.reset();
  auto next = Must(context_->Allocate(kBytes));
  ASSERT_TRUE(stream_->Synchronize().ok());
  if (std::string(GetParam()).find("functional") == std::string::npos) {
    EXPECT_NE(next->address(), address);
    EXPECT_EQ(Must(context_->Allocate(kBytes))->address(), address);
  }
  std::vector<uint32_t> got(kBytes / 4);
  ASSERT_TRUE(stream_->CopyFromDevice(to->address(), kBytes, got.data()).ok());
  EXPECT_EQ(got, values);
}

TEST_P(StreamTest, AFailurePoisonsItsStreamUntilReset) {
  Program program = CopyProgram(context_->chip(), 1024, 1);
  auto instance = Must(Instance::Load(*stream_, program));
  auto to = Must(context_->Allocate(1024));
  // Below the user's memory.
  ASSERT_TRUE(instance->Launch({DeviceAddress(0x7FFF00000000), to->address()}).ok());
  const absl::Status failure = stream_->Synchronize();
  EXPECT_FALSE(failure.ok());
  EXPECT_EQ(stream_->Synchronize(), failure);
  EXPECT_EQ(instance->Relaunch(), failure);
  uint32_t word = 0;
  EXPECT_EQ(stream_->CopyFromDevice(to->address(), 4, &word), failure);
  instance.reset();
  ASSERT_TRUE(context_->Reset().ok());
  CheckRoundTrip(1000);
  instance = Must(Instance::Load(*stream_, program));
  auto from = Must(context_->Allocate(1024));
  EXPECT_TRUE(instance->Launch({from->address(), to->address()}).ok());
  EXPECT_TRUE(stream_->Synchronize().ok());
}

INSTANTIATE_TEST_SUITE_P(Machines, StreamTest,
                         testing::Values("sim:tiny", "sim:tiny,hazards=on",
                                         "sim:tiny,mode=functional", "sim:gaudi", "sim:gaudi2",
                                         "sim:gaudi2,hazards=on"));

}  // namespace
}  // namespace openhpu::runtime
