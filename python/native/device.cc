#include "python/native/device.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "hal/base/status_macros.h"
#include "hal/chip.pb.h"

namespace openhpu::python {
namespace {

struct Opened {
  std::mutex mutex;
  absl::StatusOr<Device*> device = absl::UnknownError("");
  bool tried = false;
};

// The device once it is open, for whoever need not wait for its opening; null in a forked child.
std::atomic<Device*> usable{nullptr};
std::atomic<bool> forked_since{false};

void NoteFork() {
  usable.store(nullptr, std::memory_order_relaxed);
  forked_since.store(true, std::memory_order_relaxed);
}

Opened& TheDevice() {
  static auto* const opened = new Opened;
  return *opened;
}

// Active ones of all threads.
std::atomic<int> captures{0};

constexpr uint64_t kDefaultCacheMegabytes = 1024;

// PT_HPU_RECIPE_CACHE_CONFIG is "folder[,delete on start[,megabytes]]"; PT_RECIPE_CACHE_PATH and
// PT_CACHE_FOLDER_SIZE_MB are its older form.
absl::Status UseDiskCache(graph::Engine& engine) {
  const char* config = std::getenv("PT_HPU_RECIPE_CACHE_CONFIG");
  const char* path = std::getenv("PT_RECIPE_CACHE_PATH");
  std::vector<std::string> parts;
  if (config != nullptr && *config != '\0') {
    parts = absl::StrSplit(config, ',');
  } else if (path != nullptr && *path != '\0') {
    const char* size = std::getenv("PT_CACHE_FOLDER_SIZE_MB");
    parts = {path, "false", size == nullptr ? "" : size};
  } else {
    return absl::OkStatus();
  }
  bool clear = false;
  uint64_t megabytes = kDefaultCacheMegabytes;
  const bool clear_ok = parts.size() < 2 || parts[1].empty() || absl::SimpleAtob(parts[1], &clear);
  const bool size_ok =
      parts.size() < 3 || parts[2].empty() || absl::SimpleAtoi(parts[2], &megabytes);
  if (parts.size() > 3 || parts[0].empty() || !clear_ok || !size_ok) {
    return absl::InvalidArgumentError(
        absl::StrCat("PT_HPU_RECIPE_CACHE_CONFIG=", config == nullptr ? path : config,
                     ": expected <folder>[,<delete on start: True or False>[,<megabytes>]]"));
  }
  return engine.UseDiskCache(parts[0], megabytes << 20, clear);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open() {
  const char* spec = std::getenv("OPENHPU_DEVICE");
  ASSIGN_OR_RETURN(Backend backend, OpenBackend(spec == nullptr ? "" : spec));
  auto device = std::unique_ptr<Device>(new Device);
  device->simulator_ = backend.simulator;
  ASSIGN_OR_RETURN(device->context_, runtime::Context::Create(std::move(backend.driver)));
  device->engine_ = std::make_unique<graph::Engine>(*device->context_);
  RETURN_IF_ERROR(UseDiskCache(*device->engine_));
  RETURN_IF_ERROR(device->CreateStream().status());
  if (const hal::Chip& chip = device->context_->chip(); chip.studies_only()) {
    std::fprintf(stderr, "openhpu: %s is for performance studies only: %s\n", chip.name().c_str(),
                 chip.studies_note().c_str());
  }
  return device;
}

absl::StatusOr<Device*> Device::Get() {
  if (Device* device = usable.load(std::memory_order_acquire)) return device;
  Opened& opened = TheDevice();
  std::lock_guard lock(opened.mutex);
  if (!opened.tried) {
    opened.tried = true;
    // A call each time would cost more than a replay.
    pthread_atfork(nullptr, nullptr, &NoteFork);
    forked_since = false;
    absl::StatusOr<std::unique_ptr<Device>> device = Open();
    if (device.ok()) {
      opened.device = device->release();
      usable.store(*opened.device, std::memory_order_release);
    } else {
      opened.device = device.status();
    }
  }
  if (forked_since) {
    return absl::FailedPreconditionError(
        "Cannot re-initialize hpu in a forked subprocess: the device was opened before the fork. "
        "Use the 'spawn' start method.");
  }
  return opened.device;
}

bool Device::IsOpen() {
  Opened& opened = TheDevice();
  std::lock_guard lock(opened.mutex);
  return opened.tried && opened.device.ok() && !forked_since;
}

// --- streams

absl::StatusOr<StreamIndex> Device::CreateStream() {
  StreamState state;
  ASSIGN_OR_RETURN(state.stream, context_->CreateStream());
  state.recorder = std::make_unique<graph::Recorder>(*engine_, *state.stream);
  streams_.push_back(std::move(state));
  return static_cast<StreamIndex>(streams_.size()) - 1;
}

absl::Status Device::SetCurrentStream(StreamIndex stream) {
  if (stream < 0 || static_cast<size_t>(stream) >= streams_.size()) {
    return absl::InvalidArgumentError("there is no hpu stream " + std::to_string(stream));
  }
  ThreadState& thread = *ThisThread();
  if (stream == thread.stream) return absl::OkStatus();
  const StreamIndex left = std::exchange(thread.stream, stream);
  RETURN_IF_ERROR(Flush(left));
  return left == 0 ? Order(left, stream) : absl::OkStatus();
}

// What `second` is given from now on starts after what `first` was given so far.
absl::Status Device::Order(StreamIndex first, StreamIndex second) {
  ASSIGN_OR_RETURN(const std::unique_ptr<runtime::Event> point,
                   runtime::Event::Create(*context_, /*timing=*/false));
  RETURN_IF_ERROR(stream(first).Record(*point));
  return stream(second).WaitFor(*point);
}

Capture* Device::capture_of(StreamIndex stream) {
  for (Capture* capture : ThisThread()->captures) {
    if (capture->recorders.count(stream) > 0) return capture;
  }
  return nullptr;
}

bool Device::InCapture() {
  // A thread sees its own captures begin and end.
  if (captures.load(std::memory_order_relaxed) == 0) return false;
  absl::StatusOr<Device*> device = Get();
  if (!device.ok()) return false;
  std::lock_guard lock((*device)->mutex());
  return (*device)->current_capture() != nullptr;
}

graph::Recorder& Device::recorder(StreamIndex stream) {
  if (Capture* capture = capture_of(stream)) return *capture->recorders.at(stream);
  return *streams_.at(static_cast<size_t>(stream)).recorder;
}

runtime::Stream& Device::stream(StreamIndex stream) {
  return *streams_.at(static_cast<size_t>(stream)).stream;
}

absl::Status Device::Flush(StreamIndex stream) {
  RETURN_IF_ERROR(streams_.at(static_cast<size_t>(stream)).recorder->Flush());
  Capture* capture = capture_of(stream);
  if (capture == nullptr) return absl::OkStatus();
  absl::Status status = capture->recorders.at(stream)->Flush();
  if (!status.ok()) DiscardCapture(*capture, status.message());
  return status;
}

absl::Status Device::FlushAll() {
  for (size_t i = 0; i < streams_.size(); ++i) RETURN_IF_ERROR(Flush(static_cast<StreamIndex>(i)));
  return absl::OkStatus();
}

absl::Status Device::Synchronize(StreamIndex stream) {
  RETURN_IF_ERROR(Flush(stream));
  RETURN_IF_ERROR(this->stream(stream).Synchronize());
  return TakeDeferredError();
}

absl::Status Device::SynchronizeAll() {
  RETURN_IF_ERROR(FlushAll());
  RETURN_IF_ERROR(context_->Synchronize());
  return TakeDeferredError();
}

// --- captures

absl::Status Device::BeginCapture(Capture& capture, bool dry_run) {
  const std::shared_ptr<ThreadState>& thread = ThisThread();
  if (capture.active || current_capture() != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        kFatal, "GRAPH:: graph Capture already in progress",
        capture.active ? ""
                       : " on this stream, to another HPUGraph: Expected m_captured_hpu_graph == "
                         "nullptr || hpu_graph == nullptr to be true, but got false."));
  }
  RETURN_IF_ERROR(Flush(thread->stream));
  auto recorder = std::make_unique<graph::Recorder>(*engine_, stream(thread->stream));
  RETURN_IF_ERROR(recorder->BeginCapture(&capture.graph, dry_run));
  capture.random.reset();
  capture.stream = thread->stream;
  capture.active = true;
  capture.dry_run = dry_run;
  capture.discarded.clear();
  capture.recorders[capture.stream] = std::move(recorder);
  capture.thread = thread;
  capture.token = std::make_shared<char>();
  thread->captures.push_back(&capture);
  captures.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

namespace {

void Close(Capture& capture) {
  std::vector<Capture*>& of_thread = capture.thread->captures;
  of_thread.erase(std::remove(of_thread.begin(), of_thread.end(), &capture), of_thread.end());
  captures.fetch_sub(1, std::memory_order_relaxed);
  capture.active = false;
  capture.recorders.clear();
  capture.thread.reset();
  capture.token.reset();
}

}  // namespace

absl::Status Device::EndCapture(Capture& capture) {
  if (capture.thread != ThisThread() || capture.stream != CurrentStream())
    return absl::FailedPreconditionError(
        absl::StrCat(kFatal, "GRAPH:: Capture must end on the same stream it began on."));
  const auto end = [&]() -> absl::Status {
    graph::Recorder& first = *capture.recorders.at(capture.stream);
    for (auto& [index, recorder] : capture.recorders) {
      if (index == capture.stream) continue;
      // Whoever waits for the stream of the capture waits for all of it.
      ASSIGN_OR_RETURN(std::unique_ptr<runtime::Event> made,
                       runtime::Event::Create(*context_, /*timing=*/false));
      const std::shared_ptr<runtime::Event> joined = std::move(made);
      RETURN_IF_ERROR(recorder->RecordEvent(joined));
      RETURN_IF_ERROR(first.WaitForEvent(joined));
      RETURN_IF_ERROR(recorder->EndCapture());
    }
    return first.EndCapture();
  };
  absl::Status status = end();
  if (!status.ok()) {
    DiscardCapture(capture, status.message());
    return status;
  }
  Close(capture);
  return absl::OkStatus();
}

void Device::DiscardCapture(Capture& capture, absl::string_view why) {
  if (!capture.active) return;
  for (auto& [index, recorder] : capture.recorders) recorder->AbandonCapture();
  for (auto& [index, recorder] : capture.recorders) {
    if (absl::Status status = recorder->Flush(); !status.ok() && deferred_.ok())
      deferred_ = std::move(status);
  }
  capture.graph.Reset();
  capture.random.reset();
  capture.discarded = std::string(why);
  Close(capture);
}

absl::Status Device::RecordEvent(StreamIndex stream, const std::shared_ptr<runtime::Event>& event,
                                 std::weak_ptr<char>* token) {
  RETURN_IF_ERROR(Flush(stream));
  Capture* capture = capture_of(stream);
  *token = capture == nullptr ? std::weak_ptr<char>() : capture->token;
  return recorder(stream).RecordEvent(event);
}

absl::Status Device::WaitForEvent(StreamIndex stream, const std::shared_ptr<runtime::Event>& event,
                                  const std::weak_ptr<char>& token) {
  RETURN_IF_ERROR(Flush(stream));  // what was given before does not wait
  const std::shared_ptr<char> owner = token.lock();
  if (owner != nullptr && capture_of(stream) == nullptr) {
    for (Capture* capture : ThisThread()->captures) {
      if (capture->token != owner) continue;
      auto joining = std::make_unique<graph::Recorder>(*engine_, this->stream(stream));
      RETURN_IF_ERROR(joining->JoinCapture(&capture->graph));
      capture->recorders[stream] = std::move(joining);
      break;
    }
  }
  return recorder(stream).WaitForEvent(event);
}

absl::Status Device::Replay(Capture& capture, absl::Span<const graph::Rebinding> rebindings,
                            bool asynchronous) {
  const StreamIndex current = CurrentStream();
  if (current_capture() != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        kFatal,
        "GRAPH:: Capture in progress on this stream: the replay of another HPUGraph cannot be "
        "recorded; call the captured code itself, or replay after capture_end"));
  }
  RETURN_IF_ERROR(Flush(capture.stream));
  if (current != capture.stream) {
    RETURN_IF_ERROR(Flush(current));
    RETURN_IF_ERROR(Order(current, capture.stream));
  }
  if (capture.random != nullptr) RETURN_IF_ERROR(capture.random->BeforeReplay());
  absl::Status status = capture.graph.Replay(rebindings);
  if (status.ok() && capture.random != nullptr) capture.random->AfterReplay();
  if (current != capture.stream) RETURN_IF_ERROR(Order(capture.stream, current));
  if (!status.ok() && asynchronous && absl::IsFailedPrecondition(status)) {
    if (deferred_.ok()) deferred_ = std::move(status);
    return absl::OkStatus();
  }
  return status;
}

absl::Status Device::TakeDeferredError() { return std::exchange(deferred_, absl::OkStatus()); }

}  // namespace openhpu::python
