// The innermost loops of the exact product: a register tile of one FMA chain. Every variant gives
// the same bits.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_KERNELS_H_
#define SIMULATOR_FUNCTIONAL_GEMM_KERNELS_H_

#include <cstdint>
#include <vector>

#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

// sums[r][c] = fma(a[k][r], b[k][c], sums[r][c]) for k = 0 .. count - 1, in that order; a is
// [count][rows], b [count][columns], sums [rows][columns]. Denormal operands and results are
// flushed to signed zeros if the calling thread holds a FlushDenormals.
struct ChainKernel {
  const char* name;
  int rows;
  int columns;
  void (*run)(int64_t count, const float* a, const float* b, float* sums);
};

inline constexpr int kMaxKernelRows = 8;
inline constexpr int kMaxKernelColumns = 48;

// The fastest that this CPU runs, and all that it runs (for tests).
const ChainKernel& BestChainKernel();
const std::vector<ChainKernel>& ChainKernels();

// While it lives, arithmetic of this thread takes denormal numbers as signed zeros and makes none,
// and rounds as asked.
class FlushDenormals {
 public:
  explicit FlushDenormals(Rounding rounding = Rounding::kNearestEven);
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_KERNELS_H_
