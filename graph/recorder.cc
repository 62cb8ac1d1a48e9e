#include "graph/recorder.h"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "graph/cache.h"
#include "graph/op.h"
#include "graph/segment.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

// Eager segments of one structure that a recorder keeps loaded: the next launch need not wait for
// the last one when its tensors lie elsewhere.
constexpr size_t kInstancesPerGraph = 2;
// Structures that a recorder keeps loaded.
constexpr size_t kLoadedGraphs = 128;

using Storages = std::vector<std::shared_ptr<TensorStorage>>;

// Only Engine::NewStorage makes storages.
TensorStorage& Cast(Storage& storage) { return static_cast<TensorStorage&>(storage); }

}  // namespace

// --- Engine ---

struct Engine::Impl {
  Impl(runtime::Context& c, CompileOptions options) : context(c), cache(c.chip(), options) {}
  runtime::Context& context;
  CompileCache cache;
  std::shared_ptr<StorageCounters> counters = std::make_shared<StorageCounters>();
  std::atomic<uint64_t> launches{0}, nodes{0};
};

Engine::Engine(runtime::Context& context, CompileOptions options)
    : impl_(std::make_unique<Impl>(context, options)) {}
Engine::~Engine() = default;

runtime::Context& Engine::context() { return impl_->context; }

std::shared_ptr<Storage> Engine::NewStorage(uint64_t device_bytes) {
  return std::make_shared<TensorStorage>(impl_->context, impl_->counters, device_bytes);
}

EngineStatistics Engine::statistics() const {
  return {impl_->cache.compilations(), impl_->cache.hits(), impl_->launches.load(),
          impl_->nodes.load()};
}

// --- CapturedGraph ---

struct CapturedGraph::Impl {
  struct Captured {
    std::unique_ptr<Segment> segment;
    Storages storages;  // kept alive; null for temps
  };
  ~Impl() {
    if (stream == nullptr) return;
    for (const Captured& captured : segments) {
      for (const std::shared_ptr<TensorStorage>& storage : captured.storages) {
        if (storage != nullptr) storage->RecordUse(*stream);
      }
    }
  }
  runtime::Stream* stream = nullptr;
  std::vector<Captured> segments;
};

CapturedGraph::CapturedGraph() : impl_(std::make_unique<Impl>()) {}
CapturedGraph::CapturedGraph(CapturedGraph&&) noexcept = default;
CapturedGraph& CapturedGraph::operator=(CapturedGraph&&) noexcept = default;
CapturedGraph::~CapturedGraph() = default;

absl::Status CapturedGraph::Replay() {
  for (Impl::Captured& captured : impl_->segments) RETURN_IF_ERROR(captured.segment->Relaunch());
  return absl::OkStatus();
}

size_t CapturedGraph::segments() const { return impl_->segments.size(); }

const Recipe& CapturedGraph::recipe(size_t segment) const {
  return impl_->segments[segment].segment->compiled().recipe;
}

void CapturedGraph::Reset() { impl_ = std::make_unique<Impl>(); }

// --- Recorder ---

struct Recorder::Impl {
  struct Loaded {
    std::shared_ptr<const CompiledGraph> compiled;
    std::list<std::unique_ptr<Segment>> segments;  // launched last first
  };

  Impl(Engine& e, runtime::Stream& s) : engine(*e.impl_), stream(s) {}

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
    for (const auto& [refs, views] :
         {std::pair(inputs, &node.inputs), std::pair(outputs, &node.outputs)}) {
      for (const TensorRef& ref : refs) {
        if (ref.storage == nullptr) return absl::InvalidArgumentError("a tensor has no storage");
        views->push_back({BufferOf(ref.storage), ref.dtype, ref.sizes, ref.strides, ref.offset});
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
    absl::StatusOr<std::unique_ptr<Segment>> segment =
        Segment::Load(compiled, engine.context, stream, engine.counters);
    if (segment.ok() || !absl::IsResourceExhausted(segment.status()) || loaded.empty())
      return segment;
    // What is only kept for a next time goes first.
    RETURN_IF_ERROR(stream.Synchronize());
    loaded.clear();
    return Segment::Load(std::move(compiled), engine.context, stream, engine.counters);
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

  absl::Status Flush() {
    if (graph.nodes().empty()) return absl::OkStatus();
    FindTemps();
    // Whatever happens, the segment is no longer pending.
    Graph segment_graph = std::exchange(graph, {});
    Storages bound = std::exchange(storages, {});
    buffers.clear();
    const uint64_t nodes = segment_graph.nodes().size();
    ASSIGN_OR_RETURN(std::shared_ptr<const CompiledGraph> compiled,
                     engine.cache.Get(std::move(segment_graph)));
    engine.nodes += nodes;
    ++engine.launches;
    if (captured != nullptr) {
      ASSIGN_OR_RETURN(std::unique_ptr<Segment> segment, Load(std::move(compiled)));
      RETURN_IF_ERROR(segment->Launch(bound));
      captured->impl_->stream = &stream;
      captured->impl_->segments.push_back({std::move(segment), std::move(bound)});
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Segment* const segment, EagerSegment(compiled, bound));
    RETURN_IF_ERROR(segment->Launch(bound));
    for (const std::shared_ptr<TensorStorage>& storage : bound) {
      if (storage != nullptr) storage->RecordUse(stream);
    }
    return absl::OkStatus();
  }

  // Flushes if the storage is pending, and gives the address of its bytes [offset, offset + bytes).
  absl::StatusOr<DeviceAddress> HostCopyAddress(Storage& storage, uint64_t offset, uint64_t bytes) {
    if (offset > storage.bytes() || bytes > storage.bytes() - offset) {
      return absl::OutOfRangeError(absl::StrCat("host copy of bytes [", offset, ", ", offset, " + ",
                                                bytes, ") of a storage of ", storage.bytes()));
    }
    if (buffers.count(&storage) > 0) RETURN_IF_ERROR(Flush());
    ASSIGN_OR_RETURN(const DeviceAddress address, storage.Address());
    return address + offset;
  }

  Engine::Impl& engine;
  runtime::Stream& stream;
  Graph graph;                                     // pending
  Storages storages;                               // of its buffers
  std::unordered_map<Storage*, BufferId> buffers;  // looked up, never walked
  std::list<Loaded> loaded;                        // used last first
  CapturedGraph* captured = nullptr;
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

bool Recorder::pending() const { return !impl_->graph.nodes().empty(); }

absl::Status Recorder::Flush() { return impl_->Flush(); }

absl::Status Recorder::Synchronize() {
  RETURN_IF_ERROR(Flush());
  return impl_->stream.Synchronize();
}

absl::Status Recorder::CopyFromHost(const void* host, uint64_t bytes, Storage& storage,
                                    uint64_t offset_bytes) {
  ASSIGN_OR_RETURN(const DeviceAddress address,
                   impl_->HostCopyAddress(storage, offset_bytes, bytes));
  if (bytes == 0) return absl::OkStatus();
  RETURN_IF_ERROR(impl_->stream.CopyToDevice(host, bytes, address));
  Cast(storage).MarkWritten();
  Cast(storage).RecordUse(impl_->stream);
  return absl::OkStatus();
}

absl::Status Recorder::CopyToHost(Storage& storage, uint64_t offset_bytes, uint64_t bytes,
                                  void* host) {
  ASSIGN_OR_RETURN(const DeviceAddress address,
                   impl_->HostCopyAddress(storage, offset_bytes, bytes));
  if (bytes == 0) return absl::OkStatus();
  return impl_->stream.CopyFromDevice(address, bytes, host);
}

absl::Status Recorder::BeginCapture(CapturedGraph* graph) {
  if (impl_->captured != nullptr)
    return absl::FailedPreconditionError("this recorder captures already");
  RETURN_IF_ERROR(Flush());
  graph->Reset();
  impl_->captured = graph;
  return absl::OkStatus();
}

absl::Status Recorder::EndCapture() {
  if (impl_->captured == nullptr) return absl::FailedPreconditionError("no capture has begun");
  const absl::Status status = Flush();
  if (!status.ok()) impl_->captured->Reset();
  impl_->captured = nullptr;
  return status;
}

void Recorder::AbandonCapture() {
  if (impl_->captured == nullptr) return;
  impl_->captured->Reset();
  impl_->captured = nullptr;
}

bool Recorder::capturing() const { return impl_->captured != nullptr; }

}  // namespace openhpu::graph
