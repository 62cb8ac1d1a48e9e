// A test fixture: a card (its parameter), an engine, a recorder, and the few things that tests of
// captures say all the time.
#ifndef GRAPH_TESTING_RECORDER_H_
#define GRAPH_TESTING_RECORDER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/recorder.h"
#include "graph/testing_device.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {

class RecorderFixture : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    absl::StatusOr<TestDevice> device = TestDevice::Open(GetParam());
    ASSERT_THAT(device.status(), IsOk());
    device_ = std::make_unique<TestDevice>(*std::move(device));
  }
  void TearDown() override {
    if (device_ == nullptr) return;
    EXPECT_THAT(device_->recorder->Flush(), IsOk());
    EXPECT_THAT(device_->context->Synchronize(), IsOk());
  }

  Recorder& recorder() { return *device_->recorder; }
  Engine& engine() { return *device_->engine; }
  uint64_t allocated() { return device_->context->memory_statistics().allocated; }

  TensorRef Empty(const Dims& sizes) { return device_->Empty(DType::kFloat32, sizes); }
  TensorRef Filled(float value, const Dims& sizes) {
    TensorRef tensor = Empty(sizes);
    Fill(tensor, value);
    return tensor;
  }
  void Fill(const TensorRef& tensor, float value) {
    const std::vector<float> values(tensor.storage->bytes() / 4, value);
    EXPECT_THAT(recorder().CopyFromHost(values.data(), 4 * values.size(), *tensor.storage, 0),
                IsOk());
  }
  std::vector<float> Read(const TensorRef& tensor) {
    absl::StatusOr<std::vector<float>> values = device_->ToHost(tensor);
    EXPECT_THAT(values.status(), IsOk());
    return values.ok() ? *values : std::vector<float>();
  }
  void Record(std::string_view op, const std::vector<TensorRef>& inputs, const TensorRef& output) {
    RecordOn(recorder(), op, inputs, output);
  }
  static void RecordOn(Recorder& recorder, std::string_view op,
                       const std::vector<TensorRef>& inputs, const TensorRef& output) {
    ASSERT_THAT(recorder.Record(op, {}, inputs, {output}, "test"), IsOk());
  }
  std::unique_ptr<runtime::Stream> NewStream() {
    absl::StatusOr<std::unique_ptr<runtime::Stream>> stream = device_->context->CreateStream();
    EXPECT_THAT(stream.status(), IsOk());
    return *std::move(stream);
  }
  std::shared_ptr<runtime::Event> NewEvent(bool timing = false) {
    absl::StatusOr<std::unique_ptr<runtime::Event>> event =
        runtime::Event::Create(*device_->context, timing);
    EXPECT_THAT(event.status(), IsOk());
    return *std::move(event);
  }

  std::unique_ptr<TestDevice> device_;
};

// With a second stream and its recorder.
class TwoStreamsFixture : public RecorderFixture {
 protected:
  void SetUp() override {
    RecorderFixture::SetUp();
    second_ = NewStream();
    other_ = std::make_unique<Recorder>(engine(), *second_);
  }
  Recorder& other() { return *other_; }

  // `n` products on a recorder, each needing the one before.
  void Products(Recorder& recorder, const TensorRef& a, const TensorRef& out, int n) {
    TensorRef last = a;
    for (int i = 0; i < n; ++i) {
      const TensorRef next = i + 1 == n ? out : Empty(a.sizes);
      RecordOn(recorder, "mm", {last, a}, next);
      last = next;
    }
  }

  std::unique_ptr<runtime::Stream> second_;
  std::unique_ptr<Recorder> other_;
};

// A contiguous tensor on all of a storage of floats.
inline TensorRef On(std::shared_ptr<Storage> storage) {
  const int64_t elements = static_cast<int64_t>(storage->bytes() / 4);
  return {std::move(storage), DType::kFloat32, {elements}, {1}, 0};
}

}  // namespace openhpu::graph

#endif  // GRAPH_TESTING_RECORDER_H_
