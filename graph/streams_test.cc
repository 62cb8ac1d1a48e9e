// Work on several streams that share tensors: what conflicts runs in the order in which it was
// given, without events; nothing else waits. The card reports accesses that nothing orders.
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

class StreamsTest : public TwoStreamsFixture {
 protected:
  // Device time from what `first` was given to what `second` was given so far.
  absl::Duration Between(Recorder& first, Recorder& second) {
    const auto begin = NewEvent(/*timing=*/true), end = NewEvent(/*timing=*/true);
    EXPECT_THAT(first.RecordEvent(begin), IsOk());
    EXPECT_THAT(second.RecordEvent(end), IsOk());
    const absl::StatusOr<absl::Duration> time = end->ElapsedSince(*begin);
    EXPECT_THAT(time.status(), IsOk());
    return time.ok() ? *time : absl::ZeroDuration();
  }
};

TEST_P(StreamsTest, AReadFollowsTheWriteOfAnotherStream) {
  const TensorRef a = Filled(0.125f, {8, 8}), b = Empty({8, 8}), c = Empty({8, 8});
  for (int i = 0; i < 3; ++i) {
    Products(recorder(), a, b, 20);
    RecordOn(other(), "add", {b, b}, c);
    ASSERT_THAT(other().Flush(), IsOk());
  }
  EXPECT_THAT(Read(c), Each(0.25f));
}

TEST_P(StreamsTest, AWriteFollowsTheReadsAndWritesOfOtherStreams) {
  const TensorRef a = Filled(0.125f, {8, 8}), b = Empty({8, 8});
  Products(recorder(), a, b, 20);
  ASSERT_THAT(recorder().Flush(), IsOk());
  // Over what is being read, and over what is being written.
  RecordOn(other(), "add", {a, a}, a);
  ASSERT_THAT(other().Flush(), IsOk());
  RecordOn(other(), "add", {b, b}, b);
  ASSERT_THAT(other().Flush(), IsOk());
  EXPECT_THAT(Read(a), Each(0.25f));
  EXPECT_THAT(Read(b), Each(0.25f));
}

TEST_P(StreamsTest, CopiesOfTheHostAreAccessesToo) {
  const TensorRef a = Filled(0.125f, {8, 8}), b = Empty({8, 8}), c = Empty({8, 8});
  Products(recorder(), a, b, 20);
  ASSERT_THAT(recorder().Flush(), IsOk());
  const std::vector<float> ones(64, 1);
  std::vector<float> found(64);
  ASSERT_THAT(other().CopyFromHost(ones.data(), 256, *a.storage, 0), IsOk());
  ASSERT_THAT(other().CopyToHost(*b.storage, 0, 256, found.data()), IsOk());
  EXPECT_THAT(found, Each(0.125f));
  Record("add", {a, b}, c);
  EXPECT_THAT(Read(c), Each(1.125f));
}

TEST_P(StreamsTest, WhatWasCapturedOnAStreamIsKnownOnOthers) {
  const TensorRef a = Filled(0.125f, {8, 8}), out = Empty({8, 8}), sum = Empty({8, 8});
  CapturedGraph graph;
  ASSERT_THAT(other().BeginCapture(&graph), IsOk());
  Products(other(), a, out, 20);
  ASSERT_THAT(other().EndCapture(), IsOk());
  for (int i = 0; i < 3; ++i) {
    Record("add", {out, out}, sum);
    EXPECT_THAT(Read(sum), Each(0.25f));
    ASSERT_THAT(graph.Replay(), IsOk());
    Record("add", {out, out}, sum);
    ASSERT_THAT(recorder().Flush(), IsOk());
  }
  // Also when it is no more.
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  graph.Reset();
  Fill(a, 2);
  EXPECT_THAT(Read(a), Each(2.0f));
  EXPECT_THAT(Read(out), Each(0.125f));
}

TEST_P(StreamsTest, WhatAnEventOrderedWaitsForNothingMore) {
  const TensorRef a = Filled(0.125f, {64, 64}), b = Empty({64, 64}), c = Empty({64, 64}),
                  d = Empty({64, 64});
  // From the sum of a product to the end of what its stream does besides.
  const auto run = [&](bool with_event) {
    const auto event = NewEvent();
    Products(recorder(), a, b, 1);
    EXPECT_THAT(recorder().RecordEvent(event), IsOk());
    Products(recorder(), a, c, 300);
    EXPECT_THAT(recorder().Flush(), IsOk());
    if (with_event) {
      EXPECT_THAT(other().WaitForEvent(event), IsOk());
    }
    RecordOn(other(), "add", {b, a}, d);
    EXPECT_THAT(other().Flush(), IsOk());
    const absl::Duration left = Between(other(), recorder());
    EXPECT_THAT(Read(d), Each(64 * 0.125f * 0.125f + 0.125f));
    return left;
  };
  run(true);  // once to load
  const absl::Duration with = run(true), without = run(false);
  EXPECT_GT(with, absl::Microseconds(50));
  EXPECT_LT(without, with / 4);  // the sum waited for all that came before it
}

TEST_P(StreamsTest, OrderIsPassedOn) {
  const TensorRef a = Filled(0.125f, {64, 64}), b = Empty({64, 64}), c = Empty({64, 64}),
                  d = Empty({64, 64}), e = Empty({64, 64});
  const std::unique_ptr<runtime::Stream> third = NewStream();
  Recorder last(engine(), *third);
  const auto run = [&] {
    Products(recorder(), a, b, 1);
    RecordOn(other(), "add", {b, a}, d);  // follows the product
    ASSERT_THAT(other().Flush(), IsOk());
    Products(recorder(), a, c, 300);
    ASSERT_THAT(recorder().Flush(), IsOk());
    RecordOn(last, "add", {b, d}, e);  // follows the sum, and so the product, but not the rest
    ASSERT_THAT(last.Flush(), IsOk());
  };
  run();
  ASSERT_THAT(device_->context->Synchronize(), IsOk());
  run();
  EXPECT_GT(Between(last, recorder()), absl::Microseconds(20));
  EXPECT_THAT(Read(e), Each(2 * 64 * 0.125f * 0.125f + 0.125f));
}

TEST_P(StreamsTest, WhatOnlyReadsTheSameRunsSideBySide) {
  const TensorRef a = Filled(0.125f, {64, 64}), b = Empty({64, 64}), c = Empty({64, 64});
  const auto run = [&] {
    Products(recorder(), a, b, 300);
    ASSERT_THAT(recorder().Flush(), IsOk());
    RecordOn(other(), "add", {a, a}, c);
    ASSERT_THAT(other().Flush(), IsOk());
  };
  run();
  ASSERT_THAT(device_->context->Synchronize(), IsOk());
  run();
  EXPECT_GT(Between(other(), recorder()), absl::Microseconds(20));
}

INSTANTIATE_TEST_SUITE_P(Devices, StreamsTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
