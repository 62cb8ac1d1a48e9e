// Chains of distinct nodes that nothing fuses: x + 1, + 2, ... : each a kernel image of its own.
// For the replay benchmark, and for the test that a card runs all of it.
#ifndef GRAPH_TESTING_CHAIN_H_
#define GRAPH_TESTING_CHAIN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "graph/recorder.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {

inline CompileOptions ChainOptions() {
  CompileOptions options;
  options.fuse = false;
  return options;
}

inline TensorRef ChainTensor(Engine& engine, int64_t elements) {
  return {
      engine.NewStorage(4 * static_cast<uint64_t>(elements)), DType::kFloat32, {elements}, {1}, 0};
}

// Captures out = x + 1 + 2 + ... + nodes, for dense x and out of one size; runs it once.
inline absl::Status CaptureChain(Engine& engine, Recorder& recorder, int64_t nodes,
                                 const TensorRef& x, const TensorRef& out, CapturedGraph* graph) {
  RETURN_IF_ERROR(recorder.BeginCapture(graph));
  TensorRef last = x;
  for (int64_t i = 1; i <= nodes; ++i) {
    TensorRef next = i == nodes ? out : ChainTensor(engine, x.sizes[0]);
    RETURN_IF_ERROR(
        recorder.Record("add", {{"other", static_cast<double>(i)}}, {last}, {next}, "chain"));
    last = std::move(next);
  }
  last.storage = nullptr;  // nobody but the segment holds what lies between
  return recorder.EndCapture();
}

// What it computes.
inline float ChainValue(float x, int64_t nodes) {
  for (int64_t i = 1; i <= nodes; ++i) x += static_cast<float>(i);
  return x;
}

}  // namespace openhpu::graph

#endif  // GRAPH_TESTING_CHAIN_H_
