// Instance: a loaded program. Program + bindings + command memory + a bank of sync objects of its
// stream, which it leaves at zero.
//
// In flight at most once: a second launch chains behind the first in the stream's order. A launch
// with unchanged bindings is one Submit: no word patched, nothing allocated, no lock of the
// runtime's own.
#ifndef RUNTIME_INSTANCE_H_
#define RUNTIME_INSTANCE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/base/strong_int.h"
#include "runtime/program.h"

namespace openhpu::runtime {

class Stream;

class Instance {
 public:
  // Loads `program` for launches on `stream`, which outlives the instance; uploads images,
  // constants and commands. The program may be destroyed afterwards. Unimplemented names a kernel
  // guid that the device has no code for. The workspace lies in one arena a hardware stream.
  static absl::StatusOr<std::unique_ptr<Instance>> Load(Stream& stream, const Program& program);
  virtual ~Instance() = default;

  // Launches with bindings[i] as the address of binding i. Addresses that differ from the last
  // launch's are patched first (waits until the instance is idle).
  virtual absl::Status Launch(absl::Span<const DeviceAddress> bindings) = 0;
  // Again with the bindings of the last launch: the replay path.
  virtual absl::Status Relaunch() = 0;

  // Counters for tests: launches, words patched after loading, and chunks of one launch.
  virtual uint64_t launches() const = 0;
  virtual uint64_t patched_words() const = 0;
  virtual uint32_t chunks() const = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_INSTANCE_H_
