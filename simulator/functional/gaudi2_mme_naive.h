// For tests: Gaudi2's MME as its reference describes it (mme_descriptor.md, sections 2, 3, 6 and
// 7), one element at a time, straight from the registers. Shares no code with the model: what both
// get wrong, they get wrong independently. Slow. Denormal numbers are not flushed: give it none.
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_NAIVE_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_NAIVE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace openhpu::simulator {

class NaiveGaudi2Mme {
 public:
  // Host memory of `bytes` at a device address; null where there is none.
  using Memory = std::function<std::byte*(uint64_t address, uint64_t bytes)>;

  explicit NaiveGaudi2Mme(Memory memory) : memory_(std::move(memory)) {}

  // Runs the descriptor of 0xB6 registers. Empty, or why no hardware can run it, or kTooLarge.
  static constexpr char kTooLarge[] = "too large for a naive walk";
  std::string Run(const uint32_t* registers);

  // Writes to sync objects by the last descriptor: address and value, in no order.
  const std::vector<std::pair<uint32_t, uint32_t>>& signals() const { return signals_; }
  // In half accumulators.
  uint32_t index(int core) const { return cores_[core].index; }

 private:
  struct Unit;
  struct Descriptor;
  struct Point {
    bool exists;
    uint64_t address;
  };
  using Line = std::vector<Point>;
  using Vectors = std::vector<std::vector<float>>;  // [k][64]
  struct Core {
    std::array<std::vector<float>, 4> accumulators;
    std::vector<float> running;  // what noRollup keeps
    bool kept = false;
    uint32_t index = 0;
  };

  std::vector<Line> Gemm(Unit& unit);
  std::vector<Vectors> Groups(const Descriptor& d, Unit unit);
  void RollUp(const Descriptor& d, Core& core, std::array<Unit, 2>& outputs,
              const std::vector<const Vectors*>& a, const std::vector<const Vectors*>& b,
              bool master);
  void Store(const Descriptor& d, const Point& point, float value);

  Memory memory_;
  std::array<Core, 2> cores_;
  std::vector<std::pair<uint32_t, uint32_t>> signals_;
  std::string fault_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_NAIVE_H_
