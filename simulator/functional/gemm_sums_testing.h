// For tests: the sums of exact products in the order of either chip, one number at a time.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_SUMS_TESTING_H_
#define SIMULATOR_FUNCTIONAL_GEMM_SUMS_TESTING_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "hal/base/dtype.h"
#include "simulator/functional/gemm_rounding.h"

namespace openhpu::simulator {

// Four chains, one number at a time. Normal numbers only: nothing is flushed.
class ChainSum {
 public:
  void Add(float a, float b) {
    chains_[k_ % 4] = std::fmaf(a, b, chains_[k_ % 4]);
    ++k_;
  }
  float RollUp() const {
    return (chains_[k_ % 4] + chains_[(k_ + 1) % 4]) +
           (chains_[(k_ + 2) % 4] + chains_[(k_ + 3) % 4]);
  }
  float Finished(bool relu) const {
    const float sum = RollUp() + 0.0f;
    return relu && sum < 0 ? 0.0f : sum;
  }

 private:
  float chains_[4] = {0, 0, 0, 0};
  int64_t k_ = 0;
};

// Steps of Gaudi2's trees: a sum of integers, to which the sum so far is added in numbers of 113
// bits. Normal numbers only.
class TreeSum {
 public:
  explicit TreeSum(DType in) : at_once_(in == DType::kBFloat16 ? 8 : 2) {}
  void Add(float a, float b) {
    products_.push_back({a, b});
    if (products_.size() == at_once_) EndStep();
  }
  // The next product is of another step.
  void EndStep() {
    constexpr int kNone = -10000;
    int largest = kNone;
    for (const auto& [a, b] : products_) {
      if (a != 0 && b != 0) largest = std::max(largest, std::ilogb(a) + std::ilogb(b));
    }
    if (largest != kNone) {
      int64_t tree = 0;
      for (const auto& [a, b] : products_) {
        tree +=
            static_cast<int64_t>(std::trunc(std::ldexp(static_cast<double>(a) * b, 49 - largest)));
      }
      __float128 total = tree;
      for (int i = largest; i < 49; ++i) total *= 0.5;
      for (int i = 49; i < largest; ++i) total *= 2;
      sum_ = static_cast<float>(total + sum_);
    }
    products_.clear();
  }
  float Finished(bool relu) {
    EndStep();
    const float sum = sum_ + 0.0f;
    return relu && sum < 0 ? 0.0f : sum;
  }

 private:
  const size_t at_once_;
  std::vector<std::pair<float, float>> products_;
  float sum_ = 0;
};

// A sum in either order.
class NaiveSum {
 public:
  NaiveSum(SumOrder order, DType in) : by_trees_(order == SumOrder::kTrees), trees_(in) {}
  void Add(float a, float b) { by_trees_ ? trees_.Add(a, b) : chains_.Add(a, b); }
  void EndTap() {
    if (by_trees_) trees_.EndStep();
  }
  float Finished(bool relu) { return by_trees_ ? trees_.Finished(relu) : chains_.Finished(relu); }

 private:
  const bool by_trees_;
  ChainSum chains_;
  TreeSum trees_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_SUMS_TESTING_H_
