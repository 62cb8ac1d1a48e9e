// Replays with other memory: rebinding, forgetting, releasing, memory that was taken.
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
using ::testing::HasSubstr;

class RebindingTest : public RecorderFixture {
 protected:
  // out = in + in; then sum = out + out, in a second segment.
  void SetUp() override {
    RecorderFixture::SetUp();
    in_ = Filled(1, {64});
    ASSERT_THAT(recorder().BeginCapture(&graph_), IsOk());
    out_ = Empty({64});
    sum_ = Empty({64});
    Record("add", {in_, in_}, out_);
    ASSERT_THAT(recorder().Flush(), IsOk());
    Record("add", {out_, out_}, sum_);
    ASSERT_THAT(recorder().EndCapture(), IsOk());
    EXPECT_THAT(Read(sum_), Each(4.0f));
  }
  void TearDown() override {
    graph_.Reset();
    RecorderFixture::TearDown();
  }
  TensorRef in_, out_, sum_;
  CapturedGraph graph_;
};

TEST_P(RebindingTest, AReplayReadsAndWritesWhatItIsGiven) {
  const TensorRef in = Filled(3, {64}), sum = Empty({64});
  ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}, {sum_.storage, sum.storage, 0}}),
              IsOk());
  EXPECT_THAT(Read(sum), Each(12.0f));
  EXPECT_THAT(Read(sum_), Each(4.0f));
  EXPECT_THAT(Read(out_), Each(6.0f));
  // Without them: its own again.
  Fill(in_, 5);
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_THAT(Read(sum_), Each(20.0f));
  EXPECT_THAT(Read(sum), Each(12.0f));
}

TEST_P(RebindingTest, NothingIsPatchedWhereTheAddressIsTheSame) {
  const TensorRef in = Filled(3, {64});
  const uint64_t first = graph_.patched_words();
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_EQ(graph_.patched_words(), first);
  ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}}), IsOk());
  const uint64_t rebound = graph_.patched_words();
  EXPECT_GT(rebound, first);
  ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}}), IsOk());
  EXPECT_EQ(graph_.patched_words(), rebound);
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_EQ(graph_.patched_words(), 2 * rebound - first);
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_EQ(graph_.patched_words(), 2 * rebound - first);
  EXPECT_THAT(Read(sum_), Each(4.0f));
}

TEST_P(RebindingTest, MemoryMayBeGivenFromSomeByteOn) {
  std::vector<float> values(100);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  ASSERT_OK_AND_ASSIGN(const TensorRef in, device_->FromHost(values, {100}));
  for (const int64_t first : {1, 7, 36}) {
    ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 4 * first}}), IsOk());
    const std::vector<float> sum = Read(sum_);
    for (size_t i = 0; i < 64; ++i)
      ASSERT_EQ(sum[i], 4 * static_cast<float>(i + static_cast<size_t>(first)));
  }
}

TEST_P(RebindingTest, TwoStoragesMayChangePlaces) {
  Fill(in_, 1);
  Fill(sum_, 10);
  ASSERT_THAT(graph_.Replay({{in_.storage, sum_.storage, 0}, {sum_.storage, in_.storage, 0}}),
              IsOk());
  EXPECT_THAT(Read(in_), Each(40.0f));
  EXPECT_THAT(Read(sum_), Each(10.0f));
}

TEST_P(RebindingTest, WrongRebindingsFailBeforeAnythingIsLaunched) {
  const TensorRef small = Filled(9, {63}), other = Filled(9, {64});
  Fill(in_, 2);
  const std::vector<std::vector<Rebinding>> wrong = {
      {{other.storage, in_.storage, 0}},
      {{in_.storage, small.storage, 0}},
      {{in_.storage, other.storage, 4}},
      {{in_.storage, other.storage, -4}},
      {{in_.storage, other.storage, 1000}},
      {{in_.storage, nullptr, 0}},
      {{nullptr, other.storage, 0}},
      {{in_.storage, other.storage, 0}, {in_.storage, other.storage, 0}},
      {{sum_.storage, other.storage, 0}, {in_.storage, small.storage, 0}},
  };
  for (const std::vector<Rebinding>& rebindings : wrong) {
    EXPECT_THAT(graph_.Replay(rebindings),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rebinding")));
  }
  EXPECT_THAT(Read(sum_), Each(4.0f));
  EXPECT_THAT(Read(other), Each(9.0f));
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_THAT(Read(sum_), Each(8.0f));
  CapturedGraph empty;
  EXPECT_THAT(empty.Replay(), IsOk());
  EXPECT_THAT(empty.Replay({{in_.storage, other.storage, 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(RebindingTest, WhatIsPendingOnGivenMemoryComesFirst) {
  const TensorRef one = Filled(1, {64}), in = Empty({64});
  Record("add", {one, one}, in);
  ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}}), IsOk());
  EXPECT_THAT(Read(sum_), Each(8.0f));
}

TEST_P(RebindingTest, GivenMemoryIsNotReusedBeforeItsReplayHasPassed) {
  for (int i = 0; i < 20; ++i) {
    TensorRef in = Filled(static_cast<float>(i), {64});
    ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}}), IsOk());
    in.storage = nullptr;  // freed while the replay may still read it
    Filled(-1, {64});
    ASSERT_THAT(Read(sum_), Each(4.0f * static_cast<float>(i)));
  }
}

TEST_P(RebindingTest, ForgottenInputsAreNotKeptAndHaveToBeGiven) {
  const uint64_t before = allocated();
  const uint64_t inputs = graph_.memory().inputs;
  graph_.Forget({in_.storage});
  // Whoever rebinds has the storage still, but needs not keep its memory.
  in_.storage->TakeMemory();
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  EXPECT_EQ(allocated(), before - 256);
  EXPECT_EQ(graph_.memory().inputs, inputs - 256);
  EXPECT_THAT(graph_.Replay(), StatusIs(absl::StatusCode::kFailedPrecondition));
  const TensorRef in = Filled(3, {64}), sum = Empty({64});
  EXPECT_THAT(graph_.Replay({{sum_.storage, sum.storage, 0}}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  for (int i = 0; i < 3; ++i) {
    Fill(in, static_cast<float>(i));
    ASSERT_THAT(graph_.Replay({{in_.storage, in.storage, 0}}), IsOk());
    EXPECT_THAT(Read(sum_), Each(4.0f * static_cast<float>(i)));
  }
  EXPECT_FALSE(in_.storage->materialised());
}

TEST_P(RebindingTest, ReleasedMemoryReturnsAfterEachReplay) {
  graph_.ReleaseOthers({sum_.storage});
  EXPECT_FALSE(out_.storage->materialised());
  EXPECT_TRUE(in_.storage->materialised());
  EXPECT_TRUE(sum_.storage->materialised());
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  const uint64_t between = allocated();
  for (int i = 0; i < 4; ++i) {
    // What takes the place meanwhile is not hurt.
    const TensorRef taker = Filled(77, {64});
    Fill(in_, static_cast<float>(i));
    ASSERT_THAT(graph_.Replay(), IsOk());
    EXPECT_THAT(Read(sum_), Each(4.0f * static_cast<float>(i)));
    EXPECT_THAT(Read(taker), Each(77.0f));
  }
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  EXPECT_EQ(allocated(), between);
  // Whatever else it bound, it cannot keep.
  graph_.ReleaseOthers({});
  EXPECT_FALSE(sum_.storage->materialised());
  EXPECT_TRUE(in_.storage->materialised());
}

TEST_P(RebindingTest, TakenMemoryKeepsItsContentsAndTheNextReplayBindsAnew) {
  const uint64_t first = graph_.patched_words();
  const std::shared_ptr<Storage> taken = sum_.storage->TakeMemory();
  EXPECT_FALSE(sum_.storage->materialised());
  EXPECT_TRUE(taken->materialised());
  Fill(in_, 2);
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_GT(graph_.patched_words(), first);
  EXPECT_THAT(Read(sum_), Each(8.0f));
  EXPECT_THAT(Read(On(taken)), Each(4.0f));
  // Another's memory moving costs nothing.
  const uint64_t patched = graph_.patched_words();
  const TensorRef other = Filled(1, {8});
  other.storage->TakeMemory();
  ASSERT_THAT(graph_.Replay(), IsOk());
  EXPECT_EQ(graph_.patched_words(), patched);
  // Taking nothing is nothing.
  EXPECT_FALSE(Empty({4}).storage->TakeMemory()->materialised());
}

TEST_P(RebindingTest, GuardsAndHostStepsSeeWhatIsGiven) {
  std::vector<float> seen;
  const TensorRef out = Empty({64});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  const auto step = [&]() -> absl::Status {
    float value = 0;
    absl::Status status = recorder().CopyToHost(*in_.storage, 0, 4, &value);
    seen.push_back(value);
    return status;
  };
  ASSERT_THAT(recorder().HostStep(step, {in_.storage}, {}), IsOk());
  const float one = 1;
  const auto* const bytes = reinterpret_cast<const std::byte*>(&one);
  ASSERT_THAT(recorder().Guard({in_.storage, DType::kFloat32, {}, {}, 0}, {bytes, bytes + 4}, "g"),
              IsOk());
  Record("add", {in_, in_}, out);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  const TensorRef other = Filled(6, {64}), same = Filled(1, {64});
  EXPECT_THAT(graph.Replay({{in_.storage, other.storage, 0}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is 6 now")));
  EXPECT_THAT(graph.Replay({{in_.storage, same.storage, 0}}), IsOk());
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 6, 1));
}

TEST_P(RebindingTest, ADryRunMayBeRebound) {
  const TensorRef a = Empty({64}), b = Empty({64});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph, /*dry_run=*/true), IsOk());
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  graph.Forget({a.storage});
  const TensorRef given = Filled(4, {64});
  ASSERT_THAT(graph.Replay({{a.storage, given.storage, 0}}), IsOk());
  EXPECT_THAT(Read(b), Each(8.0f));
  EXPECT_FALSE(a.storage->materialised());
}

TEST_P(RebindingTest, ReadsFirstTellsInputsFromResults) {
  EXPECT_TRUE(graph_.Binds(*in_.storage));
  EXPECT_TRUE(graph_.ReadsFirst(*in_.storage));
  EXPECT_TRUE(graph_.Binds(*out_.storage));
  EXPECT_FALSE(graph_.ReadsFirst(*out_.storage));
  EXPECT_FALSE(graph_.Binds(*Empty({1}).storage));
  // A part of it written, then all read: the rest is read first.
  const TensorRef cache = Filled(1, {64}), before = Empty({64});
  const TensorRef row = {cache.storage, DType::kFloat32, {8}, {1}, 8};
  const TensorRef first = {in_.storage, DType::kFloat32, {8}, {1}, 0};
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  const TensorRef out = Empty({64});
  Record("add", {first, first}, row);
  Record("add", {cache, cache}, out);
  Record("add", {in_, in_}, before);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_TRUE(graph.ReadsFirst(*cache.storage));
  graph.ReleaseOthers({});
  EXPECT_TRUE(cache.storage->materialised());
  EXPECT_TRUE(before.storage->materialised());  // not the graph's to give away
  EXPECT_FALSE(out.storage->materialised());
}

INSTANTIATE_TEST_SUITE_P(Devices, RebindingTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
