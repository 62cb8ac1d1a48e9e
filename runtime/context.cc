#include "runtime/context.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "hal/base/status_macros.h"
#include "runtime/context_impl.h"

namespace openhpu::runtime {
namespace {

class PooledMemory final : public DeviceMemory {
 public:
  PooledMemory(ContextImpl& context, DeviceAddress address, uint64_t bytes)
      : context_(context), address_(address), bytes_(bytes) {}
  ~PooledMemory() override {
    std::vector<LastUse> uses;
    for (uint32_t i = 0; streams_ >> i != 0; ++i) {
      if ((streams_ >> i & 1) == 0) continue;
      hal::Timeline& timeline = context_.hardware_stream(i).timeline();
      uses.push_back({&timeline, timeline.last()});
    }
    context_.pool().Free(address_, std::move(uses));
  }
  DeviceAddress address() const override { return address_; }
  uint64_t bytes() const override { return bytes_; }
  void RecordUse(Stream& stream) override {
    streams_.fetch_or(1u << stream.hardware_stream(), std::memory_order_relaxed);
  }

  void AddConflicts(bool writes, Passed& last) const override {
    for (uint32_t i = 0; i < kHardwareStreams; ++i)
      last[i] = std::max({last[i], written_[i], writes ? read_[i] : Sequence()});
    for (const Repeated& repeated : repeated_) {
      if (writes || repeated.writes) Raise(last, *repeated.launches);
    }
  }
  void NoteAccess(Stream& stream, bool writes) override {
    RecordUse(stream);
    (writes ? written_ : read_)[stream.hardware_stream()] =
        static_cast<StreamImpl&>(stream).hardware().timeline().last();
  }
  void NoteAccess(std::shared_ptr<const LastLaunch> launches, bool writes) override {
    for (Repeated& repeated : repeated_) {
      if (repeated.launches != launches) continue;
      repeated.writes |= writes;
      return;
    }
    // What is gone is not launched again.
    const auto gone =
        std::partition(repeated_.begin(), repeated_.end(),
                       [](const Repeated& repeated) { return repeated.launches.use_count() > 1; });
    for (auto it = gone; it != repeated_.end(); ++it)
      Raise(it->writes ? written_ : read_, *it->launches);
    repeated_.erase(gone, repeated_.end());
    repeated_.push_back({std::move(launches), writes});
  }

 private:
  struct Repeated {
    std::shared_ptr<const LastLaunch> launches;
    bool writes;
  };
  static void Raise(Passed& passed, const LastLaunch& launches) {
    Sequence& last = passed[launches.hardware_stream];
    last = std::max(last, Sequence(launches.sequence.load(std::memory_order_relaxed)));
  }

  ContextImpl& context_;
  const DeviceAddress address_;
  const uint64_t bytes_;
  std::atomic<uint32_t> streams_{0};  // a bit for each hardware stream that uses it
  Passed read_{}, written_{};         // the last that did, by hardware stream
  std::vector<Repeated> repeated_;
};

constexpr uint64_t kPageBytes = 4096;

}  // namespace

absl::StatusOr<TimestampPool::Word> TimestampPool::Take() {
  MutexLock lock(&mutex_);
  if (!free_.empty()) {
    const Returned& oldest = free_.front();
    if (oldest.last.stream == nullptr ||
        oldest.last.sequence <= oldest.last.stream->timeline().completed()) {
      const Word word = oldest.word;
      free_.pop_front();
      return word;
    }
  }
  ASSIGN_OR_RETURN(hal::HostBuffer page, device_.AllocateHost(kPageBytes));
  for (uint64_t at = 0; at < kPageBytes; at += sizeof(uint64_t)) {
    free_.push_front(
        {{reinterpret_cast<volatile uint64_t*>(page.data() + at), page.address() + at}, Mark()});
  }
  pages_.push_back(std::move(page));
  const Word word = free_.front().word;
  free_.pop_front();
  return word;
}

void TimestampPool::Return(Word word, const Mark& last) {
  MutexLock lock(&mutex_);
  free_.push_back({word, last});
}

absl::StatusOr<std::unique_ptr<Context>> Context::Create(std::unique_ptr<hal::Driver> driver) {
  return ContextImpl::Create(std::move(driver));
}

absl::StatusOr<std::unique_ptr<ContextImpl>> ContextImpl::Create(
    std::unique_ptr<hal::Driver> driver) {
  auto context = absl::WrapUnique(new ContextImpl());
  ASSIGN_OR_RETURN(context->device_, hal::Device::Create(std::move(driver)));
  context->pool_ = std::make_unique<MemoryPool>(*context->device_);
  ASSIGN_OR_RETURN(context->signals_, Signals::Create(*context->device_));
  context->timestamps_ = std::make_unique<TimestampPool>(*context->device_);
  const uint64_t streams = context->chip().qman().streams().value();
  for (uint32_t i = 0; i < streams; ++i) {
    ContextImpl* raw = context.get();
    ASSIGN_OR_RETURN(std::unique_ptr<HardwareStream> stream,
                     HardwareStream::Create(*context->device_, i, [raw](uint64_t bytes) {
                       return raw->AllocateBuffer(bytes);
                     }));
    context->stream_pointers_.push_back(stream.get());
    context->streams_.push_back(std::move(stream));
  }
  return context;
}

ContextImpl::~ContextImpl() { Synchronize().IgnoreError(); }

absl::StatusOr<hal::Buffer> ContextImpl::AllocateBuffer(uint64_t bytes) {
  absl::StatusOr<hal::Buffer> buffer = device_->Allocate(hal::MemoryKind::kDram, bytes);
  if (buffer.ok() || buffer.status().code() != absl::StatusCode::kResourceExhausted) return buffer;
  pool_->Trim();
  return device_->Allocate(hal::MemoryKind::kDram, bytes);
}

absl::StatusOr<std::unique_ptr<DeviceMemory>> ContextImpl::Allocate(uint64_t bytes) {
  ASSIGN_OR_RETURN(const DeviceAddress address, pool_->Allocate(bytes));
  return std::make_unique<PooledMemory>(*this, address, bytes);
}

HostMemoryImpl::~HostMemoryImpl() {
  MutexLock lock(&mutex_);
  for (const LastUse& use : uses_) {
    use.timeline->Wait(use.sequence, absl::InfiniteDuration()).IgnoreError();
  }
}

void HostMemoryImpl::RecordUse(hal::Timeline& timeline, Sequence sequence) {
  MutexLock lock(&mutex_);
  for (LastUse& use : uses_) {
    if (use.timeline != &timeline) continue;
    use.sequence = sequence;
    return;
  }
  uses_.push_back({&timeline, sequence});
}

MemoryStatistics ContextImpl::memory_statistics() const {
  MemoryStatistics statistics = pool_->statistics();
  for (const auto& stream : streams_) statistics.workspace += stream->workspace_bytes();
  return statistics;
}

absl::StatusOr<std::unique_ptr<HostMemory>> ContextImpl::AllocateHost(uint64_t bytes) {
  ASSIGN_OR_RETURN(hal::HostBuffer buffer, device_->AllocateHost(bytes));
  return std::make_unique<HostMemoryImpl>(std::move(buffer));
}

absl::StatusOr<std::unique_ptr<Stream>> ContextImpl::CreateStream() {
  const uint32_t index = next_stream_.fetch_add(1) % static_cast<uint32_t>(streams_.size());
  return std::make_unique<StreamImpl>(*this, *streams_[index]);
}

absl::Status ContextImpl::Synchronize() {
  absl::Status first;
  for (const auto& stream : streams_) {
    hal::Timeline& timeline = stream->timeline();
    absl::Status status = timeline.Wait(timeline.last(), absl::InfiniteDuration());
    if (status.ok()) status = timeline.status();
    first.Update(status);
  }
  return first;
}

absl::Status ContextImpl::Reset() {
  RETURN_IF_ERROR(device_->Reset());
  for (const auto& stream : streams_) stream->Reset();
  signals_->Reset();
  return absl::OkStatus();
}

}  // namespace openhpu::runtime
