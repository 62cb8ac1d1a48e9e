// An MME of Gaudi2: a master and a slave core behind one queue, up to four descriptors deep, each a
// copy of what stood in ARCH when CMD was written. Products run (functional/gaudi2_mme.h); what
// else a descriptor may say is refused by name.
#ifndef SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
#define SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "hal/abi/gaudi2/mme.h"
#include "hal/chip.pb.h"
#include "simulator/engine/engine.h"
#include "simulator/functional/gaudi2_mme.h"

namespace openhpu::simulator {

class Gaudi2MmeEngine final : public Engine {
 public:
  Gaudi2MmeEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
                  const hal::Mme& chip);

 private:
  struct Command {
    hal::abi::gaudi2::MmeDescriptor descriptor;
    uint32_t cmd = 0;
  };

  void Capture() override;
  absl::Status Prepare(Work& work) override;
  absl::Status Execute() override;
  void Complete() override;
  void ResetCommands() override;
  std::string Detail() const override;

  // Bytes that both cores fetch: an operand as often as the loops walk it.
  absl::StatusOr<Traffic> OperandTraffic() const;

  const uint64_t fp32_rate_permille_;
  std::deque<Command> commands_;
  Gaudi2Product front_;  // of the front command, once it is prepared
  std::vector<AccessBox> boxes_;
  Fabric::Plan plan_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
