// DeviceNode: the device node of one simulated card, as Linux's habanalabs driver has it: ioctls,
// mappings of command buffers, attributes, registers by debugfs. Results are 0 (or a value) or a
// negative errno, as the kernel's are. Which files lead here, and the calls of the C library, are
// others' (files.h, preload/).
//
// The card lives in the process that opened its compute node; `directory` holds what processes
// share: whoever has the compute context holds a lock there that dies with the last descriptor, and
// describes the card in a status page that control nodes of other processes read.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_NODE_H_
#define SIMULATOR_DEVICE_NODE_NODE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"
#include "simulator/fault.h"

namespace openhpu::simulator {

enum class NodeKind : uint8_t { kCompute, kControl };
// Whose ioctl numbers a file answers: /dev/hl* of <misc/habanalabs.h>, /dev/accel/accel*.
enum class NodeApi : uint8_t { kMisc, kAccel };

class DeviceNode {
 public:
  struct Options {
    std::string card = "sim:gaudi";  // any spec of simulator/driver.h whose chip has a node
    std::string directory;           // exists
    // What is to go wrong, in the words of simulator/fault.h, separated by spaces. Times count from
    // when a process first opens the compute node, in host time.
    std::string faults;
    // Receives the lines of the kernel's log; may be empty.
    std::function<void(std::string_view line)> log;
    // What happens without calls: host time passes (in real seconds) when no thread has called for
    // a second and work is pending, so that programs that sleep, or look at memory, go on. Off in
    // tests, for their determinism.
    bool passes_time = false;
  };
  // One open file description.
  class File;

  // Fails as simulator::Simulator::Open does, and for a chip that has no node.
  static absl::StatusOr<std::unique_ptr<DeviceNode>> Create(const Options& options);
  virtual ~DeviceNode() = default;

  // Makes `fd`, just opened on a file of `directory` and the only descriptor of its description, an
  // open file of the node. The compute node takes the context by a lock on `fd`: -EBUSY when
  // another has it. `fd` stays the caller's.
  virtual int Open(NodeKind kind, NodeApi api, int fd, std::shared_ptr<File>* file) = 0;
  // A program closed the last descriptor that this process has of the file. The context ends,
  // unless another process still holds a descriptor that it inherited.
  virtual void Release(const std::shared_ptr<File>& file) = 0;

  // Reads and writes the argument in place, as much as the request's size says.
  virtual int Ioctl(File& file, unsigned long request, void* argument) = 0;

  // What mmap of the file at `offset` maps: `offset` of a descriptor that stays the node's.
  struct Mapping {
    int fd = -1;
    off_t offset = 0;
  };
  virtual int Map(File& file, uint64_t offset, uint64_t bytes, Mapping* mapping) = 0;

  // The text of an attribute of sysfs ("device_type", "status"); -ENOENT: there is none.
  virtual int ReadAttribute(std::string_view name, std::string* text) = 0;
  virtual int WriteAttribute(std::string_view name, std::string_view text) = 0;
  // A word of `bytes` 4 or 8 at a device address, as debugfs reads and writes it. -EPERM without
  // something there.
  virtual int ReadWord(uint64_t address, int bytes, uint64_t* value) = 0;
  virtual int WriteWord(uint64_t address, int bytes, uint64_t value) = 0;

  // Orders what is to go wrong, as Simulator::Inject does: for tests in this process.
  // FailedPrecondition until the compute node is open here.
  virtual absl::Status Inject(const InjectedFault&) {
    return absl::FailedPreconditionError("there is no card behind the node yet");
  }
  // Host time, as INFO/TIME_SYNC tells it in nanoseconds; zero until then.
  virtual Picoseconds host_time() { return Picoseconds(0); }

  // 0x1000 and "GAUDI".
  virtual uint32_t pci_device_id() const = 0;
  virtual std::string_view device_type() const = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_H_
