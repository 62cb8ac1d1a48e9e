// openhpu.random: a word is a function of its place, the draw and the key alone, so boxes and
// threads cannot change it.
#include <algorithm>
#include <array>
#include <cstring>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/multi_isa.h"
#include "simulator/functional/philox.h"

namespace openhpu::simulator {
namespace {

using hal::RandomParams;

constexpr uint32_t kWords = 4;  // that one counter gives
static_assert(hal::kVectorLanes % kWords == 0, "a box begins at a counter");

// Words [4 * first, 4 * first + n) of a draw.
OPENHPU_MULTI_ISA void Fill(uint64_t first, uint32_t draw, std::array<uint32_t, 2> key, size_t n,
                            uint32_t* out) {
  for (size_t i = 0; i < n / kWords; ++i) {
    const std::array<uint32_t, 4> words =
        Philox({static_cast<uint32_t>(first + i), draw, 0, 0}, key);
    for (uint32_t w = 0; w < kWords; ++w) out[i * kWords + w] = words[w];
  }
  if (n % kWords == 0) return;
  const size_t whole = n / kWords;
  const std::array<uint32_t, 4> words =
      Philox({static_cast<uint32_t>(first + whole), draw, 0, 0}, key);
  std::copy(words.begin(), words.begin() + n % kWords, out + whole * kWords);
}

class RandomKernel : public ContractKernel<RandomKernel> {
 public:
  static absl::StatusOr<RandomParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadRandom(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const RandomParams& params, hal::KernelTensors t) {
    return hal::RandomIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    return {TensorAccess(launch.tensors[0], launch.addresses[0], StateBox(launch), false),
            TensorAccess(launch.tensors[1], launch.addresses[1],
                         ToElements(box, launch.tensors[1].sizes), true)};
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    KernelCost cost;
    if (out.Count() == 0) return cost;
    const uint64_t vectors = BoxVectors(launch.tensors[1], out);
    cost.vector_accesses = vectors + BoxVectors(launch.tensors[0], StateBox(launch));
    // 64 lanes make four vectors: ten rounds of two wide products, four exclusive ors and two
    // additions, and two bundles a vector to interleave them.
    constexpr uint64_t kRoundBundles = 10, kRounds = 10;
    cost.bundles = (vectors + 3) / 4 * kRounds * kRoundBundles + 2 * vectors;
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const ElementBox out = ToElements(box, launch.tensors[1].sizes);
    if (out.Count() == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::byte* state, ResolveTensor(launch, 0, StateBox(launch), memory));
    ASSIGN_OR_RETURN(std::byte * base, ResolveTensor(launch, 1, out, memory));
    const auto word = [&](uint64_t i) {
      uint32_t v;
      std::memcpy(&v, state + 4 * i, sizeof v);
      return v;
    };
    const uint64_t draw = uint64_t{word(0)} + Params(launch).draw;
    const uint64_t key = draw / hal::kDrawsPerKey, keys = (launch.tensors[0].sizes[0] - 1) / 2;
    if (key >= keys) {
      return absl::OutOfRangeError(
          hal::Cat(hal::kRandomGuid, ": draw ", draw, " is beyond the last of ", keys, " keys"));
    }
    auto* words = reinterpret_cast<uint32_t*>(base);
    constexpr uint64_t kChunk = uint64_t{1} << 14;
    const uint64_t n = out.size[0];
    const auto chunks = static_cast<int64_t>((n + kChunk - 1) / kChunk);
#pragma omp parallel for schedule(static) if (n > kParallelElements)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const uint64_t begin = static_cast<uint64_t>(chunk) * kChunk;
      Fill((out.begin[0] + begin) / kWords, static_cast<uint32_t>(draw % hal::kDrawsPerKey),
           {word(1 + 2 * key), word(2 + 2 * key)}, std::min(kChunk, n - begin), words + begin);
    }
    return absl::OkStatus();
  }

 private:
  static ElementBox StateBox(const BoundLaunch& launch) {
    ElementBox box;
    box.size = launch.tensors[0].sizes;
    return box;
  }
};

}  // namespace

KernelOr MakeRandomKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<RandomKernel>(hal::kRandomGuid, payload);
}

}  // namespace openhpu::simulator
