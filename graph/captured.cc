// Capturing: what becomes a step, and what the steps do to storages. And what can be asked of it.
#include "graph/captured.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "graph/versions.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

bool CoversBuffer(const View& view, uint64_t bytes) {
  const int64_t elements = static_cast<int64_t>(bytes) / StorageBytes(view.dtype);
  const View whole = {view.buffer, view.dtype, {elements}, {1}, 0};
  return bytes == 0 || Relate(view, whole) == Overlap::kCovers;
}

}  // namespace

CapturedSteps::~CapturedSteps() { Leave(); }

void CapturedSteps::Clear() {
  steps_.clear();
  segments_.clear();
  event_steps_.clear();
  events_.clear();
  guards_.clear();
  host_steps_.clear();
  slots_.clear();
  index_.clear();
  recorded_.clear();
  for (std::vector<uint32_t>* list : {&forgotten_, &released_, &rebound_, &rebound_last_})
    list->clear();
  failure_ = absl::OkStatus();
  settled_ = true;
}

void CapturedSteps::Leave() {
  for (CaptureParticipant* participant : std::exchange(participants_, {}))
    participant->CaptureEnded();
  recorded_.clear();
}

void CapturedSteps::Begin(EngineState& engine, CaptureParticipant* recorder, bool dry_run) {
  Clear();
  context_ = &engine.context;
  counters_ = engine.counters;
  moves_seen_ = counters_->moves.load();
  known_before_ = counters_->storages.load();
  dry_run_ = dry_run;
  participants_.push_back(recorder);
}

absl::Status CapturedSteps::End(CaptureParticipant* recorder) {
  if (recorder != participants_.front()) {
    const absl::Status status = recorder->Flush();
    Fail(status);
    participants_.erase(std::find(participants_.begin(), participants_.end(), recorder));
    recorder->CaptureEnded();
    return status;
  }
  for (size_t i = 0; i < participants_.size(); ++i) Fail(participants_[i]->Flush());
  absl::Status status = failure_;
  Leave();
  if (status.ok()) {
    Settle();
  } else {
    Clear();
  }
  return status;
}

void CapturedSteps::Abandon() {
  Clear();
  Leave();
}

uint32_t CapturedSteps::SlotOf(const std::shared_ptr<TensorStorage>& storage) {
  const auto [it, added] = index_.emplace(storage->serial(), static_cast<uint32_t>(slots_.size()));
  if (added) {
    Slot& slot = slots_.emplace_back();
    slot.held = storage;
    slot.serial = storage->serial();
    slot.bytes = storage->bytes();
    slot.fresh = !storage->materialised();
  }
  return it->second;
}

void CapturedSteps::NoteRead(Slot& slot) { slot.reads_first |= !slot.own; }

void CapturedSteps::NoteWrite(Slot& slot, bool all) {
  slot.own |= !slot.reads_first && (all || slot.fresh);
}

void CapturedSteps::NoteAccesses(const Graph& graph, absl::Span<const uint32_t> slots) {
  for (const Node& node : graph.nodes()) {
    for (const View& view : node.inputs) {
      if (slots[view.buffer] != kNoSlot) NoteRead(slots_[slots[view.buffer]]);
    }
    for (const View& view : node.outputs) {
      if (slots[view.buffer] == kNoSlot) continue;
      Slot& slot = slots_[slots[view.buffer]];
      NoteWrite(slot, slot.own || CoversBuffer(view, slot.bytes));
    }
  }
}

absl::Status CapturedSteps::AddSegment(std::unique_ptr<Segment> segment, const Storages& storages) {
  Launch launch;
  const uint32_t index = static_cast<uint32_t>(segments_.size());
  for (const std::shared_ptr<TensorStorage>& storage : storages) {
    const BufferId buffer = static_cast<BufferId>(launch.slots.size());
    launch.slots.push_back(storage == nullptr ? kNoSlot : SlotOf(storage));
    if (storage == nullptr) continue;
    Slot& slot = slots_[launch.slots.back()];
    slot.users.emplace_back(index, buffer);
    slot.bound = storage->identity();
  }
  NoteAccesses(segment->compiled().graph, launch.slots);
  launch.segment = std::move(segment);
  segments_.push_back(std::move(launch));
  steps_.push_back({StepKind::kLaunch, index});
  if (dry_run_) return absl::OkStatus();
  RETURN_IF_ERROR(BindSegment(segments_.back()));
  return FirstLaunch(segments_.back());
}

absl::Status CapturedSteps::AddRecord(std::shared_ptr<runtime::Event> event,
                                      runtime::Stream& stream) {
  auto known = std::find_if(recorded_.begin(), recorded_.end(),
                            [&](const auto& entry) { return entry.first == event; });
  if (known == recorded_.end()) {
    ASSIGN_OR_RETURN(std::unique_ptr<runtime::Event> own,
                     runtime::Event::Create(*context_, /*timing=*/false));
    recorded_.emplace_back(std::move(event), static_cast<uint32_t>(events_.size()));
    known = std::prev(recorded_.end());
    events_.push_back(std::move(own));
  }
  steps_.push_back({StepKind::kEvent, static_cast<uint32_t>(event_steps_.size())});
  event_steps_.push_back({known->second, /*wait=*/false, &stream});
  return absl::OkStatus();
}

void CapturedSteps::AddWait(const runtime::Event& event, runtime::Stream& stream) {
  const auto known = std::find_if(recorded_.begin(), recorded_.end(),
                                  [&](const auto& entry) { return entry.first.get() == &event; });
  if (known == recorded_.end()) return;
  steps_.push_back({StepKind::kEvent, static_cast<uint32_t>(event_steps_.size())});
  event_steps_.push_back({known->second, /*wait=*/true, &stream});
}

absl::Status CapturedSteps::AddGuard(const TensorRef& tensor, std::vector<std::byte> expected,
                                     std::string source, runtime::Stream& stream) {
  const uint64_t element = static_cast<uint64_t>(StorageBytes(tensor.dtype));
  const View view = {0, tensor.dtype, tensor.sizes, tensor.strides, tensor.offset};
  if (!view.contiguous() || tensor.offset < 0)
    return absl::InvalidArgumentError("a guard's tensor is not dense");
  const uint64_t bytes = static_cast<uint64_t>(view.elements()) * element;
  const uint64_t offset = static_cast<uint64_t>(tensor.offset) * element;
  if (bytes != expected.size() || offset > tensor.storage->bytes() ||
      bytes > tensor.storage->bytes() - offset) {
    return absl::InvalidArgumentError(absl::StrCat("a guard of ", bytes, " bytes at ", offset,
                                                   " in a storage of ", tensor.storage->bytes(),
                                                   " expects ", expected.size(), " bytes"));
  }
  GuardStep guard;
  guard.slot = SlotOf(std::static_pointer_cast<TensorStorage>(tensor.storage));
  NoteRead(slots_[guard.slot]);
  guard.offset = offset;
  guard.dtype = tensor.dtype;
  guard.found.resize(expected.size());
  guard.expected = std::move(expected);
  guard.source = std::move(source);
  guard.stream = &stream;
  steps_.push_back({StepKind::kGuard, static_cast<uint32_t>(guards_.size())});
  guards_.push_back(std::move(guard));
  return absl::OkStatus();
}

void CapturedSteps::NoteHostStep(absl::Span<const std::shared_ptr<Storage>> reads,
                                 absl::Span<const std::shared_ptr<Storage>> writes) {
  for (const std::shared_ptr<Storage>& storage : reads)
    NoteRead(slots_[SlotOf(std::static_pointer_cast<TensorStorage>(storage))]);
  for (const std::shared_ptr<Storage>& storage : writes)
    NoteWrite(slots_[SlotOf(std::static_pointer_cast<TensorStorage>(storage))], /*all=*/false);
}

void CapturedSteps::AddHostStep(std::function<absl::Status()> step) {
  steps_.push_back({StepKind::kHost, static_cast<uint32_t>(host_steps_.size())});
  host_steps_.push_back(std::move(step));
}

absl::Status CapturedSteps::FirstLaunch(Launch& launch) {
  ASSIGN_OR_RETURN(launch.before, runtime::Event::Create(*context_, /*timing=*/true));
  ASSIGN_OR_RETURN(launch.after, runtime::Event::Create(*context_, /*timing=*/true));
  RETURN_IF_ERROR(launch.segment->Launch(*launch.before, *launch.after));
  launch.launched = true;
  return absl::OkStatus();
}

// --- What can be asked ---

std::vector<SegmentSummary> CapturedSteps::Summary() {
  std::vector<SegmentSummary> summary;
  for (Launch& launch : segments_) {
    if (launch.launched && launch.before != nullptr) {
      const absl::StatusOr<absl::Duration> time = launch.after->ElapsedSince(*launch.before);
      if (time.ok()) launch.device_time = *time;
      launch.before = nullptr;
      launch.after = nullptr;
    }
    const Recipe& recipe = launch.segment->compiled().recipe;
    SegmentSummary& segment = summary.emplace_back();
    segment.nodes = recipe.nodes;
    for (const hal::EngineKind engine : recipe.step_engines) {
      ++(engine == hal::EngineKind::kMme   ? segment.mme
         : engine == hal::EngineKind::kTpc ? segment.tpc
                                           : segment.dma);
    }
    segment.bytes = recipe.main.workspace_bytes;
    for (const runtime::BindingSpec& binding : recipe.main.bindings) segment.bytes += binding.bytes;
    segment.device_time = launch.device_time;
  }
  return summary;
}

CapturedMemory CapturedSteps::memory() const {
  CapturedMemory memory;
  for (const Slot& slot : slots_) {
    if (slot.held == nullptr || !slot.held->materialised()) continue;
    uint64_t& kind = slot.held->weight()             ? memory.weights
                     : !slot.own || slot.reads_first ? memory.inputs
                                                     : memory.outputs;
    kind += slot.bytes;
  }
  std::set<const PreparedSet*> sets;
  for (const Launch& launch : segments_) {
    const Recipe& recipe = launch.segment->compiled().recipe;
    memory.commands += launch.segment->device_bytes();
    memory.workspace = std::max(memory.workspace, recipe.main.workspace_bytes);
    if (recipe.prepare.has_value())
      memory.workspace = std::max(memory.workspace, recipe.prepare->workspace_bytes);
    const PreparedSet* const set = launch.segment->prepared();
    if (set == nullptr || !sets.insert(set).second) continue;
    memory.prepared += set->bytes();
    memory.commands += set->device_bytes();
  }
  return memory;
}

bool CapturedSteps::Binds(const Storage& storage) const {
  return index_.count(Cast(storage).serial()) > 0;
}

bool CapturedSteps::ReadsFirst(const Storage& storage) const {
  const auto slot = index_.find(Cast(storage).serial());
  return slot != index_.end() && slots_[slot->second].reads_first;
}

bool CapturedSteps::Makes(const Storage& storage) const {
  const uint64_t serial = Cast(storage).serial();
  return serial > known_before_ && index_.count(serial) != 0;
}

}  // namespace openhpu::graph
