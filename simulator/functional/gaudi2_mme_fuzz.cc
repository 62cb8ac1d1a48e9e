#include "simulator/functional/gaudi2_mme_fuzz.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "hal/abi/gaudi2/mme.h"
#include "simulator/functional/gaudi2_mme.h"
#include "simulator/functional/mme_fuzz_memory.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi2::MmeDescriptor;

constexpr int kMostDescriptors = 4;
constexpr uint64_t kMostVectors = 64;

// Whether the descriptor left all that it writes behind.
bool RunOne(const MmeDescriptor& d, MmePath path, FuzzMemory& memory, MmeState& state,
            MmeFuzzed& done) {
  const absl::StatusOr<std::unique_ptr<const Gaudi2Mme>> read = Gaudi2Mme::Read(d);
  if (!read.ok()) return false;
  const Gaudi2Mme& m = **read;
  ++done.analysed;
  if (m.steps() > kMostVectors || m.common_dim() > kMostVectors / m.steps()) return false;
  const absl::StatusOr<MmeBoxes> boxes = m.Footprint(state.Continues());
  memory.first = UINT64_MAX;
  memory.last = 0;
  const absl::Status ran = m.Run(Arithmetic::kExact, path, memory, state);
  if (!boxes.ok()) {
    RequireOfMme(!ran.ok(), "runs without a footprint", boxes.status());
    return false;
  }
  ++done.walked;
  if (!ran.ok()) return false;
  ++done.ran;
  if (path == MmePath::kAuto || !m.dense()) {
    RequireOfMme(WithinBoxes(memory, boxes->All()), "left its footprint", ran);
  }
  return true;
}

}  // namespace

MmeFuzzed FuzzGaudi2Mme(const uint8_t* data, size_t size) {
  MmeFuzzed done;
  thread_local FuzzMemory memories[2];
  bool both = true;
  for (int way = 0; way < 2; ++way) {
    FuzzMemory& memory = memories[way];
    memory.Clear();
    MmeState state;
    size_t at = 0;
    for (int i = 0; i < kMostDescriptors && at < size; ++i) {
      MmeDescriptor d;
      const size_t bytes = std::min(sizeof d, size - at);
      std::memcpy(static_cast<void*>(&d), data + at, bytes);
      at += bytes;
      both = RunOne(d, way == 0 ? MmePath::kAuto : MmePath::kGeneric, memory, state, done) && both;
    }
  }
  // A dense form needs less: the loop nest may meet what it has not.
  if (both) {
    RequireOfMme(memories[0].bytes() == memories[1].bytes(), "the ways differ", absl::OkStatus());
  }
  return done;
}

}  // namespace openhpu::simulator
