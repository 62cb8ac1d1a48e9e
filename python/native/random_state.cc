#include "python/native/random_state.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "hal/kernel/kernels.h"
#include "python/native/random.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

constexpr int64_t kKeys = 16;
constexpr int64_t kPerKey = hal::kDrawsPerKey;
static_assert(kPerKey == at::MERSENNE_STATE_N, "a key for each state of the generator");
// A replay may begin anywhere in the first key.
constexpr int64_t kMostInCapture = (kKeys - 1) * kPerKey;
constexpr size_t kMostGenerators = 64;  // whose states are kept on the device

bool Same(const at::mt19937_data_pod& a, const at::mt19937_data_pod& b) {
  return a.left_ == b.left_ && a.next_ == b.next_ && a.state_ == b.state_;
}

uint64_t Hash(const std::array<uint32_t, at::MERSENNE_STATE_N>& words) {
  uint64_t h = 0x9E3779B97F4A7C15;
  for (uint32_t word : words) {
    h = (h ^ word) * 0xBF58476D1CE4E5B9;
    h ^= h >> 29;
  }
  h = (h ^ (h >> 32)) * 0x94D049BB133111EB;
  return h ^ (h >> 31);
}

// What the device is to hold when its next draw is the engine's next one.
struct Words {
  int64_t position = 0;
  std::array<int32_t, 1 + 2 * kKeys> words;
};

Words WordsOf(at::mt19937 engine) {
  at::mt19937_data_pod data = engine.data();
  Words out;
  // At the end of its words, or just seeded: the next draw makes new ones first.
  out.position = data.left_ == 1 ? 0 : data.next_;
  for (int64_t k = 0; k < kKeys; ++k) {
    if (k > 0 || data.left_ == 1) {
      data.left_ = 1;
      engine.set_data(data);
      engine();
      data = engine.data();
    }
    const uint64_t key = Hash(data.state_);
    out.words[1 + 2 * k] = static_cast<int32_t>(static_cast<uint32_t>(key));
    out.words[2 + 2 * k] = static_cast<int32_t>(static_cast<uint32_t>(key >> 32));
  }
  return out;
}

// One on the device. Numbers of draws are relative to what the owner likes.
struct DeviceState {
  at::Tensor words = EmptyContiguous({1 + 2 * kKeys}, c10::kInt);
  int64_t start = 0;     // of the pending segment
  int64_t next = 0;      // behind the last draw that was given
  bool pending = false;  // the segment's end is to move the position

  void Upload(graph::Recorder& recorder, const Words& w, int64_t position) {
    std::array<int32_t, 1 + 2 * kKeys> host = w.words;
    host[0] = static_cast<int32_t>(position);
    ThrowIfError(recorder.CopyFromHost(host.data(), sizeof host, StorageOf(words), 0));
  }

  // The number of draw `at` within the pending segment.
  static Draw Give(const std::shared_ptr<DeviceState>& self, graph::Recorder& recorder,
                   int64_t at) {
    if (!self->pending) {
      self->pending = true;
      recorder.AtFlush([self, &recorder] {
        self->pending = false;
        const graph::TensorRef position = Ref(MakeView(self->words, {1}, {1}, 0));
        ThrowIfError(recorder.Record("add", {{"other", self->next - self->start}}, {position},
                                     {position}, "random position"));
        self->start = self->next;
      });
    }
    self->next = at + 1;
    return {self->words, at - self->start};
  }
};

at::CPUGeneratorImpl& Impl(const at::Generator& generator) {
  return *static_cast<at::CPUGeneratorImpl*>(generator.unsafeGetGeneratorImpl());
}

// Eager draws of one generator.
struct Eager {
  struct OnStream {
    std::shared_ptr<DeviceState> state = std::make_shared<DeviceState>();
    at::mt19937_data_pod expected;
    bool valid = false;
  };
  at::Generator generator;
  std::map<StreamIndex, OnStream> streams;
};

// Draws of one capture, and of its replays.
class CaptureDraws final : public ReplayHook {
 public:
  CaptureDraws(Device& device, bool dry_run) : device_(device), dry_run_(dry_run) {}

  Draw Take(const at::Generator& generator, graph::Recorder& recorder, StreamIndex stream) {
    auto use = std::find_if(uses_.begin(), uses_.end(),
                            [&](const Use& u) { return u.generator == generator; });
    if (use == uses_.end()) use = uses_.insert(use, Use{generator, 0, {}, false, {}});
    TORCH_CHECK(use->draws < kMostInCapture, "an HPU Graph may hold at most ", kMostInCapture,
                " random operators of one generator; capture it in parts");
    auto& [state, first, position] = use->streams[stream];
    at::mt19937 engine = Impl(generator).engine();
    if (state == nullptr) {
      state = std::make_shared<DeviceState>();
      first = use->draws;
      state->start = state->next = first;
      if (!dry_run_) {
        const Words words = WordsOf(engine);
        state->Upload(recorder, words, words.position);
      }
    }
    if (!dry_run_) {
      engine();
      Impl(generator).set_engine(engine);
    }
    return DeviceState::Give(state, recorder, use->draws++);
  }

  absl::Status BeforeReplay() override {
    for (Use& use : uses_) {
      std::lock_guard lock(Impl(use.generator).mutex_);
      const at::mt19937 engine = Impl(use.generator).engine();
      bool current = use.valid && Same(engine.data(), use.expected);
      for (const auto& [stream, s] : use.streams) {
        current = current && s.position == use.position + s.first;
      }
      use.valid = false;  // until the replay has come to its end
      if (!current || use.position + use.draws > kKeys * kPerKey) {
        const Words words = WordsOf(engine);
        use.position = words.position;
        for (auto& [stream, s] : use.streams) {
          s.position = use.position + s.first;
          s.state->Upload(device_.recorder(stream), words, s.position);
        }
      }
    }
    return absl::OkStatus();
  }

  void AfterReplay() override {
    for (Use& use : uses_) {
      std::lock_guard lock(Impl(use.generator).mutex_);
      at::mt19937 engine = Impl(use.generator).engine();
      for (int64_t i = 0; i < use.draws; ++i) engine();
      Impl(use.generator).set_engine(engine);
      use.expected = engine.data();
      use.valid = true;
      use.position += use.draws;
      for (auto& [stream, s] : use.streams) s.position += s.state->next - s.first;
    }
  }

 private:
  struct OnStream {
    std::shared_ptr<DeviceState> state;
    int64_t first = 0;      // draws of the capture before this stream's first
    int64_t position = -1;  // that the device's state has now
  };
  struct Use {
    at::Generator generator;
    int64_t draws = 0;  // of the capture
    at::mt19937_data_pod expected;
    bool valid = false;  // `expected` and `position` are those of the device's states
    std::map<StreamIndex, OnStream> streams;
    int64_t position = 0;  // of the next replay's first draw among the keys
  };

  Device& device_;
  const bool dry_run_;
  std::vector<Use> uses_;
};

struct Generators {
  std::mutex mutex;
  at::Generator standard;  // guarded by `mutex`: it is set without opening the device
  std::list<Eager> eager;  // used last first; guarded by the device's lock
};
Generators& All() {
  static auto* const all = new Generators;
  return *all;
}

at::Generator DefaultGenerator() {
  std::lock_guard lock(All().mutex);
  at::Generator& standard = All().standard;
  if (!standard.defined()) standard = at::detail::createCPUGenerator();
  return standard;
}

Draw TakeEager(Device& device, const at::Generator& generator) {
  std::list<Eager>& eager = All().eager;
  auto entry = std::find_if(eager.begin(), eager.end(),
                            [&](const Eager& e) { return e.generator == generator; });
  if (entry == eager.end()) {
    if (eager.size() >= kMostGenerators) eager.pop_back();
    eager.push_front({generator, {}});
  } else {
    eager.splice(eager.begin(), eager, entry);
  }
  Eager::OnStream& on = eager.front().streams[Device::CurrentStream()];
  graph::Recorder& recorder = device.current_recorder();
  at::mt19937 engine = Impl(generator).engine();
  if (!on.valid || !Same(engine.data(), on.expected) || on.state->next >= kKeys * kPerKey) {
    const Words words = WordsOf(engine);
    on.state->Upload(recorder, words, words.position);  // flushes what draws from the old ones
    on.state->start = on.state->next = words.position;
  }
  engine();
  Impl(generator).set_engine(engine);
  on.expected = engine.data();
  on.valid = true;
  return DeviceState::Give(on.state, recorder, on.state->next);
}

}  // namespace

void SetDefaultGenerator(at::Generator generator) {
  TORCH_CHECK(generator.defined() && generator.device().is_cpu(),
              "the generator of hpu is a generator of the CPU, as torch.Generator() makes it");
  std::lock_guard lock(All().mutex);
  All().standard = std::move(generator);
}

Draw TakeDraw(Device& device, const c10::optional<at::Generator>& given) {
  const at::Generator generator = given && given->defined() ? *given : DefaultGenerator();
  TORCH_CHECK(generator.device().is_cpu(), "Expected a 'cpu' device type for generator but found '",
              generator.device().type(), "': hpu draws from CPU generators");
  std::lock_guard lock(Impl(generator).mutex_);
  Capture* const capture = device.current_capture();
  if (capture == nullptr) return TakeEager(device, generator);
  if (capture->random == nullptr)
    capture->random = std::make_unique<CaptureDraws>(device, capture->dry_run);
  return static_cast<CaptureDraws&>(*capture->random)
      .Take(generator, device.current_recorder(), Device::CurrentStream());
}

}  // namespace openhpu::python
