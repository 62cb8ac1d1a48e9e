#include "graph/storage.h"

#include <algorithm>

#include "hal/base/status_macros.h"

namespace openhpu::graph {

bool TensorStorage::materialised() const {
  if (given_ != nullptr) return true;
  MutexLock lock(&mutex_);
  return memory_ != nullptr;
}

absl::StatusOr<DeviceAddress> TensorStorage::Address() {
  if (given_ != nullptr) return given_address_;
  MutexLock lock(&mutex_);
  if (memory_ == nullptr) {
    // Empty tensors have an address too.
    ASSIGN_OR_RETURN(memory_, context_.Allocate(std::max<uint64_t>(bytes_, 1)));
  }
  return memory_->address();
}

void TensorStorage::MarkWeight() {
  if (!weight_.exchange(true)) counters_->weights.fetch_add(1);
}

std::shared_ptr<Storage> TensorStorage::TakeMemory() {
  auto taken = std::make_shared<TensorStorage>(context_, counters_, bytes_);
  {
    MutexLock lock(&mutex_);
    MutexLock taken_lock(&taken->mutex_);
    if (memory_ == nullptr) return taken;
    taken->memory_ = std::move(memory_);
  }
  version_.fetch_add(1);
  counters_->moves.fetch_add(1);
  return taken;
}

void TensorStorage::ReleaseMemory() {
  {
    MutexLock lock(&mutex_);
    if (memory_ == nullptr) return;
    memory_ = nullptr;
  }
  version_.fetch_add(1);
  counters_->moves.fetch_add(1);
}

void TensorStorage::RecordUse(runtime::Stream& stream) {
  TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  if (storage.memory_ != nullptr) storage.memory_->RecordUse(stream);
}

void TensorStorage::AddConflicts(bool writes, runtime::Passed& last) const {
  const TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  if (storage.memory_ != nullptr) storage.memory_->AddConflicts(writes, last);
}

void TensorStorage::NoteAccess(runtime::Stream& stream, bool writes) {
  TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  if (storage.memory_ != nullptr) storage.memory_->NoteAccess(stream, writes);
}

void TensorStorage::NoteAccess(std::shared_ptr<const runtime::LastLaunch> launches, bool writes) {
  TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  if (storage.memory_ != nullptr) storage.memory_->NoteAccess(std::move(launches), writes);
}

void TensorStorage::Watch(const std::shared_ptr<DirtyWord>& word) {
  TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  auto& watchers = storage.watchers_;
  watchers.erase(
      std::remove_if(watchers.begin(), watchers.end(),
                     [](const std::weak_ptr<DirtyWord>& watcher) { return watcher.expired(); }),
      watchers.end());
  watchers.push_back(word);
}

void TensorStorage::MarkWritten() {
  TensorStorage& storage = resident();
  MutexLock lock(&storage.mutex_);
  for (const std::weak_ptr<DirtyWord>& watcher : storage.watchers_) {
    if (const std::shared_ptr<DirtyWord> word = watcher.lock())
      word->store(true, std::memory_order_relaxed);
  }
}

void TensorStorage::StandIn(TensorStorage* given, int64_t shift, DeviceAddress address) {
  given_ = given == this && shift == 0 ? nullptr : given;
  shift_ = shift;
  given_address_ = address;
}

MemoryIdentity TensorStorage::identity() const {
  const TensorStorage& storage = resident();
  return {storage.serial_, given_ == nullptr ? 0 : shift_,
          storage.version_.load(std::memory_order_relaxed)};
}

void TensorStorage::SetPending(PendingNodes* where, bool writes) {
  for (Pending& pending : pending_) {
    if (pending.where != where) continue;
    pending.writes |= writes;
    return;
  }
  pending_.push_back({where, writes});
}

void TensorStorage::ClearPending(PendingNodes* where) {
  pending_.erase(std::remove_if(pending_.begin(), pending_.end(),
                                [where](const Pending& pending) { return pending.where == where; }),
                 pending_.end());
}

absl::Status TensorStorage::FlushOthers(const PendingNodes* here, bool writes) {
  for (;;) {
    const auto other = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
      return pending.where != here && (writes || pending.writes);
    });
    if (other == pending_.end()) return absl::OkStatus();
    // Whatever happens, nothing is pending there afterwards.
    RETURN_IF_ERROR(other->where->Flush());
  }
}

}  // namespace openhpu::graph
