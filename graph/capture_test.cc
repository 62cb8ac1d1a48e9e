// What a capture records besides segments, and how it begins and ends.
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "graph/recorder.h"
#include "graph/testing_recorder.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using CaptureTest = RecorderFixture;

TEST_P(CaptureTest, ADryRunComputesNothingUntilItsFirstReplay) {
  const TensorRef counter = Filled(5, {8}), one = Filled(1, {8}), out = Empty({8});
  const uint64_t launches = engine().statistics().launches;
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph, /*dry_run=*/true), IsOk());
  Record("add", {counter, one}, counter);
  ASSERT_THAT(recorder().Flush(), IsOk());
  {
    const TensorRef between = Empty({8});
    Record("add", {counter, one}, between);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("mul", {between, between}, out);
  }
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_EQ(graph.segments(), 3u);
  EXPECT_EQ(engine().statistics().launches, launches);
  EXPECT_EQ(engine().statistics().compilations, 3u);
  EXPECT_FALSE(out.storage->materialised());
  EXPECT_THAT(Read(counter), Each(5.0f));
  EXPECT_EQ(graph.Summary()[0].device_time, absl::ZeroDuration());

  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(counter), Each(6.0f));
  EXPECT_THAT(Read(out), Each(49.0f));
  EXPECT_GT(graph.Summary()[0].device_time, absl::ZeroDuration());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(counter), Each(7.0f));
  EXPECT_THAT(Read(out), Each(64.0f));
  EXPECT_EQ(engine().statistics().compilations, 3u);
}

TEST_P(CaptureTest, ReadingTheDeviceInADryRunFails) {
  const TensorRef a = Filled(1, {8}), b = Empty({8});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph, /*dry_run=*/true), IsOk());
  Record("add", {a, a}, b);
  float value = 0;
  EXPECT_THAT(recorder().CopyToHost(*b.storage, 0, 4, &value),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("dry-run")));
  recorder().AbandonCapture();
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(CaptureTest, HostStepsRunInTheirPlaceAtCaptureAndReplay) {
  const TensorRef a = Filled(1, {4}), b = Empty({4}), c = Empty({4}), d = Empty({4});
  std::vector<float> seen;
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, a}, b);
  const auto step = [this, &seen, from = b.storage, to = c.storage] {
    std::vector<float> values(4);
    absl::Status status = recorder().CopyToHost(*from, 0, 16, values.data());
    if (!status.ok()) return status;
    seen.push_back(values[0]);
    for (float& value : values) value += 100;
    return recorder().CopyFromHost(values.data(), 16, *to, 0);
  };
  ASSERT_THAT(recorder().HostStep(step, {b.storage}, {c.storage}), IsOk());
  Record("add", {c, c}, d);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(Read(d), Each(204.0f));
  Fill(a, 5);
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(d), Each(220.0f));
  EXPECT_THAT(seen, ElementsAre(2, 10));
  EXPECT_TRUE(graph.Binds(*c.storage));
  EXPECT_FALSE(graph.ReadsFirst(*c.storage));
  EXPECT_FALSE(graph.ReadsFirst(*b.storage));
  EXPECT_TRUE(graph.ReadsFirst(*a.storage));
}

TEST_P(CaptureTest, AHostStepThatFailsStopsTheReplayAndLeavesTheStreamUsable) {
  const TensorRef a = Filled(0, {4}), one = Filled(1, {4});
  bool fail = false;
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, one}, a);
  const auto step = [&] { return fail ? absl::AbortedError("no") : absl::OkStatus(); };
  ASSERT_THAT(recorder().HostStep(step, {}, {}), IsOk());
  Record("add", {a, one}, a);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(Read(a), Each(2.0f));
  fail = true;
  EXPECT_THAT(graph.Replay(), StatusIs(absl::StatusCode::kAborted, "no"));
  EXPECT_THAT(Read(a), Each(3.0f));
  fail = false;
  EXPECT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(a), Each(5.0f));
}

TEST_P(CaptureTest, AnAbandonedCaptureGivesItsMemoryBackAndWhatRanStands) {
  const TensorRef counter = Filled(0, {1024}), one = Filled(1, {1024});
  const TensorRef late = Empty({1024});
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  const uint64_t before = allocated();
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  {
    const TensorRef held = Empty({1024});
    Record("add", {counter, one}, counter);
    Record("add", {counter, one}, held);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("add", {counter, counter}, late);
    EXPECT_GT(allocated(), before);
    recorder().AbandonCapture();
  }
  EXPECT_FALSE(recorder().capturing());
  EXPECT_EQ(graph.segments(), 0u);
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  EXPECT_THAT(Read(counter), Each(1.0f));
  EXPECT_THAT(Read(late), Each(2.0f));
  // Only `late` is new.
  EXPECT_EQ(allocated(), before + 4096);
}

TEST_P(CaptureTest, AFailureInACaptureLeavesNothingOfTheRecording) {
  const TensorRef a = Filled(1, {4}), b = Empty({4}), c = Empty({4});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, a}, b);
  EXPECT_THAT(recorder().HostStep([] { return absl::AbortedError("no"); }, {}, {}),
              StatusIs(absl::StatusCode::kAborted));
  Record("add", {a, a}, c);
  EXPECT_THAT(recorder().EndCapture(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(recorder().capturing());
  EXPECT_EQ(graph.segments(), 0u);
  EXPECT_THAT(Read(c), Each(2.0f));
}

TEST_P(CaptureTest, AGraphThatIsBeingCapturedIsNotReplayedNorCapturedTwice) {
  Recorder other(engine(), *device_->stream);
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  EXPECT_THAT(graph.Replay(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(other.BeginCapture(&graph), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(recorder().capturing());
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(graph.Replay(), IsOk());
}

TEST_P(CaptureTest, DestroyingTheGraphEndsItsCapture) {
  const TensorRef a = Filled(1, {4}), b = Empty({4});
  {
    CapturedGraph graph;
    ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
    Record("add", {a, a}, b);
  }
  EXPECT_FALSE(recorder().capturing());
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(CaptureTest, DestroyingOneGraphWhileAnotherCapturesChangesNothing) {
  const TensorRef a = Filled(1, {4}), b = Empty({4});
  auto first = std::make_unique<CapturedGraph>();
  ASSERT_THAT(recorder().BeginCapture(first.get()), IsOk());
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  CapturedGraph second;
  ASSERT_THAT(recorder().BeginCapture(&second), IsOk());
  Record("add", {b, a}, b);
  first = nullptr;
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(second.Replay(), IsOk());
  EXPECT_THAT(Read(b), Each(4.0f));
}

// --- Several recorders ---

TEST_P(CaptureTest, TwoRecordersOfOneStreamKeepTheOrderOfWhatTheyShare) {
  Recorder other(engine(), *device_->stream);
  const TensorRef a = Filled(1, {8}), b = Empty({8}), c = Empty({8});
  Record("add", {a, a}, b);
  RecordOn(other, "mul", {b, b}, c);  // reads what is pending there
  EXPECT_FALSE(recorder().pending());
  EXPECT_TRUE(other.pending());
  Record("add", {a, a}, a);  // of no interest to the other
  EXPECT_TRUE(other.pending());
  Record("add", {a, a}, b);  // overwrites what the other has yet to read
  EXPECT_FALSE(other.pending());
  EXPECT_THAT(Read(c), Each(4.0f));  // written by the other, read here
  EXPECT_THAT(Read(b), Each(4.0f));
}

TEST_P(CaptureTest, RecordersThatOnlyReadTheSameDoNotFlushEachOther) {
  Recorder other(engine(), *device_->stream);
  const TensorRef a = Filled(1, {8}), b = Empty({8}), c = Empty({8});
  Record("add", {a, a}, b);
  RecordOn(other, "mul", {a, a}, c);
  EXPECT_TRUE(recorder().pending());
  EXPECT_TRUE(other.pending());
  // A host copy to it comes after both.
  Fill(a, 7);
  EXPECT_FALSE(recorder().pending());
  EXPECT_FALSE(other.pending());
  EXPECT_THAT(Read(b), Each(2.0f));
  EXPECT_THAT(Read(c), Each(1.0f));
}

TEST_P(CaptureTest, EagerWorkOfAnotherRecorderIsNoPartOfACapture) {
  Recorder other(engine(), *device_->stream);
  const TensorRef a = Filled(1, {8}), b = Empty({8}), counter = Filled(0, {8});
  CapturedGraph graph;
  ASSERT_THAT(other.BeginCapture(&graph), IsOk());
  Record("add", {counter, a}, counter);
  RecordOn(other, "add", {a, counter}, b);
  ASSERT_THAT(other.EndCapture(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(counter), Each(1.0f));
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(CaptureTest, ARecorderMayDieWithWorkPending) {
  const TensorRef a = Filled(1, {8}), b = Empty({8});
  {
    Recorder other(engine(), *device_->stream);
    RecordOn(other, "add", {a, a}, b);
  }
  Record("add", {a, a}, b);
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(CaptureTest, TheSummaryCountsNodesStepsAndTime) {
  const TensorRef a = Filled(1, {16, 16}), b = Empty({16, 16});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  {
    const TensorRef product = Empty({16, 16});
    Record("mm", {a, a}, product);
    Record("relu", {product}, b);
  }
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  const std::vector<SegmentSummary> summary = graph.Summary();
  ASSERT_EQ(summary.size(), 1u);
  EXPECT_EQ(summary[0].nodes, 2u);
  EXPECT_EQ(summary[0].mme, 1u);
  EXPECT_EQ(summary[0].tpc, 1u);
  EXPECT_EQ(summary[0].dma, 0u);
  EXPECT_EQ(summary[0].bytes, 2 * 1024 + graph.recipe(0).main.workspace_bytes);
  EXPECT_GT(summary[0].device_time, absl::Nanoseconds(100));
  EXPECT_LT(summary[0].device_time, absl::Milliseconds(1));
  EXPECT_EQ(graph.Summary()[0].device_time, summary[0].device_time);

  const CapturedMemory memory = graph.memory();
  EXPECT_EQ(memory.inputs, 1024u);
  EXPECT_EQ(memory.outputs, 1024u);
  EXPECT_EQ(memory.weights, 0u);
  EXPECT_EQ(memory.prepared, 0u);
  EXPECT_EQ(memory.workspace, graph.recipe(0).main.workspace_bytes);
  EXPECT_GT(memory.commands, 0u);
}

INSTANTIATE_TEST_SUITE_P(Devices, CaptureTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
