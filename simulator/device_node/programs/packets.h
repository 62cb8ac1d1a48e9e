// Packets that Gaudi and Gaudi2 have alike, for programs of the card's node: words in a buffer.
#ifndef SIMULATOR_DEVICE_NODE_PROGRAMS_PACKETS_H_
#define SIMULATOR_DEVICE_NODE_PROGRAMS_PACKETS_H_

#include <stdint.h>
#include <stdlib.h>

enum { WREG_32 = 1, WREG_BULK = 2, MSG_SHORT = 4, CP_DMA = 5, FENCE = 8, LIN_DMA = 9, NOP = 10 };
enum { STOP = 11 };
#define EB (1u << 29)
#define MB (1u << 31)

struct buffer {
  uint32_t words[1024];
  uint32_t count;
};

static inline void put(struct buffer* b, uint32_t word) {
  if (b->count == sizeof b->words / 4) abort();
  b->words[b->count++] = word;
}
static inline uint32_t op(uint32_t opcode) { return opcode << 24; }
static inline void put_msg_short(struct buffer* b, uint32_t base, uint32_t offset, uint32_t value,
                                 uint32_t barriers) {
  put(b, value);
  put(b, op(MSG_SHORT) | barriers | base << 22 | offset);
}
/* Base 1 of MSG_SHORT is where sync objects lie, base 0 where monitors do. */
static inline void put_sob_add(struct buffer* b, uint32_t sob, uint32_t value, uint32_t barriers) {
  put_msg_short(b, 1, 4 * sob, 1u << 31 | value, barriers);
}
static inline void put_sob_set(struct buffer* b, uint32_t sob, uint32_t value) {
  put_msg_short(b, 1, 4 * sob, value, 0);
}
static inline void put_fence(struct buffer* b, uint32_t id) {
  put(b, 1u | 1u << 16 | id << 30);
  put(b, op(FENCE));
}
/* Registers of a monitor, from its ADDRL on. */
struct monitor_offsets {
  uint32_t high, data, arm;
};
/* Waits until the object is at least `value`, by a monitor that writes to `fence`: the register of
 * fence 0 of this very stream. */
static inline void put_wait_at(struct buffer* b, const struct monitor_offsets* offsets,
                               uint32_t monitor, uint32_t sob, uint32_t value, uint64_t fence) {
  put_msg_short(b, 0, 4 * monitor, (uint32_t)fence, 0);
  put_msg_short(b, 0, offsets->high + 4 * monitor, (uint32_t)(fence >> 32), 0);
  put_msg_short(b, 0, offsets->data + 4 * monitor, 1, 0);
  put_msg_short(b, 0, offsets->arm + 4 * monitor,
                sob / 8 | (0xFFu & ~(1u << sob % 8)) << 8 | value << 17, MB);
  put_fence(b, 0);
}
static inline void put_transfer(struct buffer* b, uint64_t from, uint64_t to, uint32_t bytes,
                                uint32_t header) {
  put(b, bytes);
  put(b, op(LIN_DMA) | header);
  put(b, (uint32_t)from);
  put(b, (uint32_t)(from >> 32));
  put(b, (uint32_t)to);
  put(b, (uint32_t)(to >> 32));
}
static inline void put_cp_dma(struct buffer* b, uint64_t body, uint32_t bytes) {
  put(b, bytes);
  put(b, op(CP_DMA));
  put(b, (uint32_t)body);
  put(b, (uint32_t)(body >> 32));
}
static inline void put_wreg(struct buffer* b, uint32_t offset, uint32_t value, uint32_t barriers) {
  put(b, value);
  put(b, op(WREG_32) | barriers | offset << 8);
}

#endif  // SIMULATOR_DEVICE_NODE_PROGRAMS_PACKETS_H_
