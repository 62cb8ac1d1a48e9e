#include "graph/segment.h"

#include <algorithm>
#include <iterator>

#include "hal/base/status_macros.h"

namespace openhpu::graph {

absl::StatusOr<std::unique_ptr<Segment>> Segment::Load(
    std::shared_ptr<const CompiledGraph> compiled, EngineState& engine, runtime::Stream& stream) {
  std::unique_ptr<Segment> segment(new Segment(std::move(compiled), engine, stream));
  const Recipe& recipe = segment->compiled_->recipe;
  if (!recipe.main.queues.empty()) {
    ASSIGN_OR_RETURN(segment->main_, runtime::Instance::Load(stream, recipe.main));
  }
  return segment;
}

bool Segment::BoundTo(const Storages& storages) const {
  return std::equal(bound_.begin(), bound_.end(), storages.begin(), storages.end(),
                    [](uint64_t serial, const std::shared_ptr<TensorStorage>& storage) {
                      return serial == (storage == nullptr ? 0 : storage->serial());
                    });
}

absl::Status Segment::BindOne(size_t binding, TensorStorage& storage) {
  ASSIGN_OR_RETURN(addresses_[binding], storage.Address());
  storage.RecordUse(stream_);
  return absl::OkStatus();
}

template <typename Use>
void Segment::ForEachUse(absl::Span<TensorStorage* const> storages, Use use) const {
  const Recipe& recipe = compiled_->recipe;
  for (size_t i = 0; i < recipe.main_bindings.size(); ++i) {
    const RecipeBinding& binding = recipe.main_bindings[i];
    if (!binding.prepared) use(*storages[binding.index], recipe.main.bindings[i].written);
  }
  // What is prepared is prepared on the same stream, just before.
  for (const RecipeBinding& binding : recipe.prepare_bindings) {
    if (!binding.prepared) use(*storages[binding.index], /*writes=*/false);
  }
}

absl::Status Segment::Follow(absl::Span<TensorStorage* const> storages) const {
  runtime::Passed last{};
  ForEachUse(storages, [&](const TensorStorage& storage, bool writes) {
    storage.AddConflicts(writes, last);
  });
  return stream_.Follow(last);
}

void Segment::NoteLaunch(absl::Span<TensorStorage* const> storages) const {
  ForEachUse(storages,
             [this](TensorStorage& storage, bool writes) { storage.NoteAccess(stream_, writes); });
}

void Segment::NoteLaunches(absl::Span<TensorStorage* const> storages) const {
  if (main_ == nullptr) return;
  ForEachUse(storages, [this](TensorStorage& storage, bool writes) {
    storage.NoteAccess(main_->last_launch(), writes);
  });
}

absl::Status Segment::Bind(absl::Span<TensorStorage* const> storages) {
  const Recipe& recipe = compiled_->recipe;
  bound_.clear();
  if (!recipe.prepared.empty()) {
    ASSIGN_OR_RETURN(set_, sets_->Get(compiled_, storages, stream_, set_));
  }
  addresses_.assign(recipe.main_bindings.size(), DeviceAddress());
  written_.clear();
  for (size_t i = 0; i < recipe.main_bindings.size(); ++i) {
    const RecipeBinding& binding = recipe.main_bindings[i];
    if (binding.prepared) {
      addresses_[i] = set_->address(binding.index);
      continue;
    }
    OPENHPU_CHECK(binding.index < storages.size() && storages[binding.index] != nullptr);
    RETURN_IF_ERROR(BindOne(i, *storages[binding.index]));
    if (recipe.main.bindings[i].written) written_.push_back(storages[binding.index]);
  }
  weights_seen_ = 0;
  written_weights_.clear();
  if (main_ != nullptr) RETURN_IF_ERROR(main_->Bind(addresses_));
  bound_.reserve(storages.size());
  for (const TensorStorage* storage : storages)
    bound_.push_back(storage == nullptr ? 0 : storage->serial());
  return absl::OkStatus();
}

absl::Status Segment::BindChanged(absl::Span<TensorStorage* const> storages,
                                  absl::Span<const BufferId> changed) {
  const Recipe& recipe = compiled_->recipe;
  const auto is_changed = [&](const RecipeBinding& binding) {
    return !binding.prepared &&
           std::find(changed.begin(), changed.end(), binding.index) != changed.end();
  };
  if (std::any_of(recipe.prepare_bindings.begin(), recipe.prepare_bindings.end(), is_changed))
    return Bind(storages);
  for (size_t i = 0; i < recipe.main_bindings.size(); ++i) {
    if (is_changed(recipe.main_bindings[i]))
      RETURN_IF_ERROR(BindOne(i, *storages[recipe.main_bindings[i].index]));
  }
  weights_seen_ = 0;
  written_weights_.clear();
  return main_ == nullptr ? absl::OkStatus() : main_->Bind(addresses_);
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

absl::Status Segment::Launch() {
  if (set_ != nullptr) RETURN_IF_ERROR(set_->Prepare());
  MarkWritten();
  return main_ == nullptr ? absl::OkStatus() : main_->Relaunch();
}

absl::Status Segment::Launch(runtime::Event& before, runtime::Event& after) {
  if (set_ != nullptr) RETURN_IF_ERROR(set_->Prepare());
  RETURN_IF_ERROR(stream_.Record(before));
  RETURN_IF_ERROR(Launch());
  return stream_.Record(after);
}

}  // namespace openhpu::graph
