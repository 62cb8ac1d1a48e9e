#include "python/native/device.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "hal/base/status_macros.h"

namespace openhpu::python {
namespace {

thread_local StreamIndex current_stream = 0;

struct Opened {
  std::mutex mutex;
  absl::StatusOr<Device*> device = absl::UnknownError("");
  bool tried = false;
  pid_t process = 0;
};

Opened& TheDevice() {
  static auto* const opened = new Opened;
  return *opened;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open() {
  const char* spec = std::getenv("OPENHPU_DEVICE");
  ASSIGN_OR_RETURN(Backend backend, OpenBackend(spec == nullptr ? "" : spec));
  auto device = std::unique_ptr<Device>(new Device);
  device->simulator_ = backend.simulator;
  ASSIGN_OR_RETURN(device->context_, runtime::Context::Create(std::move(backend.driver)));
  device->engine_ = std::make_unique<graph::Engine>(*device->context_);
  RETURN_IF_ERROR(device->CreateStream().status());
  return device;
}

absl::StatusOr<Device*> Device::Get() {
  Opened& opened = TheDevice();
  std::lock_guard lock(opened.mutex);
  if (!opened.tried) {
    opened.tried = true;
    opened.process = getpid();
    absl::StatusOr<std::unique_ptr<Device>> device = Open();
    if (device.ok()) {
      opened.device = device->release();
    } else {
      opened.device = device.status();
    }
  }
  if (opened.process != getpid()) {
    return absl::FailedPreconditionError(
        "Cannot re-initialize hpu in a forked subprocess: the device was opened before the fork. "
        "Use the 'spawn' start method.");
  }
  return opened.device;
}

bool Device::IsOpen() {
  Opened& opened = TheDevice();
  std::lock_guard lock(opened.mutex);
  return opened.tried && opened.device.ok() && opened.process == getpid();
}

absl::StatusOr<StreamIndex> Device::CreateStream() {
  StreamState state;
  ASSIGN_OR_RETURN(state.stream, context_->CreateStream());
  state.recorder = std::make_unique<graph::Recorder>(*engine_, *state.stream);
  streams_.push_back(std::move(state));
  return static_cast<StreamIndex>(streams_.size()) - 1;
}

StreamIndex Device::CurrentStream() { return current_stream; }

absl::Status Device::SetCurrentStream(StreamIndex stream) {
  if (stream < 0 || static_cast<size_t>(stream) >= streams_.size()) {
    return absl::InvalidArgumentError("there is no hpu stream " + std::to_string(stream));
  }
  if (stream == current_stream) return absl::OkStatus();
  const StreamIndex left = std::exchange(current_stream, stream);
  RETURN_IF_ERROR(recorder(left).Flush());
  if (left != 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<runtime::Event> point,
                   runtime::Event::Create(*context_, /*timing=*/false));
  RETURN_IF_ERROR(this->stream(left).Record(*point));
  return this->stream(stream).WaitFor(*point);
}

graph::Recorder& Device::recorder(StreamIndex stream) {
  return *streams_.at(static_cast<size_t>(stream)).recorder;
}

runtime::Stream& Device::stream(StreamIndex stream) {
  return *streams_.at(static_cast<size_t>(stream)).stream;
}

absl::Status Device::FlushAll() {
  for (StreamState& state : streams_) RETURN_IF_ERROR(state.recorder->Flush());
  return absl::OkStatus();
}

absl::Status Device::SynchronizeAll() {
  RETURN_IF_ERROR(FlushAll());
  return context_->Synchronize();
}

absl::Status Device::BeginCapture(Capture& capture) {
  StreamState& state = streams_[static_cast<size_t>(current_stream)];
  if (capture.active || state.capture != nullptr)
    return absl::FailedPreconditionError("GRAPH:: graph Capture already in progress");
  RETURN_IF_ERROR(state.recorder->Flush());
  RETURN_IF_ERROR(state.recorder->BeginCapture(&capture.graph));
  capture.stream = current_stream;
  capture.active = true;
  capture.discarded.clear();
  state.capture = &capture;
  return absl::OkStatus();
}

absl::Status Device::EndCapture(Capture& capture) {
  if (capture.stream != current_stream)
    return absl::FailedPreconditionError(
        "GRAPH:: Capture must end on the same stream it began on.");
  StreamState& state = streams_[static_cast<size_t>(capture.stream)];
  if (absl::Status status = state.recorder->EndCapture(); !status.ok()) {
    DiscardCapture(capture.stream, std::string(status.message()));
    return status;
  }
  capture.active = false;
  state.capture = nullptr;
  return absl::OkStatus();
}

void Device::DiscardCapture(StreamIndex stream, std::string_view why) {
  StreamState& state = streams_[static_cast<size_t>(stream)];
  if (state.capture == nullptr) return;
  state.recorder->AbandonCapture();
  state.capture->graph.Reset();
  state.capture->active = false;
  state.capture->discarded = std::string(why);
  state.capture = nullptr;
}

}  // namespace openhpu::python
