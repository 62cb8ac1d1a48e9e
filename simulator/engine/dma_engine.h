// A DMA engine: linear and strided copies of up to five dims, memset, transpose.
#ifndef SIMULATOR_ENGINE_DMA_ENGINE_H_
#define SIMULATOR_ENGINE_DMA_ENGINE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "simulator/engine/dma_transfer.h"
#include "simulator/engine/engine.h"

namespace openhpu::simulator {

class DmaEngine final : public Engine {
 public:
  DmaEngine(sc_core::sc_module_name name, Environment& environment, const Config& config,
            uint64_t bytes_per_cycle, uint64_t transpose_bytes_per_cycle);

 private:
  void Capture() override;
  absl::Status Prepare(Work& work) override;
  absl::Status Execute() override;
  void Complete() override;
  void ResetCommands() override;
  std::string Detail() const override;

  const uint64_t bytes_per_cycle_, transpose_bytes_per_cycle_;
  std::deque<DmaTransfer> commands_;
  std::vector<AccessBox> boxes_;  // of the front command
  Fabric::Plan plan_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_DMA_ENGINE_H_
