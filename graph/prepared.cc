#include "graph/prepared.h"

#include <algorithm>
#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

bool Same(const hal::CommandBlob& a, const hal::CommandBlob& b) {
  return a.bytes == b.bytes && a.relocations == b.relocations;
}

// Without the names of bindings.
bool Same(const runtime::Program& a, const runtime::Program& b) {
  return a.chip == b.chip && a.images == b.images && a.constants == b.constants &&
         a.image_code_offsets == b.image_code_offsets && a.workspace_bytes == b.workspace_bytes &&
         a.sobs == b.sobs && a.monitors == b.monitors && Same(a.external, b.external) &&
         std::equal(a.queues.begin(), a.queues.end(), b.queues.begin(), b.queues.end(),
                    [](const runtime::QueueProgram& x, const runtime::QueueProgram& y) {
                      return x.engine == y.engine && Same(x.upper, y.upper) && Same(x.body, y.body);
                    });
}

// Whether they derive the same when the bindings that are not constants have the same memory.
bool PrepareTheSame(const Recipe& a, const Recipe& b) {
  return std::equal(a.prepared.begin(), a.prepared.end(), b.prepared.begin(), b.prepared.end(),
                    [](const PreparedConstant& x, const PreparedConstant& y) {
                      return x.bytes == y.bytes;
                    }) &&
         std::equal(a.prepare_bindings.begin(), a.prepare_bindings.end(),
                    b.prepare_bindings.begin(), b.prepare_bindings.end(),
                    [](const RecipeBinding& x, const RecipeBinding& y) {
                      return x.prepared == y.prepared && (!x.prepared || x.index == y.index);
                    }) &&
         a.prepare.has_value() == b.prepare.has_value() &&
         (!a.prepare.has_value() || Same(*a.prepare, *b.prepare));
}

}  // namespace

absl::Status PreparedSet::Prepare() {
  if (!dirty_->load(std::memory_order_relaxed)) return absl::OkStatus();
  MutexLock lock(&mutex_);
  dirty_->store(false, std::memory_order_relaxed);
  if (instance_ == nullptr) return absl::OkStatus();
  absl::Status status = instance_->Launch(addresses_);
  if (!status.ok()) dirty_->store(true, std::memory_order_relaxed);
  return status;
}

uint64_t PreparedSet::bytes() const {
  uint64_t bytes = 0;
  for (const PreparedConstant& constant : compiled_->recipe.prepared) bytes += constant.bytes;
  return bytes;
}

uint64_t PreparedSet::device_bytes() const {
  return instance_ == nullptr ? 0 : instance_->device_bytes();
}

absl::StatusOr<std::shared_ptr<PreparedSet>> PreparedSets::Make(
    const std::shared_ptr<const CompiledGraph>& compiled, runtime::Stream& stream) {
  std::shared_ptr<PreparedSet> set(new PreparedSet());
  const Recipe& recipe = compiled->recipe;
  set->compiled_ = compiled;
  set->hardware_stream_ = stream.hardware_stream();
  if (recipe.prepare.has_value() && !recipe.prepare->queues.empty()) {
    ASSIGN_OR_RETURN(set->instance_, runtime::Instance::Load(stream, *recipe.prepare));
  }
  for (const PreparedConstant& constant : recipe.prepared) {
    ASSIGN_OR_RETURN(std::unique_ptr<runtime::DeviceMemory> memory,
                     context_.Allocate(std::max<uint64_t>(constant.bytes, 1)));
    memory->RecordUse(stream);
    set->memory_.push_back(std::move(memory));
  }
  return set;
}

absl::StatusOr<std::shared_ptr<PreparedSet>> PreparedSets::Get(
    const std::shared_ptr<const CompiledGraph>& compiled, absl::Span<TensorStorage* const> storages,
    runtime::Stream& stream, std::shared_ptr<PreparedSet> last) {
  const Recipe& recipe = compiled->recipe;
  std::vector<MemoryIdentity> sources;
  for (const RecipeBinding& binding : recipe.prepare_bindings) {
    sources.push_back(binding.prepared ? MemoryIdentity() : storages[binding.index]->identity());
  }
  std::shared_ptr<PreparedSet> set;
  {
    MutexLock lock(&mutex_);
    Sets& sets = sets_[compiled->prepare_fingerprint];
    sets.erase(std::remove_if(sets.begin(), sets.end(),
                              [](const std::weak_ptr<PreparedSet>& set) { return set.expired(); }),
               sets.end());
    for (const std::weak_ptr<PreparedSet>& candidate : sets) {
      std::shared_ptr<PreparedSet> found = candidate.lock();
      if (found != nullptr && found->hardware_stream_ == stream.hardware_stream() &&
          found->sources_ == sources && PrepareTheSame(found->compiled_->recipe, recipe)) {
        return found;
      }
    }
    if (last != nullptr && last.use_count() == 2 &&  // the caller's, and `last`
        last->hardware_stream_ == stream.hardware_stream() &&
        PrepareTheSame(last->compiled_->recipe, recipe)) {
      set = std::move(last);
      set->sources_ = sources;
    }
  }
  if (set == nullptr) {
    ASSIGN_OR_RETURN(set, Make(compiled, stream));
    set->sources_ = sources;
    MutexLock lock(&mutex_);
    sets_[compiled->prepare_fingerprint].push_back(set);
  }
  std::vector<DeviceAddress> addresses;
  for (const RecipeBinding& binding : recipe.prepare_bindings) {
    if (binding.prepared) {
      addresses.push_back(set->address(binding.index));
      continue;
    }
    absl::StatusOr<DeviceAddress> address = storages[binding.index]->Address();
    if (!address.ok()) {
      MutexLock lock(&mutex_);
      set->sources_.clear();
      return address.status();
    }
    addresses.push_back(*address);
    storages[binding.index]->RecordUse(stream);
  }
  // A word of its own for each set of weights, so that the last set's writes are no more heard.
  set->dirty_ = std::make_shared<DirtyWord>(true);
  for (const PreparedConstant& constant : recipe.prepared) {
    for (const BufferId source : constant.sources) storages[source]->Watch(set->dirty_);
  }
  MutexLock lock(&set->mutex_);
  set->addresses_ = std::move(addresses);
  return set;
}

}  // namespace openhpu::graph
