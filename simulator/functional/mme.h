// What the Gaudi MME computes from its architectural descriptor (reference: mme_descriptor.md). No
// time here.
//
// Two ways, tested against each other: the generic loop nest, which takes any descriptor, and dense
// calls for the canonical forms (GEMM, batched GEMM, forward convolution, memset). Two arithmetics:
// exact (four interleaved FMA chains, k mod 4, then a fixed tree: equal bits on every machine with
// FMA) and fast (oneDNN; for dense forms that round to nearest).
#ifndef SIMULATOR_FUNCTIONAL_MME_H_
#define SIMULATOR_FUNCTIONAL_MME_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/abi/gaudi/mme.h"
#include "simulator/functional/access.h"
#include "simulator/functional/gemm_cache.h"
#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

enum class Arithmetic : uint8_t { kExact, kFast };

// What the timing model needs to know of a descriptor; from its loop counts alone.
struct MmeWork {
  uint64_t steps = 0;       // rollups: tiles produced (one array's)
  uint64_t common_dim = 0;  // k-vectors a step
  bool fp32_in = false;
  uint32_t out_bytes = 4;  // an element
  uint64_t signals = 0;    // SOB writes of each array
};

// What outlives a descriptor: the ring of accumulators, zero after reset, and the generators of
// stochastic rounding. One a pair, owned by the engine.
struct MmeState {
  struct Array {
    std::vector<float> accumulators;  // 16 tiles of m x m, allocated on first use
    std::vector<float> running;       // what accStoreIncDisable retains: four chains of m x m
    uint64_t running_vectors = 0;     // k-vectors in them
    uint32_t index = 0;
    RoundingGenerators generators;
  };
  std::array<Array, 2> arrays;  // local, remote

  MmeState() { arrays[1].generators = RoundingGenerators(1); }
  // A roll-up goes on: the next descriptor continues it, and is walked whatever its form.
  bool Continues() const { return arrays[0].running_vectors + arrays[1].running_vectors != 0; }
  // Weights as the fast arithmetic wants them, of the one AddressSpace that this state is used
  // with; made on first use. Pairs may share one.
  std::shared_ptr<WeightsCache> weights;
};

// InvalidArgument names the field when the descriptor cannot be run (two live loops share a dim, k
// counts differ, more than 16 partial tiles ...), or would take a card longer than its driver
// waits. Any words are taken, in bounded time and memory; nothing outside of the AddressSpace is
// touched.
absl::StatusOr<MmeWork> AnalyseMme(const hal::abi::gaudi::MmeDescriptor& descriptor);
// Reads (S, L) and writes (O) of both arrays, clipped to the valid elements; what a canonical form
// reads only for tiles that it does not write is left out, unless it continues a roll-up
// (MmeState::Continues), to which that counts.
absl::StatusOr<std::vector<AccessBox>> MmeFootprint(
    const hal::abi::gaudi::MmeDescriptor& descriptor, bool continues = false);

enum class MmePath : uint8_t {
  kAuto,
  kGeneric
};  // kGeneric: the loop nest even for canonical forms (for tests)
absl::Status RunMme(const hal::abi::gaudi::MmeDescriptor& descriptor, Arithmetic arithmetic,
                    MmePath path, AddressSpace& memory, MmeState& state);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_H_
