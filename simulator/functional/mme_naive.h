// For tests: the MME as its reference describes it (mme_descriptor.md, sections 1 to 6), one
// element at a time, straight from the registers. Shares no code with the model: what both get
// wrong, they get wrong independently. Slow. Denormal numbers are not flushed: give it none.
#ifndef SIMULATOR_FUNCTIONAL_MME_NAIVE_H_
#define SIMULATOR_FUNCTIONAL_MME_NAIVE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace openhpu::simulator {

// What survives a descriptor, of one array.
struct NaiveArray {
  std::array<std::vector<float>, 16> accumulators;
  std::vector<std::array<float, 4>> chains;  // of the sum that accStoreIncDisable keeps
  uint64_t vectors = 0;                      // in them
  uint32_t index = 0;
  std::array<uint32_t, 32> lfsr;  // a lane each
};

class NaiveMme {
 public:
  // Host memory of `bytes` at a device address; null where there is none.
  using Memory = std::function<std::byte*(uint64_t address, uint64_t bytes)>;

  explicit NaiveMme(Memory memory);

  // Runs the descriptor of 0x88 registers. Empty, or why no hardware can run it, or kTooLarge.
  static constexpr char kTooLarge[] = "too large for a naive walk";
  std::string Run(const uint32_t* registers);

  // SOB writes of each array by the last descriptor.
  uint64_t signals() const { return signals_; }
  const NaiveArray& array(int i) const { return arrays_[i]; }
  NaiveArray& array(int i) { return arrays_[i]; }

 private:
  struct Unit;
  struct Descriptor;
  struct Point {
    bool exists;
    uint64_t address;
  };
  using Line = std::vector<Point>;
  using Vectors = std::vector<std::vector<float>>;  // [k][m]

  std::vector<Line> Gemm(const Descriptor& d, Unit& unit);
  std::vector<Vectors> Groups(const Descriptor& d, Unit& unit);
  void RollUp(const Descriptor& d, Unit& output, NaiveArray& array, const Vectors& s,
              const Vectors& l);
  void Store(const Descriptor& d, const Point& point, float value, uint32_t random);
  float Load(uint64_t address, bool f32);

  Memory memory_;
  std::array<NaiveArray, 2> arrays_;
  uint64_t signals_ = 0;
  std::string fault_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_MME_NAIVE_H_
