#include "graph/segment.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {

bool TensorStorage::materialised() const {
  absl::MutexLock lock(&mutex_);
  return memory_ != nullptr;
}

absl::StatusOr<DeviceAddress> TensorStorage::Address() {
  absl::MutexLock lock(&mutex_);
  if (memory_ == nullptr) {
    // Empty tensors have an address too.
    ASSIGN_OR_RETURN(memory_, context_.Allocate(std::max<uint64_t>(bytes_, 1)));
  }
  return memory_->address();
}

void TensorStorage::MarkWeight() {
  if (!weight_.exchange(true)) counters_->weights.fetch_add(1);
}

void TensorStorage::RecordUse(runtime::Stream& stream) {
  absl::MutexLock lock(&mutex_);
  if (memory_ != nullptr) memory_->RecordUse(stream);
}

void TensorStorage::Watch(const std::shared_ptr<DirtyWord>& word) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(
      std::remove_if(watchers_.begin(), watchers_.end(),
                     [](const std::weak_ptr<DirtyWord>& watcher) { return watcher.expired(); }),
      watchers_.end());
  watchers_.push_back(word);
}

void TensorStorage::MarkWritten() {
  absl::MutexLock lock(&mutex_);
  for (const std::weak_ptr<DirtyWord>& watcher : watchers_) {
    if (const std::shared_ptr<DirtyWord> word = watcher.lock())
      word->store(true, std::memory_order_relaxed);
  }
}

absl::StatusOr<std::unique_ptr<Segment>> Segment::Load(
    std::shared_ptr<const CompiledGraph> compiled, runtime::Context& context,
    runtime::Stream& stream, std::shared_ptr<StorageCounters> counters) {
  std::unique_ptr<Segment> segment(new Segment(std::move(compiled), stream, std::move(counters)));
  const Recipe& recipe = segment->compiled_->recipe;
  if (!recipe.main.queues.empty()) {
    ASSIGN_OR_RETURN(segment->main_, runtime::Instance::Load(stream, recipe.main));
  }
  if (recipe.prepare.has_value() && !recipe.prepare->queues.empty()) {
    ASSIGN_OR_RETURN(segment->prepare_, runtime::Instance::Load(stream, *recipe.prepare));
    segment->dirty_ = std::make_shared<DirtyWord>(true);
  }
  for (const PreparedConstant& constant : recipe.prepared) {
    ASSIGN_OR_RETURN(std::unique_ptr<runtime::DeviceMemory> memory,
                     context.Allocate(std::max<uint64_t>(constant.bytes, 1)));
    segment->prepared_.push_back(std::move(memory));
  }
  return segment;
}

Segment::~Segment() {
  for (const std::unique_ptr<runtime::DeviceMemory>& memory : prepared_) memory->RecordUse(stream_);
}

namespace {

uint64_t SerialOf(const std::shared_ptr<TensorStorage>& storage) {
  return storage == nullptr ? 0 : storage->serial();
}

}  // namespace

bool Segment::BoundTo(absl::Span<const std::shared_ptr<TensorStorage>> storages) const {
  return bound_.size() == storages.size() &&
         std::equal(
             bound_.begin(), bound_.end(), storages.begin(),
             [](uint64_t serial, const auto& storage) { return serial == SerialOf(storage); });
}

absl::StatusOr<std::vector<DeviceAddress>> Segment::Addresses(
    absl::Span<const RecipeBinding> bindings,
    absl::Span<const std::shared_ptr<TensorStorage>> storages) {
  std::vector<DeviceAddress> addresses;
  addresses.reserve(bindings.size());
  for (const RecipeBinding& binding : bindings) {
    if (binding.prepared) {
      addresses.push_back(prepared_[binding.index]->address());
      continue;
    }
    OPENHPU_CHECK(binding.index < storages.size() && storages[binding.index] != nullptr);
    ASSIGN_OR_RETURN(const DeviceAddress address, storages[binding.index]->Address());
    addresses.push_back(address);
  }
  return addresses;
}

absl::Status Segment::Bind(absl::Span<const std::shared_ptr<TensorStorage>> storages) {
  const Recipe& recipe = compiled_->recipe;
  ASSIGN_OR_RETURN(main_addresses_, Addresses(recipe.main_bindings, storages));
  ASSIGN_OR_RETURN(std::vector<DeviceAddress> prepare_addresses,
                   Addresses(recipe.prepare_bindings, storages));
  std::vector<uint64_t> bound;
  bound.reserve(storages.size());
  for (const std::shared_ptr<TensorStorage>& storage : storages) bound.push_back(SerialOf(storage));
  if (dirty_ != nullptr && bound != bound_) {
    // A word of its own for each set of weights, so that the last set's writes are no more heard.
    dirty_ = std::make_shared<DirtyWord>(true);
    for (const PreparedConstant& constant : recipe.prepared) {
      for (const BufferId source : constant.sources) storages[source]->Watch(dirty_);
    }
  }
  bound_ = std::move(bound);
  prepare_addresses_ = std::move(prepare_addresses);

  written_.clear();
  for (size_t i = 0; i < recipe.main_bindings.size(); ++i) {
    const RecipeBinding& binding = recipe.main_bindings[i];
    if (!binding.prepared && recipe.main.bindings[i].written)
      written_.push_back(storages[binding.index].get());
  }
  weights_seen_ = 0;
  written_weights_.clear();
  return absl::OkStatus();
}

absl::Status Segment::Prepare() {
  if (dirty_ == nullptr || !dirty_->load(std::memory_order_relaxed)) return absl::OkStatus();
  dirty_->store(false, std::memory_order_relaxed);
  absl::Status status = prepare_->Launch(prepare_addresses_);
  if (!status.ok()) dirty_->store(true, std::memory_order_relaxed);
  return status;
}

void Segment::MarkWritten() {
  if (const uint64_t weights = counters_->weights.load(); weights != weights_seen_) {
    weights_seen_ = weights;
    written_weights_.clear();
    std::copy_if(written_.begin(), written_.end(), std::back_inserter(written_weights_),
                 [](const TensorStorage* storage) { return storage->weight(); });
  }
  for (TensorStorage* storage : written_weights_) storage->MarkWritten();
}

absl::Status Segment::Launch(absl::Span<const std::shared_ptr<TensorStorage>> storages) {
  RETURN_IF_ERROR(Bind(storages));
  RETURN_IF_ERROR(Prepare());
  MarkWritten();
  return main_ == nullptr ? absl::OkStatus() : main_->Launch(main_addresses_);
}

absl::Status Segment::Relaunch() {
  RETURN_IF_ERROR(Prepare());
  MarkWritten();
  return main_ == nullptr ? absl::OkStatus() : main_->Relaunch();
}

}  // namespace openhpu::graph
