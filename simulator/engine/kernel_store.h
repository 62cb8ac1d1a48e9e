// The kernels of a machine by the address of their code: reads the image in front of the code,
// checks it once, and again when its memory may have been written.
#ifndef SIMULATOR_ENGINE_KERNEL_STORE_H_
#define SIMULATOR_ENGINE_KERNEL_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "simulator/engine/environment.h"
#include "simulator/functional/kernel.h"

namespace openhpu::simulator {

struct StoredKernel {
  std::string guid;
  std::unique_ptr<const Kernel> kernel;
};

class KernelStore {
 public:
  // `chip`: Chip.name, which images may ask for.
  KernelStore(Environment& environment, std::string chip)
      : environment_(environment), chip_(std::move(chip)) {}

  // InvalidArgument when there is no valid image, NotFound for an unknown guid, OutOfRange where
  // there is no memory.
  absl::StatusOr<std::shared_ptr<const StoredKernel>> Find(DeviceAddress code);
  void Clear() { entries_.clear(); }

 private:
  struct Entry {
    uint64_t version = 0, code_bytes = 0;
    std::shared_ptr<const StoredKernel> kernel;
  };
  uint64_t VersionOf(DeviceAddress code, uint64_t code_bytes) const;

  Environment& environment_;
  const std::string chip_;
  std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_KERNEL_STORE_H_
