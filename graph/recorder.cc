#include "graph/recorder.h"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "graph/cache.h"
#include "graph/captured.h"
#include "graph/op.h"
#include "graph/segment.h"
#include "graph/storage.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

// Eager segments of one structure that a recorder keeps loaded: the next launch need not wait for
// the last one when its tensors lie elsewhere.
constexpr size_t kInstancesPerGraph = 2;
// Structures that a recorder keeps loaded.
constexpr size_t kLoadedGraphs = 128;

}  // namespace

struct Recorder::Impl final : CaptureParticipant {
  struct Loaded {
    std::shared_ptr<const CompiledGraph> compiled;
    std::list<std::unique_ptr<Segment>> segments;  // launched last first
  };

  Impl(Engine& e, runtime::Stream& s) : engine(*e.state_), stream(s) {}
  ~Impl() override {
    if (captured != nullptr) captured->Abandon();
    ForgetPending();
  }

  void CaptureEnded() override { captured = nullptr; }

  void ForgetPending() {
    for (const std::shared_ptr<TensorStorage>& storage : storages) storage->ClearPending(this);
  }

  BufferId BufferOf(const std::shared_ptr<Storage>& storage) {
    const auto [it, added] = buffers.emplace(storage.get(), static_cast<BufferId>(storages.size()));
    if (added) {
      auto tensor = std::static_pointer_cast<TensorStorage>(storage);
      Buffer buffer;
      buffer.kind = BufferKind::kBound;
      buffer.bytes = tensor->bytes();
      buffer.weight = tensor->weight();
      const BufferId id = graph.AddBuffer(std::move(buffer));
      OPENHPU_CHECK(id == it->second);
      storages.push_back(std::move(tensor));
    }
    return it->second;
  }

  absl::Status AddNode(std::string_view op, Attributes attributes,
                       absl::Span<const TensorRef> inputs, absl::Span<const TensorRef> outputs,
                       std::string_view source) {
    Node node;
    ASSIGN_OR_RETURN(node.op, FindOp(op));
    node.attributes = std::move(attributes);
    // What comes first elsewhere; that may flush this recorder too.
    for (const auto& [refs, writes] : {std::pair(inputs, false), std::pair(outputs, true)}) {
      for (const TensorRef& ref : refs) {
        if (ref.storage == nullptr) return absl::InvalidArgumentError("a tensor has no storage");
        RETURN_IF_ERROR(Cast(*ref.storage).FlushOthers(this, writes));
      }
    }
    for (const auto& [refs, views] :
         {std::pair(inputs, &node.inputs), std::pair(outputs, &node.outputs)}) {
      for (const TensorRef& ref : refs) {
        views->push_back({BufferOf(ref.storage), ref.dtype, ref.sizes, ref.strides, ref.offset});
        Cast(*ref.storage).SetPending(this, views == &node.outputs);
      }
    }
    node.source = std::string(source);
    return graph.AddNode(std::move(node));
  }

  // Storages that nobody else holds are unobserved, unless they had contents before.
  void FindTemps() {
    for (BufferId id = 0; id < storages.size(); ++id) {
      std::shared_ptr<TensorStorage>& storage = storages[id];
      if (storage.use_count() > 1 || storage->materialised()) continue;
      graph.SetKind(id, BufferKind::kTemp);
      storage = nullptr;
    }
  }

  absl::StatusOr<std::unique_ptr<Segment>> Load(std::shared_ptr<const CompiledGraph> compiled) {
    absl::StatusOr<std::unique_ptr<Segment>> segment = Segment::Load(compiled, engine, stream);
    if (segment.ok() || !absl::IsResourceExhausted(segment.status()) || loaded.empty())
      return segment;
    // What is only kept for a next time goes first.
    RETURN_IF_ERROR(stream.Synchronize());
    loaded.clear();
    return Segment::Load(std::move(compiled), engine, stream);
  }

  // A loaded segment to launch: one bound to these storages, or a free place, or the one launched
  // longest ago.
  absl::StatusOr<Segment*> EagerSegment(const std::shared_ptr<const CompiledGraph>& compiled,
                                        const Storages& bound) {
    auto entry = std::find_if(loaded.begin(), loaded.end(), [&](const Loaded& candidate) {
      return candidate.compiled == compiled;
    });
    if (entry == loaded.end()) {
      if (loaded.size() >= kLoadedGraphs) loaded.pop_back();
      loaded.push_front({compiled, {}});
    } else {
      loaded.splice(loaded.begin(), loaded, entry);
    }
    auto& segments = loaded.front().segments;
    auto chosen =
        std::find_if(segments.begin(), segments.end(),
                     [&](const std::unique_ptr<Segment>& s) { return s->BoundTo(bound); });
    if (chosen == segments.end() && segments.size() < kInstancesPerGraph) {
      ASSIGN_OR_RETURN(std::unique_ptr<Segment> segment, Load(compiled));
      if (loaded.empty()) loaded.push_front({compiled, {}});
      loaded.front().segments.push_front(std::move(segment));
      return loaded.front().segments.front().get();
    }
    if (chosen == segments.end()) chosen = std::prev(segments.end());
    segments.splice(segments.begin(), segments, chosen);
    return segments.front().get();
  }

  absl::Status Flush() override {
    if (storages.empty()) return absl::OkStatus();
    for (const std::function<void()>& before : std::exchange(at_flush, {})) before();
    if (storages.empty()) return absl::OkStatus();  // another recorder needed it flushed
    // Whatever happens, the segment is no longer pending.
    ForgetPending();
    FindTemps();
    Graph segment_graph = std::exchange(graph, {});
    const Storages bound = std::exchange(storages, {});
    buffers.clear();
    const uint64_t nodes = segment_graph.nodes().size();
    if (nodes == 0) return absl::OkStatus();  // only some that were refused
    const absl::Status status = Run(std::move(segment_graph), bound);
    if (captured != nullptr) captured->Fail(status);
    return status;
  }

  absl::Status Run(Graph segment_graph, const Storages& bound) {
    const uint64_t nodes = segment_graph.nodes().size();
    ASSIGN_OR_RETURN(std::shared_ptr<const CompiledGraph> compiled,
                     engine.cache.Get(std::move(segment_graph)));
    engine.nodes += nodes;
    if (captured != nullptr) {
      ASSIGN_OR_RETURN(std::unique_ptr<Segment> segment, Load(std::move(compiled)));
      if (!captured->dry_run()) ++engine.launches;
      return captured->AddSegment(std::move(segment), bound);
    }
    ++engine.launches;
    ASSIGN_OR_RETURN(Segment* const segment, EagerSegment(compiled, bound));
    std::vector<TensorStorage*> bindings;
    bindings.reserve(bound.size());
    for (const std::shared_ptr<TensorStorage>& storage : bound) bindings.push_back(storage.get());
    RETURN_IF_ERROR(segment->Bind(bindings));
    RETURN_IF_ERROR(segment->Follow(bindings));
    RETURN_IF_ERROR(segment->Launch());
    segment->NoteLaunch(bindings);
    return absl::OkStatus();
  }

  // Flushes if the storage is pending, here or elsewhere, orders the copy after what conflicts with
  // it on other streams, and gives the address of the storage's bytes [offset, offset + bytes).
  absl::StatusOr<DeviceAddress> HostCopyAddress(Storage& storage, uint64_t offset, uint64_t bytes,
                                                bool writes) {
    if (offset > storage.bytes() || bytes > storage.bytes() - offset) {
      return absl::OutOfRangeError(absl::StrCat("host copy of bytes [", offset, ", ", offset, " + ",
                                                bytes, ") of a storage of ", storage.bytes()));
    }
    RETURN_IF_ERROR(Cast(storage).FlushOthers(this, writes));
    if (buffers.count(&storage) > 0) RETURN_IF_ERROR(Flush());
    ASSIGN_OR_RETURN(const DeviceAddress address, storage.Address());
    runtime::Passed last{};
    Cast(storage).AddConflicts(writes, last);
    RETURN_IF_ERROR(stream.Follow(last));
    return address + offset;
  }

  EngineState& engine;
  runtime::Stream& stream;
  Graph graph;                                     // pending
  Storages storages;                               // of its buffers
  std::unordered_map<Storage*, BufferId> buffers;  // looked up, never walked
  std::vector<std::function<void()>> at_flush;
  std::list<Loaded> loaded;  // used last first
  CapturedSteps* captured = nullptr;
};

Recorder::Recorder(Engine& engine, runtime::Stream& stream)
    : impl_(std::make_unique<Impl>(engine, stream)) {}
Recorder::~Recorder() = default;

absl::Status Recorder::Record(std::string_view op, Attributes attributes,
                              absl::Span<const TensorRef> inputs,
                              absl::Span<const TensorRef> outputs, std::string_view source) {
  const absl::Status status = impl_->AddNode(op, std::move(attributes), inputs, outputs, source);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(std::string(op), source.empty() ? "" : " at ",
                                                  std::string(source), ": ", status.message()));
}

void Recorder::AtFlush(std::function<void()> before) {
  impl_->at_flush.push_back(std::move(before));
}

bool Recorder::Touches(const Storage& storage) const {
  return impl_->buffers.count(const_cast<Storage*>(&storage)) > 0;
}

bool Recorder::pending() const { return !impl_->graph.nodes().empty(); }

absl::Status Recorder::Flush() { return impl_->Flush(); }

absl::Status Recorder::Synchronize() {
  RETURN_IF_ERROR(Flush());
  return impl_->stream.Synchronize();
}

absl::Status Recorder::CopyFromHost(const void* host, uint64_t bytes, Storage& storage,
                                    uint64_t offset_bytes) {
  ASSIGN_OR_RETURN(const DeviceAddress address,
                   impl_->HostCopyAddress(storage, offset_bytes, bytes, /*writes=*/true));
  if (bytes == 0) return absl::OkStatus();
  RETURN_IF_ERROR(impl_->stream.CopyToDevice(host, bytes, address));
  Cast(storage).MarkWritten();
  Cast(storage).NoteAccess(impl_->stream, /*writes=*/true);
  return absl::OkStatus();
}

absl::Status Recorder::CopyToHost(Storage& storage, uint64_t offset_bytes, uint64_t bytes,
                                  void* host) {
  if (impl_->captured != nullptr && impl_->captured->dry_run()) {
    return absl::FailedPreconditionError(
        "reading a tensor of the device during a dry-run capture: nothing has been computed");
  }
  ASSIGN_OR_RETURN(const DeviceAddress address,
                   impl_->HostCopyAddress(storage, offset_bytes, bytes, /*writes=*/false));
  if (bytes == 0) return absl::OkStatus();
  return impl_->stream.CopyFromDevice(address, bytes, host);
}

absl::Status Recorder::RecordEvent(std::shared_ptr<runtime::Event> event) {
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(impl_->stream.Record(*event));
  if (impl_->captured == nullptr) return absl::OkStatus();
  const absl::Status status = impl_->captured->AddRecord(std::move(event), impl_->stream);
  impl_->captured->Fail(status);
  return status;
}

absl::Status Recorder::WaitForEvent(std::shared_ptr<runtime::Event> event) {
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(impl_->stream.WaitFor(*event));
  if (impl_->captured != nullptr) impl_->captured->AddWait(*event, impl_->stream);
  return absl::OkStatus();
}

absl::Status Recorder::BeginCapture(CapturedGraph* graph, bool dry_run) {
  if (impl_->captured != nullptr)
    return absl::FailedPreconditionError("this recorder captures already");
  if (graph->steps_ != nullptr && graph->steps_->capturing())
    return absl::FailedPreconditionError("another recorder captures to this graph");
  RETURN_IF_ERROR(Flush());
  graph->Reset();
  impl_->captured = graph->steps_.get();
  impl_->captured->Begin(impl_->engine, impl_.get(), dry_run);
  return absl::OkStatus();
}

absl::Status Recorder::JoinCapture(CapturedGraph* graph) {
  if (impl_->captured != nullptr)
    return absl::FailedPreconditionError("this recorder captures already");
  if (graph->steps_ == nullptr || !graph->steps_->capturing())
    return absl::FailedPreconditionError("no capture to this graph has begun");
  RETURN_IF_ERROR(Flush());
  impl_->captured = graph->steps_.get();
  impl_->captured->Join(impl_.get());
  return absl::OkStatus();
}

absl::Status Recorder::Guard(const TensorRef& tensor, std::vector<std::byte> expected,
                             std::string_view source) {
  if (impl_->captured == nullptr) return absl::FailedPreconditionError("no capture has begun");
  if (tensor.storage == nullptr) return absl::InvalidArgumentError("a tensor has no storage");
  RETURN_IF_ERROR(Cast(*tensor.storage).FlushOthers(impl_.get(), /*writes=*/false));
  if (Touches(*tensor.storage)) RETURN_IF_ERROR(Flush());
  return impl_->captured->AddGuard(tensor, std::move(expected), std::string(source), impl_->stream);
}

absl::Status Recorder::HostStep(std::function<absl::Status()> step,
                                absl::Span<const std::shared_ptr<Storage>> reads,
                                absl::Span<const std::shared_ptr<Storage>> writes) {
  if (impl_->captured == nullptr) return absl::FailedPreconditionError("no capture has begun");
  RETURN_IF_ERROR(Flush());
  // Before it runs: what it writes may get its memory from it.
  impl_->captured->NoteHostStep(reads, writes);
  if (!impl_->captured->dry_run()) {
    const absl::Status status = step();
    if (!status.ok()) {
      if (impl_->captured != nullptr) impl_->captured->Fail(status);
      return status;
    }
  }
  if (impl_->captured != nullptr) impl_->captured->AddHostStep(std::move(step));
  return absl::OkStatus();
}

absl::Status Recorder::EndCapture() {
  if (impl_->captured == nullptr) return absl::FailedPreconditionError("no capture has begun");
  return impl_->captured->End(impl_.get());
}

void Recorder::AbandonCapture() {
  if (impl_->captured != nullptr) impl_->captured->Abandon();
}

bool Recorder::capturing() const { return impl_->captured != nullptr; }

}  // namespace openhpu::graph
