// Threads that capture, replay, rebind and drop at random on one engine, each with a stream, a
// recorder and storages of its own; every result is checked. A few rounds; for a long run set
// OPENHPU_THREADS_TEST_SECONDS.
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "graph/recorder.h"
#include "graph/testing_device.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 60;
constexpr size_t kGraphs = 3;

class Worker {
 public:
  Worker(runtime::Context& context, Engine& engine, uint32_t seed)
      : engine_(engine),
        random_(seed),
        stream_(*context.CreateStream()),
        recorder_(engine, *stream_) {}

  // False after the first thing that was not as it should be.
  bool Round() {
    Captured& captured = captured_[random_() % kGraphs];
    if (captured.graph == nullptr || random_() % 8 == 0) return Capture(captured);
    switch (random_() % 4) {
      case 0:
        captured = Captured();
        return true;
      case 1: {
        const TensorRef in = NewTensor(captured.elements), out = NewTensor(captured.elements);
        const float value = Value();
        return Good(Fill(in, value)) &&
               Good(captured.graph->Replay({{captured.in.storage, in.storage, 0},
                                            {captured.out.storage, out.storage, 0}})) &&
               Check(captured, out, value);
      }
      case 2: {
        const std::shared_ptr<Storage> taken = captured.out.storage->TakeMemory();
        return Replay(captured);
      }
      default:
        return Replay(captured);
    }
  }
  bool Finish() { return Good(recorder_.Synchronize()); }

 private:
  struct Captured {
    std::unique_ptr<CapturedGraph> graph;
    TensorRef in, out, weight;
    int64_t elements = 0;
    float factor = 0;
  };

  static bool Good(const absl::Status& status) {
    EXPECT_THAT(status, IsOk());
    return status.ok();
  }
  float Value() { return static_cast<float>(random_() % 100); }
  TensorRef NewTensor(int64_t elements) {
    return {engine_.NewStorage(4 * static_cast<uint64_t>(elements)),
            DType::kFloat32,
            {elements},
            {1},
            0};
  }
  absl::Status Fill(const TensorRef& tensor, float value) {
    const std::vector<float> values(tensor.storage->bytes() / 4, value);
    return recorder_.CopyFromHost(values.data(), 4 * values.size(), *tensor.storage, 0);
  }

  // out = (in + in) * (weight + weight), in one segment or two.
  bool Capture(Captured& captured) {
    captured = Captured();
    captured.graph = std::make_unique<CapturedGraph>();
    captured.elements = int64_t{16} << random_() % 4;
    captured.factor = Value();
    captured.in = NewTensor(captured.elements);
    captured.out = NewTensor(captured.elements);
    captured.weight = NewTensor(captured.elements);
    captured.weight.storage->MarkWeight();
    const float value = Value();
    if (!Good(Fill(captured.in, value)) || !Good(Fill(captured.weight, captured.factor)))
      return false;
    const bool dry_run = random_() % 4 == 0, split = random_() % 2 == 0;
    if (!Good(recorder_.BeginCapture(captured.graph.get(), dry_run))) return false;
    {
      const TensorRef sum = NewTensor(captured.elements), factor = NewTensor(captured.elements);
      if (!Good(recorder_.Record("add", {}, {captured.in, captured.in}, {sum}, "")) ||
          !Good(recorder_.Record("add", {}, {captured.weight, captured.weight}, {factor}, "")) ||
          (split && !Good(recorder_.Flush())) ||
          !Good(recorder_.Record("mul", {}, {sum, factor}, {captured.out}, ""))) {
        return false;
      }
    }
    if (random_() % 6 == 0) {
      recorder_.AbandonCapture();
      captured = Captured();
      return Good(recorder_.Flush());
    }
    if (!Good(recorder_.EndCapture())) return false;
    if (dry_run && !Good(captured.graph->Replay())) return false;
    return Check(captured, captured.out, value);
  }

  bool Replay(Captured& captured) {
    const float value = Value();
    if (random_() % 3 == 0) {
      captured.factor = Value();
      if (!Good(Fill(captured.weight, captured.factor))) return false;
    }
    return Good(Fill(captured.in, value)) && Good(captured.graph->Replay()) &&
           Check(captured, captured.out, value);
  }

  bool Check(const Captured& captured, const TensorRef& out, float value) {
    std::vector<float> values(static_cast<size_t>(captured.elements));
    if (!Good(recorder_.CopyToHost(*out.storage, 0, 4 * values.size(), values.data())))
      return false;
    const std::vector<float> want(values.size(), 4 * value * captured.factor);
    EXPECT_EQ(values, want);
    return values == want;
  }

  Engine& engine_;
  std::mt19937 random_;
  std::unique_ptr<runtime::Stream> stream_;
  Recorder recorder_;
  std::array<Captured, kGraphs> captured_;
};

class GraphThreadsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GraphThreadsTest, EightThreadsCaptureReplayRebindAndDropAtRandom) {
  const char* const seconds = std::getenv("OPENHPU_THREADS_TEST_SECONDS");
  const absl::Time end = absl::Now() + absl::Seconds(seconds == nullptr ? 0 : std::atoi(seconds));
  ASSERT_OK_AND_ASSIGN(TestDevice device, TestDevice::Open(GetParam()));
  std::vector<std::thread> threads;
  std::atomic<uint64_t> rounds{0};
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Worker worker(*device.context, *device.engine, 1000 + t);
      bool good = true;
      for (int i = 0; good && (i < kRounds || absl::Now() < end); ++i) {
        good = worker.Round();
        rounds.fetch_add(1);
      }
      EXPECT_TRUE(worker.Finish());
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_THAT(device.context->Synchronize(), IsOk());
  EXPECT_EQ(device.context->memory_statistics().allocated, 0u);
  EXPECT_GE(rounds.load(), uint64_t{kThreads} * kRounds);
  RecordProperty("rounds", std::to_string(rounds.load()));
}

INSTANTIATE_TEST_SUITE_P(Devices, GraphThreadsTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
