// What programs of the card's node share about the MME: words of a descriptor, and a convolution
// with its answer, worked out by loops.
#ifndef SIMULATOR_DEVICE_NODE_PROGRAMS_MME_H_
#define SIMULATOR_DEVICE_NODE_PROGRAMS_MME_H_

#include <stdint.h>
#include <string.h>

#include "simulator/device_node/programs/packets.h"

#define MME_ARCH 0x8 /* where the descriptor begins among the registers */

/* The beginning of an operand's words, on Gaudi and Gaudi2 alike. */
struct tensor {
  uint32_t valid[5];
  int32_t loop_stride[5], roi[4], spatial_stride[4];
};
static inline void set(uint32_t* descriptor, uint32_t at, uint32_t value) {
  descriptor[(at - MME_ARCH) / 4] = value;
}
static inline void put_tensor(uint32_t* descriptor, uint32_t at, const struct tensor* t) {
  memcpy(&descriptor[(at - MME_ARCH) / 4], t, sizeof *t);
}
/* Which dimensions of the operands two loops move; 5 is none. */
static inline uint32_t dims(uint32_t a, uint32_t b, uint32_t c, uint32_t next_a, uint32_t next_b,
                            uint32_t next_c) {
  return (a | b << 3 | c << 6) | (next_a | next_b << 3 | next_c << 6) << 16;
}
/* `engine` is where the queue sees the engine's registers. */
static inline void put_descriptor(struct buffer* b, uint32_t engine, const uint32_t* descriptor,
                                  uint32_t words) {
  put(b, words / 2);
  put(b, op(WREG_BULK) | (engine + MME_ARCH) << 8);
  for (uint32_t i = 0; i < words; ++i) put(b, descriptor[i]);
}

static inline uint16_t bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return (uint16_t)(bits >> 16);
}
/* Integers, so that sums are exact in any order. */
static inline float left(int i) { return (float)(i * 7 % 11 - 5); }
static inline float right(int i) { return (float)(i * 5 % 7 - 3); }

/* A 3x3 convolution with a padding of one, bf16 in, fp32 out. */
enum { B = 2, H = 6, W = 7, C = 16, K = 300, R = 3, S = 3 };
/* Elements from one index of a dimension to the next, of the third dimension on. */
enum { X2 = C * W, X3 = X2 * H, W2 = K * C, W3 = W2 * S, W4 = W3 * R, Y2 = K * W, Y3 = Y2 * H };
static const int32_t kXStrides[5] = {1, C, X2, X3, X3};
static const int32_t kWStrides[5] = {1, K, W2, W3, W4};
static const int32_t kYStrides[5] = {1, K, Y2, Y3, Y3};
static uint16_t conv_x[B * H * W * C], conv_w[R * S * C * K];
static float conv_y[B * H * W * K];

static inline void fill_convolution(void) {
  for (int i = 0; i < B * H * W * C; ++i) conv_x[i] = bf16(left(i));
  for (int i = 0; i < R * S * C * K; ++i) conv_w[i] = bf16(right(i));
  for (int b = 0; b < B; ++b)
    for (int h = 0; h < H; ++h)
      for (int v = 0; v < W; ++v)
        for (int k = 0; k < K; ++k) {
          float sum = 0;
          for (int r = 0; r < R; ++r)
            for (int q = 0; q < S; ++q)
              for (int c = 0; c < C; ++c) {
                const int i = h + r - 1, j = v + q - 1;
                if (i < 0 || i >= H || j < 0 || j >= W) continue;
                sum += left(((b * H + i) * W + j) * C + c) * right(((r * S + q) * C + c) * K + k);
              }
          conv_y[((b * H + h) * W + v) * K + k] = sum;
        }
}

#endif  // SIMULATOR_DEVICE_NODE_PROGRAMS_MME_H_
