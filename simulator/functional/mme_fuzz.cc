#include "simulator/functional/mme_fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "hal/abi/gaudi/mme.h"
#include "simulator/functional/mme.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeDescriptor;

constexpr int kMostDescriptors = 4;
constexpr uint64_t kMostVectors = 1024;

class Memory final : public AddressSpace {
 public:
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    const uint64_t offset = address.value() - kMmeFuzzBase;
    if (offset > kMmeFuzzBytes || bytes > kMmeFuzzBytes - offset) {
      return absl::OutOfRangeError("outside of the fuzzer's memory");
    }
    first = std::min(first, address.value());
    last = std::max(last, address.value() + bytes);
    dirty_ = std::max(dirty_, offset + bytes);
    return bytes_.data() + offset;
  }
  uint64_t PageVersion(DeviceAddress) const override { return 0; }

  // Zeros again: a fuzzer has no time to map it anew.
  void Clear() {
    std::fill_n(bytes_.begin(), dirty_, std::byte{0});
    dirty_ = 0;
  }

  uint64_t first = UINT64_MAX, last = 0;  // resolved

 private:
  uint64_t dirty_ = 0;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kMmeFuzzBytes);
};

void Require(bool holds, const char* what, const absl::Status& status) {
  if (holds) return;
  std::fprintf(stderr, "MME: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

void RunOne(const MmeDescriptor& d, MmePath path, Memory& memory, MmeState& state,
            MmeFuzzed& done) {
  const absl::StatusOr<MmeWork> work = AnalyseMme(d);
  if (!work.ok()) {
    const absl::Status ran = RunMme(d, Arithmetic::kExact, path, memory, state);
    Require(ran == work.status(), "runs though it was refused", work.status());
    Require(MmeFootprint(d).status() == work.status(), "has a footprint", work.status());
    return;
  }
  ++done.analysed;
  if (work->steps > kMostVectors || work->common_dim > kMostVectors / work->steps) return;
  const absl::StatusOr<std::vector<AccessBox>> boxes = MmeFootprint(d);
  memory.first = UINT64_MAX;
  memory.last = 0;
  const absl::Status ran = RunMme(d, Arithmetic::kExact, path, memory, state);
  if (!boxes.ok()) {
    Require(!ran.ok(), "runs without a footprint", boxes.status());
    return;
  }
  ++done.walked;
  if (!ran.ok()) return;
  ++done.ran;
  uint64_t first = UINT64_MAX, last = 0;
  for (const AccessBox& box : *boxes) {
    first = std::min(first, Begin(box).value());
    last = std::max(last, End(box).value());
  }
  if (path == MmePath::kAuto) {
    Require(memory.first >= first && memory.last <= last, "left its footprint", ran);
  }
}

}  // namespace

MmeFuzzed FuzzMme(const uint8_t* data, size_t size) {
  MmeFuzzed done;
  for (MmePath path : {MmePath::kAuto, MmePath::kGeneric}) {
    thread_local Memory memory;
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
