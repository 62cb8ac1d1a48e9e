#include "simulator/functional/mme_fuzz.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "hal/abi/gaudi/mme.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_fuzz_memory.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeDescriptor;

constexpr int kMostDescriptors = 4;
constexpr uint64_t kMostVectors = 1024;

void RunOne(const MmeDescriptor& d, MmePath path, FuzzMemory& memory, MmeState& state,
            MmeFuzzed& done) {
  const absl::StatusOr<MmeWork> work = AnalyseMme(d);
  if (!work.ok()) {
    const absl::Status ran = RunMme(d, Arithmetic::kExact, path, memory, state);
    RequireOfMme(ran == work.status(), "runs though it was refused", work.status());
    RequireOfMme(MmeFootprint(d).status() == work.status(), "has a footprint", work.status());
    return;
  }
  ++done.analysed;
  if (work->steps > kMostVectors || work->common_dim > kMostVectors / work->steps) return;
  const absl::StatusOr<std::vector<AccessBox>> boxes = MmeFootprint(d, state.Continues());
  memory.first = UINT64_MAX;
  memory.last = 0;
  const absl::Status ran = RunMme(d, Arithmetic::kExact, path, memory, state);
  if (!boxes.ok()) {
    RequireOfMme(!ran.ok(), "runs without a footprint", boxes.status());
    return;
  }
  ++done.walked;
  if (!ran.ok()) return;
  ++done.ran;
  if (path == MmePath::kAuto) {
    RequireOfMme(WithinBoxes(memory, *boxes), "left its footprint", ran);
  }
}

}  // namespace

MmeFuzzed FuzzMme(const uint8_t* data, size_t size) {
  MmeFuzzed done;
  for (MmePath path : {MmePath::kAuto, MmePath::kGeneric}) {
    thread_local FuzzMemory memory;
    memory.Clear();
    MmeState state;
    size_t at = 0;
    for (int i = 0; i < kMostDescriptors && at < size; ++i) {
      MmeDescriptor d;
      const size_t bytes = std::min(sizeof d, size - at);
      std::memcpy(static_cast<void*>(&d), data + at, bytes);
      at += bytes;
      RunOne(d, path, memory, state, done);
    }
  }
  return done;
}

}  // namespace openhpu::simulator
