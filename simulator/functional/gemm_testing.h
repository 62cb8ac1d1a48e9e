// For tests of the products: values, a naive reference with the exact arithmetic (its sums:
// gemm_sums_testing.h), and a small device memory.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_TESTING_H_
#define SIMULATOR_FUNCTIONAL_GEMM_TESTING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hal/base/dtype.h"
#include "simulator/functional/access.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_sums_testing.h"

namespace openhpu::simulator {

inline float LoadElement(DType type, const std::byte* data, int64_t index) {
  if (type == DType::kBFloat16) {
    uint16_t bits;
    std::memcpy(&bits, data + 2 * index, 2);
    return BFloat16ToFloat(bits);
  }
  float value;
  std::memcpy(&value, data + 4 * index, 4);
  return value;
}

inline void StoreElement(DType type, float value, std::byte* data, int64_t index) {
  if (type == DType::kBFloat16) {
    const uint16_t bits = FloatToBFloat16(value);
    std::memcpy(data + 2 * index, &bits, 2);
  } else {
    std::memcpy(data + 4 * index, &value, 4);
  }
}

enum class Values { kSmallIntegers, kReals };

// Fills elements with reproducible values: integers of [-3, 3], or reals of [-1, 1).
inline void Fill(DType type, Values values, uint32_t seed, std::byte* data, int64_t count) {
  std::mt19937 random(seed);
  for (int64_t i = 0; i < count; ++i) {
    const float value = values == Values::kSmallIntegers
                            ? static_cast<float>(static_cast<int>(random() % 7) - 3)
                            : static_cast<float>(random()) / 2147483648.0f - 1.0f;
    StoreElement(type, value, data, i);
  }
}

inline std::vector<std::byte> Filled(DType type, Values values, uint32_t seed, int64_t count) {
  std::vector<std::byte> data(count * StorageBytes(type));
  Fill(type, values, seed, data.data(), count);
  return data;
}

// {W, H, D} in arrays; dense tensors, the same padding on both sides.
inline ConvolutionShape DenseConvolution(
    int64_t batch, int64_t channels, int64_t features, std::array<int64_t, 3> in,
    std::array<int64_t, 3> kernel, std::array<int64_t, 3> stride, std::array<int64_t, 3> dilation,
    std::array<int64_t, 3> pad, DType in_type = DType::kFloat32, DType out_type = DType::kFloat32) {
  ConvolutionShape s;
  s.batch = batch;
  s.channels = channels;
  s.features = features;
  s.in = in;
  s.kernel = kernel;
  s.stride = stride;
  s.dilation = dilation;
  s.pad = pad;
  s.in_type = in_type;
  s.out_type = out_type;
  s.x_strides[0] = channels;
  s.y_strides[0] = features;
  s.w_strides = {features, features * channels, features * channels * kernel[0],
                 features * channels * kernel[0] * kernel[1]};
  for (int d = 0; d < 3; ++d) {
    s.out[d] = (in[d] + 2 * pad[d] - (kernel[d] - 1) * dilation[d] - 1) / stride[d] + 1;
    s.x_strides[d + 1] = s.x_strides[d] * in[d];
    s.y_strides[d + 1] = s.y_strides[d] * s.out[d];
  }
  return s;
}

inline void NaiveGemm(const GemmShape& s, const std::byte* a, const std::byte* b, std::byte* c) {
  for (int64_t batch = 0; batch < s.batch[0] * s.batch[1] * s.batch[2]; ++batch) {
    const auto offset = [&](const GemmShape::Strides& t) {
      return batch % s.batch[0] * t.batch[0] + batch / s.batch[0] % s.batch[1] * t.batch[1] +
             batch / s.batch[0] / s.batch[1] * t.batch[2];
    };
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) {
        NaiveSum sum(s.order, s.in);
        for (int64_t k = 0; k < s.k; ++k) {
          sum.Add(LoadElement(s.in, a, offset(s.a) + i * s.a.row + k * s.a.column),
                  LoadElement(s.in, b, offset(s.b) + k * s.b.row + j * s.b.column));
        }
        StoreElement(s.out, sum.Finished(s.relu), c, offset(s.c) + i * s.c.row + j * s.c.column);
      }
    }
  }
}

inline void NaiveConvolution(const ConvolutionShape& s, const std::byte* x, const std::byte* w,
                             std::byte* y) {
  const int64_t positions = s.out[0] * s.out[1] * s.out[2];
  const int64_t taps = s.kernel[0] * s.kernel[1] * s.kernel[2];
  for (int64_t p = 0; p < s.batch * positions; ++p) {
    const int64_t at[4] = {p % s.out[0], p / s.out[0] % s.out[1],
                           p / s.out[0] / s.out[1] % s.out[2], p / positions};
    for (int64_t f = 0; f < s.features; ++f) {
      NaiveSum sum(s.order, s.in_type);
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t t[3] = {tap % s.kernel[0], tap / s.kernel[0] % s.kernel[1],
                              tap / s.kernel[0] / s.kernel[1]};
        int64_t x_at = at[3] * s.x_strides[3], w_at = f;
        bool inside = true;
        for (int d = 0; d < 3; ++d) {
          const int64_t i = at[d] * s.stride[d] + t[d] * s.dilation[d] - s.pad[d];
          inside = inside && i >= 0 && i < s.in[d];
          x_at += i * s.x_strides[d];
          w_at += t[d] * s.w_strides[d + 1];
        }
        for (int64_t c = 0; c < s.channels; ++c) {
          sum.Add(inside ? LoadElement(s.in_type, x, x_at + c) : 0.0f,
                  LoadElement(s.in_type, w, w_at + c * s.w_strides[0]));
        }
        sum.EndTap();
      }
      int64_t y_at = f;
      for (int d = 0; d < 4; ++d) y_at += at[d] * s.y_strides[d];
      StoreElement(s.out_type, sum.Finished(s.relu), y, y_at);
    }
  }
}

// One region of device memory. Writers tell it about writes through Touch; 0 as version stays 0.
class FakeMemory final : public AddressSpace {
 public:
  FakeMemory(uint64_t base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    if (address.value() < base_ || address.value() + bytes > base_ + bytes_.size()) {
      return absl::OutOfRangeError(absl::StrCat("address 0x", absl::Hex(address.value())));
    }
    return bytes_.data() + (address.value() - base_);
  }
  uint64_t PageVersion(DeviceAddress) const override { return version_; }

  std::byte* at(uint64_t address) { return bytes_.data() + (address - base_); }
  uint64_t base() const { return base_; }
  uint64_t size() const { return bytes_.size(); }
  void Touch() { ++version_; }

 private:
  uint64_t base_;
  std::vector<std::byte> bytes_;
  uint64_t version_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_TESTING_H_
