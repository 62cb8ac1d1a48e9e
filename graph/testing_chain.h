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

inline constexpr int64_t kChainElements = 32;

inline CompileOptions ChainOptions() {
  CompileOptions options;
  options.fuse = false;
  return options;
}

inline TensorRef ChainTensor(Engine& engine) {
  return {engine.NewStorage(4 * kChainElements), DType::kFloat32, {kChainElements}, {1}, 0};
}

// Captures out = x + 1 + 2 + ... + nodes; runs it once.
inline absl::Status CaptureChain(Engine& engine, Recorder& recorder, int64_t nodes,
                                 const TensorRef& x, const TensorRef& out, CapturedGraph* graph) {
  RETURN_IF_ERROR(recorder.BeginCapture(graph));
  TensorRef last = x;
  for (int64_t i = 1; i <= nodes; ++i) {
    TensorRef next = i == nodes ? out : ChainTensor(engine);
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
