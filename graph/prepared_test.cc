// Constants derived from weights: one set for all who derive the same from the same.
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

class PreparedTest : public RecorderFixture {
 protected:
  TensorRef Weight(float value) {
    TensorRef weight = Filled(value, {32, 32});
    weight.storage->MarkWeight();
    return weight;
  }
  // y = x (w^T + w^T) for a batch.
  void RecordModel(Recorder& recorder, const TensorRef& weight, const TensorRef& x,
                   const TensorRef& y) {
    TensorRef transposed = weight;
    transposed.strides = {1, 32};
    const TensorRef doubled = Empty({32, 32});
    RecordOn(recorder, "add", {transposed, transposed}, doubled);
    RecordOn(recorder, "mm", {x, doubled}, y);
  }
  struct Model {
    TensorRef x, y;
    CapturedGraph graph;
  };
  void Capture(const TensorRef& weight, int64_t batch, Model* model) {
    model->x = Filled(1, {batch, 32});
    model->y = Empty({batch, 32});
    ASSERT_THAT(recorder().BeginCapture(&model->graph), IsOk());
    RecordModel(recorder(), weight, model->x, model->y);
    ASSERT_THAT(recorder().EndCapture(), IsOk());
  }
};

TEST_P(PreparedTest, GraphsOfOneModelAtSeveralBatchSizesHoldItOnce) {
  const TensorRef weight = Weight(1);
  std::vector<Model> models(4);
  std::vector<uint64_t> grown;
  for (size_t i = 0; i < models.size(); ++i) {
    const uint64_t before = allocated();
    Capture(weight, 8 << i, &models[i]);
    EXPECT_EQ(models[i].graph.memory().prepared, 4096u);
    EXPECT_EQ(models[i].graph.memory().weights, 4096u);
    grown.push_back(allocated() - before - 2 * 4 * 32 * (uint64_t{8} << i));
  }
  EXPECT_EQ(grown, (std::vector<uint64_t>{4096, 0, 0, 0}));
  // Written in place: seen by all.
  for (Model& model : models) EXPECT_THAT(Read(model.y), Each(64.0f));
  Fill(weight, 3);
  for (Model& model : models) {
    ASSERT_THAT(model.graph.Replay(), IsOk());
    EXPECT_THAT(Read(model.y), Each(192.0f));
  }
  // The first may go.
  models[0].graph.Reset();
  Fill(weight, 2);
  for (size_t i = 1; i < models.size(); ++i) {
    ASSERT_THAT(models[i].graph.Replay(), IsOk());
    EXPECT_THAT(Read(models[i].y), Each(128.0f));
  }
  const uint64_t before = allocated();
  for (Model& model : models) model.graph.Reset();
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  EXPECT_EQ(allocated(), before - 4096);
}

TEST_P(PreparedTest, OtherWeightsAreAnotherSet) {
  const TensorRef one = Weight(1), two = Weight(2);
  Model first, second;
  Capture(one, 8, &first);
  Capture(two, 8, &second);
  EXPECT_THAT(Read(first.y), Each(64.0f));
  EXPECT_THAT(Read(second.y), Each(128.0f));
  ASSERT_THAT(first.graph.Replay(), IsOk());
  ASSERT_THAT(second.graph.Replay(), IsOk());
  EXPECT_THAT(Read(first.y), Each(64.0f));
  EXPECT_THAT(Read(second.y), Each(128.0f));
}

TEST_P(PreparedTest, EagerSegmentsShareItToo) {
  const TensorRef weight = Weight(1), x = Filled(1, {8, 32}), y = Empty({8, 32});
  Model model;
  Capture(weight, 8, &model);
  const uint64_t before = allocated();
  RecordModel(recorder(), weight, x, y);
  EXPECT_THAT(Read(y), Each(64.0f));
  EXPECT_EQ(allocated(), before + 1024);
  // An eager segment that goes on to other weights leaves the capture's constants alone.
  const TensorRef other = Weight(5);
  for (int i = 0; i < 3; ++i) {
    RecordModel(recorder(), other, x, y);
    EXPECT_THAT(Read(y), Each(320.0f));
    RecordModel(recorder(), weight, x, y);
    EXPECT_THAT(Read(y), Each(64.0f));
    ASSERT_THAT(model.graph.Replay(), IsOk());
    EXPECT_THAT(Read(model.y), Each(64.0f));
  }
}

TEST_P(PreparedTest, ARecorderThatGoesThroughManyWeightsKeepsFewSets) {
  const TensorRef x = Filled(1, {8, 32}), y = Empty({8, 32});
  std::vector<TensorRef> weights;
  for (int i = 0; i < 12; ++i) weights.push_back(Weight(static_cast<float>(i)));
  RecordModel(recorder(), weights[0], x, y);
  ASSERT_THAT(recorder().Flush(), IsOk());
  const uint64_t before = allocated();
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < weights.size(); ++i) {
      RecordModel(recorder(), weights[i], x, y);
      ASSERT_THAT(Read(y), Each(64.0f * static_cast<float>(i)));
    }
  }
  EXPECT_LE(allocated(), before + 4096 + 1024);
}

TEST_P(PreparedTest, ReboundWeightsAreDerivedFromAnew) {
  const TensorRef weight = Weight(1), other = Weight(3);
  Model model, twin;
  Capture(weight, 8, &model);
  Capture(weight, 16, &twin);
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(model.graph.Replay({{weight.storage, other.storage, 0}}), IsOk());
    EXPECT_THAT(Read(model.y), Each(192.0f));
    ASSERT_THAT(twin.graph.Replay(), IsOk());
    EXPECT_THAT(Read(twin.y), Each(64.0f));
    ASSERT_THAT(model.graph.Replay(), IsOk());
    EXPECT_THAT(Read(model.y), Each(64.0f));
  }
  Fill(other, 2);
  ASSERT_THAT(model.graph.Replay({{weight.storage, other.storage, 0}}), IsOk());
  EXPECT_THAT(Read(model.y), Each(128.0f));
}

TEST_P(PreparedTest, AWeightWhoseMemoryMovedIsDerivedFromAnew) {
  const TensorRef weight = Weight(1);
  Model model;
  Capture(weight, 8, &model);
  const std::shared_ptr<Storage> taken = weight.storage->TakeMemory();
  Fill(weight, 4);
  ASSERT_THAT(model.graph.Replay(), IsOk());
  EXPECT_THAT(Read(model.y), Each(256.0f));
  EXPECT_THAT(Read(On(taken)), Each(1.0f));
}

TEST_P(PreparedTest, StreamsHaveSetsOfTheirOwn) {
  const std::unique_ptr<runtime::Stream> stream = NewStream();
  const TensorRef weight = Weight(1), x = Filled(1, {8, 32}), y = Empty({8, 32});
  Model model;
  Capture(weight, 8, &model);
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  Recorder other(engine(), *stream);
  RecordModel(other, weight, x, y);
  ASSERT_THAT(other.Synchronize(), IsOk());
  EXPECT_THAT(Read(y), Each(64.0f));
  Fill(weight, 2);
  ASSERT_THAT(recorder().Synchronize(), IsOk());
  RecordModel(other, weight, x, y);
  ASSERT_THAT(other.Synchronize(), IsOk());
  EXPECT_THAT(Read(y), Each(128.0f));
  ASSERT_THAT(model.graph.Replay(), IsOk());
  EXPECT_THAT(Read(model.y), Each(128.0f));
}

INSTANTIATE_TEST_SUITE_P(Devices, PreparedTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
