// An MME of Gaudi2: a master and a slave core behind one queue. Its queue works; descriptors are
// not modelled: a launch is refused by name.
#ifndef SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
#define SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_

#include "hal/chip.pb.h"
#include "simulator/engine/engine.h"

namespace openhpu::simulator {

class Gaudi2MmeEngine final : public Engine {
 public:
  Gaudi2MmeEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
                  const hal::Mme& /*chip*/)
      : Engine(name, environment, config) {}

 private:
  void Capture() override {}
  absl::Status Prepare(Work& /*work*/) override {
    return absl::UnimplementedError("MME descriptors of Gaudi2 are not modelled");
  }
  absl::Status Execute() override { return absl::OkStatus(); }
  void Complete() override {}
  void ResetCommands() override {}
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
