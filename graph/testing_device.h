// A device with a context, an engine, a stream and a recorder, for tests.
#ifndef GRAPH_TESTING_DEVICE_H_
#define GRAPH_TESTING_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "graph/recorder.h"
#include "hal/base/status_macros.h"
#include "runtime/context.h"
#include "runtime/stream.h"
#include "simulator/driver.h"

namespace openhpu::graph {

// A card of each dialect.
inline constexpr const char* kExactDevices[] = {"sim:tiny,arithmetic=exact,hazards=on",
                                                "sim:gaudi2,arithmetic=exact,hazards=on"};

// Members are destroyed from the last to the first.
struct TestDevice {
  simulator::Simulator* card = nullptr;  // owned by the context
  std::unique_ptr<runtime::Context> context;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<runtime::Stream> stream;
  std::unique_ptr<Recorder> recorder;

  static absl::StatusOr<TestDevice> Open(std::string_view spec = kExactDevices[0],
                                         CompileOptions options = {}) {
    TestDevice device;
    ASSIGN_OR_RETURN(std::unique_ptr<simulator::Simulator> card, simulator::Simulator::Open(spec));
    device.card = card.get();
    ASSIGN_OR_RETURN(device.context, runtime::Context::Create(std::move(card)));
    device.engine = std::make_unique<Engine>(*device.context, options);
    ASSIGN_OR_RETURN(device.stream, device.context->CreateStream());
    device.recorder = std::make_unique<Recorder>(*device.engine, *device.stream);
    return device;
  }

  // A dense tensor on a storage of its own, without contents.
  TensorRef Empty(DType dtype, const Dims& sizes) {
    uint64_t elements = 1;
    for (const int64_t size : sizes) elements *= static_cast<uint64_t>(size);
    TensorRef tensor;
    tensor.storage = engine->NewStorage(elements * static_cast<uint64_t>(StorageBytes(dtype)));
    tensor.dtype = dtype;
    tensor.sizes = sizes;
    tensor.strides = ContiguousStrides(sizes);
    return tensor;
  }

  absl::StatusOr<TensorRef> FromHost(const std::vector<float>& values, const Dims& sizes) {
    TensorRef tensor = Empty(DType::kFloat32, sizes);
    RETURN_IF_ERROR(recorder->CopyFromHost(values.data(), 4 * values.size(), *tensor.storage, 0));
    return tensor;
  }

  // All floats of a storage.
  absl::StatusOr<std::vector<float>> ToHost(const TensorRef& tensor) {
    std::vector<float> values(tensor.storage->bytes() / 4);
    RETURN_IF_ERROR(recorder->CopyToHost(*tensor.storage, 0, 4 * values.size(), values.data()));
    return values;
  }
};

}  // namespace openhpu::graph

#endif  // GRAPH_TESTING_DEVICE_H_
