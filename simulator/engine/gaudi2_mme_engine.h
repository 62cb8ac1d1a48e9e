// An MME of Gaudi2: a master and a slave core behind one queue, up to four descriptors deep, each a
// copy of what stood in ARCH when CMD was written (functional/gaudi2_mme.h). All signals of a
// descriptor are sent at its end.
#ifndef SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
#define SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "hal/abi/gaudi2/mme.h"
#include "hal/chip.pb.h"
#include "simulator/engine/engine.h"
#include "simulator/engine/mme_traffic.h"
#include "simulator/functional/gaudi2_mme.h"

namespace openhpu::simulator {

class Gaudi2MmeEngine final : public Engine {
 public:
  Gaudi2MmeEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
                  const hal::Mme& chip);

 private:
  using Descriptor = hal::abi::gaudi2::MmeDescriptor;
  struct Command {
    Descriptor descriptor;
    uint32_t cmd = 0;
  };
  // All that follows from a descriptor; descriptors come again and again.
  struct Prepared {
    Descriptor descriptor;
    std::unique_ptr<const Gaudi2Mme> mme;
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
  // Bytes that both cores fetch: an operand as often as the loops walk it.
  absl::StatusOr<Traffic> OperandTraffic(const Gaudi2Mme& mme, const MmeBoxes& boxes) const;

  const uint64_t fp32_rate_permille_;
  std::deque<Command> commands_;
  DescriptorCache<Descriptor, Prepared> cache_;
  std::unique_ptr<Prepared> continuing_;  // of a command that continues a roll-up
  const Prepared* front_ = nullptr;       // of the front command, once it is prepared
  MmeState state_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_GAUDI2_MME_ENGINE_H_
