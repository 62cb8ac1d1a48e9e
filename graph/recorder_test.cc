#include "graph/recorder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "graph/testing_device.h"
#include "gtest/gtest.h"
#include "runtime/event.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RecorderTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    absl::StatusOr<TestDevice> device = TestDevice::Open(GetParam());
    ASSERT_THAT(device.status(), IsOk());
    device_ = std::make_unique<TestDevice>(*std::move(device));
  }
  void TearDown() override {
    if (device_ != nullptr) {
      EXPECT_THAT(device_->recorder->Synchronize(), IsOk());
    }
  }
  Recorder& recorder() { return *device_->recorder; }
  Engine& engine() { return *device_->engine; }
  TensorRef Filled(float value, const Dims& sizes) {
    TensorRef tensor = device_->Empty(DType::kFloat32, sizes);
    const std::vector<float> values(tensor.storage->bytes() / 4, value);
    EXPECT_THAT(recorder().CopyFromHost(values.data(), 4 * values.size(), *tensor.storage, 0),
                IsOk());
    return tensor;
  }
  TensorRef Empty(const Dims& sizes) { return device_->Empty(DType::kFloat32, sizes); }
  void Record(std::string_view op, const std::vector<TensorRef>& inputs, const TensorRef& output) {
    ASSERT_THAT(recorder().Record(op, {}, inputs, {output}, "test"), IsOk());
  }
  std::vector<float> Read(const TensorRef& tensor) {
    absl::StatusOr<std::vector<float>> values = device_->ToHost(tensor);
    EXPECT_THAT(values.status(), IsOk());
    return values.ok() ? *values : std::vector<float>();
  }

  std::unique_ptr<TestDevice> device_;
};

TEST_P(RecorderTest, HostCopiesGoThereAndBack) {
  const TensorRef a = Filled(7, {100});
  EXPECT_THAT(Read(a), Each(7.0f));
  float one = 1;
  ASSERT_THAT(recorder().CopyFromHost(&one, 4, *a.storage, 8), IsOk());
  EXPECT_EQ(Read(a)[2], 1);
  EXPECT_EQ(Read(a)[3], 7);
  EXPECT_THAT(recorder().CopyFromHost(&one, 4, *a.storage, 398),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_P(RecorderTest, AnOpRunsAtTheFlush) {
  const TensorRef a = Filled(1, {64}), b = Filled(2, {64}), c = Empty({64});
  Record("add", {a, b}, c);
  EXPECT_TRUE(recorder().pending());
  EXPECT_FALSE(c.storage->materialised());
  ASSERT_THAT(recorder().Flush(), IsOk());
  EXPECT_FALSE(recorder().pending());
  EXPECT_TRUE(c.storage->materialised());
  EXPECT_THAT(Read(c), Each(3.0f));
}

TEST_P(RecorderTest, ReadingAPendingTensorFlushes) {
  const TensorRef a = Filled(1, {4, 4}), b = Empty({4, 4});
  Record("add", {a, a}, b);
  EXPECT_THAT(Read(b), Each(2.0f));
  EXPECT_FALSE(recorder().pending());
}

TEST_P(RecorderTest, WritingATensorThatPendingOpsReadFlushesFirst) {
  const TensorRef a = Filled(1, {4}), b = Empty({4});
  Record("add", {a, a}, b);
  const std::vector<float> nines(4, 9);
  ASSERT_THAT(recorder().CopyFromHost(nines.data(), 16, *a.storage, 0), IsOk());
  EXPECT_THAT(Read(b), Each(2.0f));
}

TEST_P(RecorderTest, ProductsRunOnTheMme) {
  const TensorRef a = Filled(2, {8, 16}), b = Filled(3, {16, 4}), c = Empty({8, 4});
  Record("mm", {a, b}, c);
  EXPECT_THAT(Read(c), Each(96.0f));
}

TEST_P(RecorderTest, RowsOfAnExpandedTableRepeatItsElements) {
  ASSERT_OK_AND_ASSIGN(const TensorRef table, device_->FromHost({1, 2, 3, 4}, {4, 1}));
  TensorRef expanded = table;
  expanded.sizes = {4, 2};
  expanded.strides = {1, 0};
  const TensorRef out = Empty({4, 2});
  ASSERT_THAT(recorder().Record("flip", {{"dims", std::vector<int64_t>{0}}}, {expanded}, {out}, ""),
              IsOk());
  EXPECT_THAT(Read(out), ElementsAre(4, 4, 3, 3, 2, 2, 1, 1));
}

TEST_P(RecorderTest, ProgramsOfOneBankFollowEachOtherWithoutTheHost) {
  const TensorRef a = Filled(1, {64, 64}), b = Filled(1.0f / 64, {64, 64});
  const TensorRef c = Empty({64, 64}), d = Empty({64, 64}), e = Empty({64, 64}), f = Empty({64});
  const TensorRef row = {d.storage, DType::kFloat32, {64}, {1}, 0};
  for (int round = 0; round < 4; ++round) {  // the first ones load the programs, and wait for that
    Record("mm", {a, b}, c);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("add", {c, c}, d);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("add", {row, row}, f);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("mm", {d, d}, e);
    ASSERT_THAT(recorder().Flush(), IsOk());
  }
  EXPECT_THAT(Read(f), Each(4.0f));
  EXPECT_THAT(Read(e), Each(256.0f));
}

TEST_P(RecorderTest, StoragesThatNobodyHoldsGetNoMemory) {
  const TensorRef a = Filled(1, {64}), c = Empty({64});
  const uint64_t before = device_->context->memory_statistics().allocations;
  {
    const TensorRef b = Empty({64});
    Record("add", {a, a}, b);
    Record("add", {b, b}, c);
  }
  ASSERT_THAT(recorder().Flush(), IsOk());
  EXPECT_THAT(Read(c), Each(4.0f));
  const uint64_t first = device_->context->memory_statistics().allocations - before;
  {
    const TensorRef b = Empty({64});
    Record("add", {a, a}, b);
    Record("add", {b, b}, c);
  }
  EXPECT_THAT(Read(c), Each(4.0f));
  EXPECT_EQ(engine().statistics().compilations, 1u);
  EXPECT_EQ(engine().statistics().cache_hits, 1u);
  EXPECT_EQ(engine().statistics().launches, 2u);
  EXPECT_EQ(engine().statistics().nodes, 4u);
  // The second time, with the same tensors: nothing new at all.
  EXPECT_LE(device_->context->memory_statistics().allocations - before, first);
}

TEST_P(RecorderTest, ContentsNeverWrittenAreAllocatedWhenRead) {
  const TensorRef a = Empty({16}), b = Empty({16});
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().Flush(), IsOk());
  EXPECT_TRUE(a.storage->materialised());
}

TEST_P(RecorderTest, ErrorsNameOpAndSource) {
  const TensorRef a = Filled(1, {3, 4}), b = Empty({9, 9});
  EXPECT_THAT(recorder().Record("mm", {}, {a, a}, {b}, "model.py:7"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mm at model.py:7")));
  EXPECT_THAT(recorder().Record("nonsense", {}, {a}, {b}, "model.py:8"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("model.py:8")));
  EXPECT_FALSE(recorder().pending());
}

TEST_P(RecorderTest, ReplaysGiveTheSameBitsAndTakeTheSameCycles) {
  const TensorRef a = Filled(2, {16, 16}), b = Filled(3, {16, 16}), c = Empty({16, 16});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  {
    const TensorRef product = Empty({16, 16});
    Record("mm", {a, b}, product);
    Record("add", {product, a}, c);
  }
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_EQ(graph.segments(), 1u);
  const std::vector<float> want = Read(c);
  EXPECT_THAT(want, Each(98.0f));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress address, c.storage->Address());

  const uint64_t launches = engine().statistics().launches;
  ASSERT_THAT(device_->stream->Synchronize(), IsOk());
  uint64_t cycles = 0;
  for (int i = 0; i < 1000; ++i) {
    const Picoseconds before = device_->card->statistics().now;
    ASSERT_THAT(graph.Replay(), IsOk());
    ASSERT_THAT(device_->stream->Synchronize(), IsOk());
    const uint64_t took = (device_->card->statistics().now - before).value();
    if (i == 0) cycles = took;
    ASSERT_EQ(took, cycles) << "replay " << i;
    if (i % 100 == 0) {
      ASSERT_EQ(Read(c), want);
    }
  }
  EXPECT_EQ(engine().statistics().launches, launches);
  EXPECT_THAT(c.storage->Address(), IsOkAndHolds(address));
}

TEST_P(RecorderTest, AReplayReadsItsInputsAnew) {
  const TensorRef a = Filled(1, {64}), b = Empty({64});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(Read(b), Each(2.0f));
  const std::vector<float> fives(64, 5);
  ASSERT_THAT(recorder().CopyFromHost(fives.data(), 256, *a.storage, 0), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(b), Each(10.0f));
}

TEST_P(RecorderTest, ACaptureHoldsEveryFlushedSegment) {
  const TensorRef a = Filled(1, {8}), c = Empty({8});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  {
    // Lives between two segments, and nowhere else.
    const TensorRef b = Empty({8});
    Record("add", {a, a}, b);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("add", {b, b}, c);
  }
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_EQ(graph.segments(), 2u);
  const std::vector<float> threes(8, 3);
  ASSERT_THAT(recorder().CopyFromHost(threes.data(), 32, *a.storage, 0), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(c), Each(12.0f));
}

TEST_P(RecorderTest, AnInPlaceStepIsRepeatedByEveryReplay) {
  const TensorRef counter = Filled(0, {4}), one = Filled(1, {4});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {counter, one}, counter);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  for (int i = 0; i < 9; ++i) ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(counter), Each(10.0f));
}

TEST_P(RecorderTest, AnAbandonedCaptureRunsEagerly) {
  const TensorRef a = Filled(1, {8}), b = Empty({8});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  EXPECT_THAT(recorder().BeginCapture(&graph), StatusIs(absl::StatusCode::kFailedPrecondition));
  Record("add", {a, a}, b);
  recorder().AbandonCapture();
  EXPECT_FALSE(recorder().capturing());
  EXPECT_THAT(Read(b), Each(2.0f));
  EXPECT_EQ(graph.segments(), 0u);
  EXPECT_THAT(recorder().EndCapture(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(RecorderTest, OpsBeforeACaptureAreNotPartOfIt) {
  const TensorRef counter = Filled(0, {4}), one = Filled(1, {4}), c = Empty({4});
  Record("add", {counter, one}, counter);
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {counter, counter}, c);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(counter), Each(1.0f));
}

TEST_P(RecorderTest, WhatDerivesFromAWeightFollowsItsWrites) {
  const TensorRef x = Filled(1, {8, 8}), y = Empty({8, 8});
  TensorRef weight = Filled(2, {8, 8});
  weight.storage->MarkWeight();
  TensorRef transposed = weight;
  transposed.strides = {1, 8};
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  {
    const TensorRef doubled = Empty({8, 8});
    Record("add", {transposed, transposed}, doubled);
    Record("mm", {x, doubled}, y);
  }
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(Read(y), Each(32.0f));
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(y), Each(32.0f));
  // By the host, then by a segment.
  const std::vector<float> ones(64, 1);
  ASSERT_THAT(recorder().CopyFromHost(ones.data(), 256, *weight.storage, 0), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(y), Each(16.0f));
  Record("add", {weight, weight}, weight);
  ASSERT_THAT(recorder().Flush(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(y), Each(32.0f));
  // By a replay of another graph.
  CapturedGraph doubling;
  ASSERT_THAT(recorder().BeginCapture(&doubling), IsOk());
  Record("add", {weight, weight}, weight);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(doubling.Replay(), IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(y), Each(128.0f));
}

TEST_P(RecorderTest, AGraphOutlivesItsRecorderAndTensors) {
  const TensorRef b = Empty({8});
  CapturedGraph graph;
  {
    Recorder other(engine(), *device_->stream);
    const TensorRef a = Filled(4, {8});
    ASSERT_THAT(other.BeginCapture(&graph), IsOk());
    ASSERT_THAT(other.Record("add", {}, {a, a}, {b}, ""), IsOk());
    ASSERT_THAT(other.EndCapture(), IsOk());
  }
  CapturedGraph moved = std::move(graph);
  ASSERT_THAT(moved.Replay(), IsOk());
  EXPECT_THAT(Read(b), Each(8.0f));
}

// Two recipes in flight on two streams, launched in shuffled order: each stream's own order holds,
// and neither touches the other's sync objects.
TEST_P(RecorderTest, TwoStreamsReplayInAnyOrder) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<runtime::Stream> second,
                       device_->context->CreateStream());
  Recorder other(engine(), *second);
  const TensorRef a = Filled(0, {32, 32}), one = Filled(1, {32, 32}), c = Filled(1, {16, 16}),
                  two = Filled(2, {16, 16});
  ASSERT_THAT(device_->stream->Synchronize(), IsOk());
  CapturedGraph counting, doubling;
  ASSERT_THAT(recorder().BeginCapture(&counting), IsOk());
  Record("add", {a, one}, a);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  ASSERT_THAT(other.BeginCapture(&doubling), IsOk());
  {
    const TensorRef product = Empty({16, 16});
    ASSERT_THAT(other.Record("mm", {}, {c, two}, {product}, ""), IsOk());
    ASSERT_THAT(other.Record("mul", {{"other", 1.0 / 32}}, {product}, {c}, ""), IsOk());
  }
  ASSERT_THAT(other.EndCapture(), IsOk());

  std::vector<CapturedGraph*> order;
  for (int i = 0; i < 60; ++i) order.push_back(i % 2 == 0 ? &counting : &doubling);
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  for (CapturedGraph* graph : order) ASSERT_THAT(graph->Replay(), IsOk());
  EXPECT_THAT(second->Synchronize(), IsOk());
  EXPECT_THAT(Read(a), Each(31.0f));
  EXPECT_THAT(Read(c), Each(1.0f));
}

INSTANTIATE_TEST_SUITE_P(Devices, RecorderTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
