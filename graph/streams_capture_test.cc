// Captures over several streams, which fork and join through events; and whether streams overlap.
#include <algorithm>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "graph/recorder.h"
#include "graph/testing_recorder.h"
#include "gtest/gtest.h"
#include "runtime/event.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::Each;

using StreamsCaptureTest = TwoStreamsFixture;

TEST_P(StreamsCaptureTest, AForkAndJoinIsReplayedInOrder) {
  const TensorRef in = Filled(1, {64}), a = Empty({64}), b = Empty({64}), c = Empty({64}),
                  out = Empty({64});
  CapturedGraph graph;
  const auto forked = NewEvent(), joined = NewEvent();
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {in, in}, a);
  ASSERT_THAT(recorder().RecordEvent(forked), IsOk());
  ASSERT_THAT(other().JoinCapture(&graph), IsOk());
  ASSERT_THAT(other().WaitForEvent(forked), IsOk());
  RecordOn(other(), "mul", {a, a}, b);
  Record("add", {a, in}, c);
  ASSERT_THAT(other().RecordEvent(joined), IsOk());
  ASSERT_THAT(recorder().WaitForEvent(joined), IsOk());
  Record("add", {b, c}, out);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_FALSE(other().capturing());
  EXPECT_EQ(graph.segments(), 4u);
  EXPECT_THAT(Read(out), Each(7.0f));
  for (float value = 2; value < 20; ++value) {
    Fill(in, value);
    ASSERT_THAT(graph.Replay(), IsOk());
    ASSERT_THAT(Read(out), Each(4 * value * value + 3 * value));
  }
}

TEST_P(StreamsCaptureTest, AWaitForAnEventOfAnotherIsNotRepeated) {
  const TensorRef a = Filled(1, {8}), b = Empty({8});
  const auto event = NewEvent();
  ASSERT_THAT(other().RecordEvent(event), IsOk());
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  ASSERT_THAT(recorder().WaitForEvent(event), IsOk());
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(StreamsCaptureTest, OneWhoJoinedMayLeaveEarlierAndNoneJoinsWhatHasNotBegun) {
  const TensorRef a = Filled(0, {8}), b = Filled(0, {8}), one = Filled(1, {8});
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  CapturedGraph graph;
  EXPECT_THAT(other().JoinCapture(&graph), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  ASSERT_THAT(other().JoinCapture(&graph), IsOk());
  EXPECT_THAT(other().JoinCapture(&graph), StatusIs(absl::StatusCode::kFailedPrecondition));
  RecordOn(other(), "add", {a, one}, a);
  ASSERT_THAT(other().EndCapture(), IsOk());
  EXPECT_FALSE(other().capturing());
  EXPECT_TRUE(recorder().capturing());
  RecordOn(other(), "add", {a, one}, a);  // eager
  ASSERT_THAT(other().Flush(), IsOk());
  Record("add", {b, one}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  ASSERT_THAT(second_->Synchronize(), IsOk());
  EXPECT_THAT(Read(a), Each(3.0f));
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(StreamsCaptureTest, WhoeverAbandonsItEndsItForAll) {
  const TensorRef a = Filled(1, {8}), b = Empty({8}), c = Empty({8});
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  ASSERT_THAT(other().JoinCapture(&graph), IsOk());
  Record("add", {a, a}, b);
  RecordOn(other(), "mul", {a, a}, c);
  other().AbandonCapture();
  EXPECT_FALSE(recorder().capturing());
  EXPECT_EQ(graph.segments(), 0u);
  ASSERT_THAT(other().Synchronize(), IsOk());
  EXPECT_THAT(Read(b), Each(2.0f));
  EXPECT_THAT(Read(c), Each(1.0f));
}

TEST_P(StreamsCaptureTest, ARecorderThatDiesInACaptureEndsIt) {
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  ASSERT_THAT(other().JoinCapture(&graph), IsOk());
  other_ = nullptr;
  EXPECT_FALSE(recorder().capturing());
}

// The simulated time between a common start and the end of the work of both streams.
TEST_P(StreamsCaptureTest, StreamsOverlapInDeviceTimeWhereNothingOrdersThem) {
  const Dims sizes = {64, 64};
  const TensorRef a = Filled(1.0f / 64, sizes), product = Empty(sizes), sum = Empty(sizes);
  const TensorRef x = Filled(1, {1 << 16}), y = Empty({1 << 16});
  ASSERT_THAT(recorder().Synchronize(), IsOk());

  // Alone: matrix products on one stream, element-wise work on the other.
  CapturedGraph products, sums;
  ASSERT_THAT(recorder().BeginCapture(&products), IsOk());
  Products(recorder(), a, product, 24);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(other().BeginCapture(&sums), IsOk());
  for (int i = 0; i < 8; ++i) {
    RecordOn(other(), "add", {x, x}, y);
    ASSERT_THAT(other().Flush(), IsOk());
  }
  ASSERT_THAT(other().EndCapture(), IsOk());

  const auto now = [&] {
    EXPECT_THAT(device_->context->Synchronize(), IsOk());
    return device_->card->statistics().now.value();
  };
  const auto took = [&](const std::vector<CapturedGraph*>& graphs,
                        const std::shared_ptr<runtime::Event>& between) {
    const uint64_t start = now();
    bool first = true;
    for (CapturedGraph* graph : graphs) {
      if (!first && between != nullptr) {
        EXPECT_THAT(recorder().RecordEvent(between), IsOk());
        EXPECT_THAT(other().WaitForEvent(between), IsOk());
      }
      EXPECT_THAT(graph->Replay(), IsOk());
      first = false;
    }
    return now() - start;
  };
  const uint64_t first = took({&products}, nullptr), second = took({&sums}, nullptr);
  const uint64_t both = took({&products, &sums}, nullptr);
  const uint64_t ordered = took({&products, &sums}, NewEvent());
  // A tenth for what starts and ends each.
  EXPECT_GE(ordered, (first + second) / 10 * 9) << first << " ps and " << second << " ps";
  EXPECT_LE(both, ordered - std::min(first, second) / 2) << first << " ps and " << second << " ps";
}

INSTANTIATE_TEST_SUITE_P(Devices, StreamsCaptureTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
