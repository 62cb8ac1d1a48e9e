// A pair of MME arrays behind one queue: runs descriptors, up to four deep, each from a copy that a
// shadow slot shows until the next one takes the slot. All signals of a descriptor are sent at its
// end.
#ifndef SIMULATOR_ENGINE_MME_ENGINE_H_
#define SIMULATOR_ENGINE_MME_ENGINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "hal/abi/gaudi/mme.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/mme_traffic.h"
#include "simulator/functional/mme.h"

namespace openhpu::simulator {

class MmeEngine final : public Engine {
 public:
  MmeEngine(sc_core::sc_module_name name, Environment& environment, const Config& config);

 private:
  using Descriptor = hal::abi::gaudi::MmeDescriptor;
  // All that follows from a descriptor; descriptors come again and again.
  struct Prepared {
    Descriptor descriptor;
    MmeWork work;
    std::vector<AccessBox> boxes;
    Fabric::Plan plan;
    Picoseconds latency, arithmetic;
  };

  void Capture() override;
  absl::Status Prepare(Work& work) override;
  absl::Status Execute() override;
  void Complete() override;
  void ResetCommands() override;
  std::string Detail() const override;

  absl::Status Derive(const Descriptor& descriptor, Prepared& prepared) const;
  absl::StatusOr<Traffic> OperandTraffic(const Prepared& prepared) const;

  std::deque<Descriptor> commands_;
  int newest_ = hal::abi::gaudi::kMmeShadows - 1;  // the shadow slot of the last command
  DescriptorCache<Descriptor, Prepared> cache_;
  std::unique_ptr<Prepared> continuing_;  // of a command that continues a roll-up
  Prepared* front_ = nullptr;
  MmeState state_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_MME_ENGINE_H_
