// What a compiler says to a device: typed commands, free of any chip's bits. hal/command_writer.h
// turns them into the packets of the chip's dialect.
//
// Addresses and sync objects are symbolic, so that one compiled program serves any placement: an
// address is a symbol (an index into the values that a program is loaded with) plus an offset; sync
// objects and monitors are numbered from the start of a leased bank.
#ifndef HAL_COMMANDS_H_
#define HAL_COMMANDS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "hal/base/dtype.h"
#include "hal/kernel/launch.h"

namespace openhpu::hal {

enum class EngineKind : uint8_t { kHostDma, kDma, kMme, kTpc };

// `index` counts the chip's engines of the kind that user work may take: host DMA 0.., compute DMA
// 0.. (holes in the chip's mask are skipped), MME engines with a queue, TPCs.
struct Engine {
  EngineKind kind = EngineKind::kTpc;
  uint8_t index = 0;

  friend bool operator==(Engine a, Engine b) { return a.kind == b.kind && a.index == b.index; }
  friend bool operator<(Engine a, Engine b) {
    return a.kind != b.kind ? a.kind < b.kind : a.index < b.index;
  }
};

struct SymbolicAddress {
  uint32_t symbol = 0;
  uint64_t offset = 0;  // bytes
};

// A sync object of the bank. A bank starts at a multiple of 8, so `sob / 8` is a group that one
// monitor can watch.
struct Sob {
  uint32_t index = 0;
};

// Strided copy: run contiguous bytes for each index of up to four outer dims. Strides in bytes;
// sizes of unused dims are 1.
struct DmaCopy {
  SymbolicAddress source, destination;
  uint32_t run = 0;
  std::array<uint32_t, 4> sizes = {1, 1, 1, 1};
  std::array<uint32_t, 4> source_strides = {0, 0, 0, 0};
  std::array<uint32_t, 4> destination_strides = {0, 0, 0, 0};
};

// Fills `bytes` with the 32-bit pattern `value`; both ends 4-byte aligned.
struct DmaFill {
  SymbolicAddress destination;
  uint64_t bytes = 0;
  uint32_t value = 0;
};

// C[m][n] = sum_k A[m][k] * B[k][n] (+ C' of an unfinished accumulation), for each index of up to
// three batch dims. in: f32 or bf16 (A and B alike); out: f32 or bf16. Leading dimensions and
// strides in elements. trans_a: A is stored [k][m]; trans_b: B is stored [n][k].
struct MmeGemm {
  SymbolicAddress a, b, c;
  DType in = DType::kFloat32, out = DType::kFloat32;
  uint32_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;
  uint64_t lda = 0, ldb = 0, ldc = 0;
  struct Batch {
    uint32_t count = 1;
    uint64_t stride_a = 0, stride_b = 0, stride_c = 0;
  };
  std::array<Batch, 3> batch;
};

// 2-D convolution, forward: y[n][ho][wo][f] = sum over r, s, c of x[n][ho*sh + r*dh - ph][wo*sw +
// s*dw - pw][c] * w[r][s][c][f]. Channels and filters are dense (stride 1); the other strides are
// in elements. A group of a grouped convolution is one command with shifted addresses.
struct MmeConvolution {
  SymbolicAddress x, w, y;
  DType in = DType::kFloat32, out = DType::kFloat32;
  uint32_t batch = 0, height = 0, width = 0, channels = 0;
  uint32_t out_height = 0, out_width = 0, filters = 0;
  uint32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  uint32_t pad_h = 0, pad_w = 0, dilation_h = 1,
           dilation_w = 1;              // padding before the first row and column
  std::array<uint64_t, 3> x_strides{};  // n, h, w
  std::array<uint64_t, 3> w_strides{};  // r, s, c
  std::array<uint64_t, 3> y_strides{};  // n, h, w
};

// One box of a kernel launch on one TPC. tensors[i] lies at addresses[i]; the image's code lies at
// `kernel`.
struct TpcBox {
  SymbolicAddress kernel;
  std::vector<KernelTensor> tensors;
  std::vector<SymbolicAddress> addresses;
  std::vector<uint32_t> scalars;
  IndexBox box;
};

}  // namespace openhpu::hal

#endif  // HAL_COMMANDS_H_
