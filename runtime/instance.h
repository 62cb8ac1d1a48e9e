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
struct LastLaunch;

class Instance {
 public:
  // Loads `program` for launches on `stream`, which outlives the instance; uploads images,
  // constants and commands. The program may be destroyed afterwards. Unimplemented names a kernel
  // guid that the device has no code for. The workspace lies in one arena a hardware stream.
  static absl::StatusOr<std::unique_ptr<Instance>> Load(Stream& stream, const Program& program);
  virtual ~Instance() = default;

  // bindings[i] is the address of binding i from the next launch on. Words that depend on an
  // address that changed are patched, behind what is running; nothing else is done.
  virtual absl::Status Bind(absl::Span<const DeviceAddress> bindings) = 0;
  // Bind, and Relaunch.
  virtual absl::Status Launch(absl::Span<const DeviceAddress> bindings) = 0;
  // With the bindings of the last Bind: the replay path.
  virtual absl::Status Relaunch() = 0;

  // Device memory of its own: commands, kernel images, constants.
  virtual uint64_t device_bytes() const = 0;

  // Counters for tests: launches, words patched after loading, and chunks of one launch.
  // For DeviceMemory::NoteAccess.
  virtual std::shared_ptr<const LastLaunch> last_launch() const = 0;
  virtual uint64_t launches() const = 0;
  virtual uint64_t patched_words() const = 0;
  virtual uint32_t chunks() const = 0;
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_INSTANCE_H_
