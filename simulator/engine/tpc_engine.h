// A TPC: runs boxes of kernels. EXECUTE latches one box behind the running one. The kernel is found
// by the image in the page before the kernel's address.
//
// A descriptor does not say how many tensors its kernel has: they are those written since the last
// EXECUTE (as many as before, if none were), less the last ones without address and dims: programs
// write whole descriptors, too. Gaudi2's descriptors are kept as Gaudi's: what only they have is
// refused by name.
#ifndef SIMULATOR_ENGINE_TPC_ENGINE_H_
#define SIMULATOR_ENGINE_TPC_ENGINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "hal/abi/gaudi/tpc.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/kernel_store.h"

namespace openhpu::simulator {

class TpcEngine final : public Engine {
 public:
  // `kernels` outlives it and may serve several.
  TpcEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
            KernelStore& kernels);

 private:
  struct Command {
    hal::abi::gaudi::TpcDescriptor descriptor;
    const char* refused = nullptr;  // what it asks for that is not modelled
    uint32_t tensors = 0;
    uint64_t signal_address = 0;
  };
  // All that follows from a command's descriptor; commands come again and again.
  struct Prepared {
    Command command;
    std::shared_ptr<const StoredKernel> kernel;
    BoundLaunch launch;
    hal::IndexBox box;
    std::vector<AccessBox> boxes;
    Fabric::Plan plan;
    Picoseconds latency, arithmetic;
    uint64_t steps = 0;
  };

  void Written(uint32_t offset, uint32_t words) override;
  void Capture() override;
  absl::Status Prepare(Work& work) override;
  absl::Status Execute() override;
  void Complete() override;
  void ResetCommands() override;

  bool Unused(uint32_t index) const;
  void CaptureGaudi2(Command& command) const;
  static uint64_t Hash(const Command& command);
  static bool Same(const Command& a, const Command& b);
  absl::Status Derive(const Command& command, Prepared& prepared);

  KernelStore& kernels_;
  const bool gaudi2_;
  uint32_t tensors_ = 0, tensors_written_ = 0;
  std::deque<Command> commands_;
  std::unordered_map<uint64_t, std::unique_ptr<Prepared>> cache_;  // by hash
  Prepared* front_ = nullptr;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_TPC_ENGINE_H_
