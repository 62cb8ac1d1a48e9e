/* What a program does on a Gaudi with nothing but the kernel's header: open the card, map memory,
 * copy to HBM and SRAM and back, pass a token between a DMA and a TPC queue by sync objects,
 * multiply on the MME, and see a submission time out. It knows nothing of this project: every
 * number is the hardware's or the kernel's. Prints one line a step; the exit code counts failures.
 */
#define _GNU_SOURCE
#include "simulator/device_node/programs/mme.h"
#include "simulator/device_node/programs/program.h"

/* ---------------------------------------------------------------- registers */
#define SOB_E_N(i) (0x7FFC4F2000ull + 4 * (i))
#define TPC0_QM 0x7FFCE08000ull
#define DMA0_QM 0x7FFC508000ull
#define DMA_QM(i) (0x7FFC508000ull + 0x20000 * (i))
#define MME0_QM 0x7FFC068000ull /* south pair: queue MME_1 */
#define MME2_QM 0x7FFC168000ull /* north pair: queue MME_0 */
#define FENCE_RDATA(fence, stream) (0x308 + 0x14 * (fence) + 4 * (stream))
#define MON_DATA_OFFSET 0x1000 /* from MON_PAY_ADDRL_0 */
#define MON_ADDRH_OFFSET 0x800
#define MON_ARM_OFFSET 0x1800
#define MME_CMD 0x280

#define RB (1u << 30)

static const struct monitor_offsets kMonitor = {MON_ADDRH_OFFSET, MON_DATA_OFFSET, MON_ARM_OFFSET};
static void put_wait_sob(struct buffer* b, uint32_t monitor, uint32_t sob, uint32_t value,
                         uint64_t qman, uint32_t stream) {
  put_wait_at(b, &kMonitor, monitor, sob, value, qman + FENCE_RDATA(0, stream));
}
/* A linear one, which has a bit on Gaudi. */
static void put_lin_dma(struct buffer* b, uint64_t from, uint64_t to, uint32_t bytes,
                        uint32_t barriers) {
  put_transfer(b, from, to, bytes, barriers | 1u << 3);
}
static struct hl_cs_chunk internal(uint32_t queue, uint64_t address, uint32_t bytes) {
  return chunk_of(queue, address, bytes, 0);
}

/* Host memory that the card reaches, and a copy by a host DMA. */
static uint8_t* host;
static uint64_t host_va;
#define HOST_BYTES (8u << 20)
static void copy(uint32_t queue, uint64_t from, uint64_t to, uint32_t bytes) {
  struct buffer b = {{0}, 0};
  put_lin_dma(&b, from, to, bytes, EB | MB);
  struct hl_cs_chunk chunk = by_handle(queue, &b);
  run(&chunk, 1, "a copy");
}
static void upload(const void* from, uint64_t to, uint32_t bytes) {
  memcpy(host, from, bytes);
  copy(GAUDI_QUEUE_ID_DMA_0_0, host_va, to, bytes);
}
static void download(uint64_t from, void* to, uint32_t bytes) {
  copy(GAUDI_QUEUE_ID_DMA_1_0, from, host_va, bytes);
  memcpy(to, host, bytes);
}

/* ---------------------------------------------------------------- steps */
static void copies(void) {
  enum { BYTES = 100003 };
  static uint8_t in[BYTES], out[BYTES];
  for (int i = 0; i < BYTES; ++i) in[i] = (uint8_t)(i * 31 + (i >> 8));
  const uint64_t hbm = ip.dram_base_address + 0x10000, sram = ip.sram_base_address + 0x1000;
  upload(in, hbm, BYTES);
  download(hbm, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "host to HBM and back");
  memset(out, 0, BYTES);
  upload(in, sram, BYTES);
  download(sram, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "host to SRAM and back");

  /* HBM to SRAM by an internal engine: its upper buffer runs a body that lies in HBM. */
  const uint64_t body = ip.dram_base_address + 0x4000, upper = ip.dram_base_address + 0x5000;
  struct buffer b = {{0}, 0}, u = {{0}, 0}, w = {{0}, 0};
  put_lin_dma(&b, hbm, sram + 0x80000, BYTES, 0);
  put_sob_add(&b, 40, 1, EB | MB);
  upload(b.words, body, 4 * b.count);
  put_cp_dma(&u, body, 4 * b.count);
  upload(u.words, upper, 4 * u.count);
  put_wait_sob(&w, 10, 40, 1, DMA0_QM, 1);
  put_sob_set(&w, 40, 0);
  struct hl_cs_chunk chunks[2] = {internal(GAUDI_QUEUE_ID_DMA_2_0, upper, 4 * u.count),
                                  by_handle(GAUDI_QUEUE_ID_DMA_0_1, &w)};
  run(chunks, 2, "an internal copy");
  memset(out, 0, BYTES);
  download(sram + 0x80000, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "HBM to SRAM by an internal DMA");
}

/* A DMA queue and a TPC queue pass a token to and fro; each hands on what it was handed. */
static void ping_pong(void) {
  enum { ROUNDS = 20, PING = 64, PONG = 72 };
  const uint64_t tpc_at = ip.dram_base_address + 0x8000;
  struct buffer tpc = {{0}, 0}, dma = {{0}, 0};
  for (uint32_t i = 1; i <= ROUNDS; ++i) {
    put_wait_sob(&tpc, 20, PING, i, TPC0_QM, 0);
    put_sob_add(&tpc, PONG, 1, 0);
    put_sob_add(&dma, PING, 1, 0);
    put_wait_sob(&dma, 21, PONG, i, DMA0_QM, 2);
  }
  put_lin_dma(&dma, host_va + 4096, host_va, 64, EB);
  put_sob_set(&dma, PING, 0);
  put_sob_set(&dma, PONG, 0);
  upload(tpc.words, tpc_at, 4 * tpc.count);
  memset(host, 0, 64);
  memset(host + 4096, 0x5A, 64);
  struct hl_cs_chunk chunks[2] = {internal(GAUDI_QUEUE_ID_TPC_0_0, tpc_at, 4 * tpc.count),
                                  by_handle(GAUDI_QUEUE_ID_DMA_0_2, &dma)};
  run(chunks, 2, "ping-pong");
  check(host[0] == 0x5A && host[63] == 0x5A, "a token between a DMA and a TPC queue");
}

/* Rows and columns of an array. */
enum { M = 64 };
static void mme_descriptor(uint32_t* d, int north, uint64_t x, uint64_t w, uint64_t y,
                           uint32_t sob) {
  memset(d, 0, 0x88 * 4);
  const uint64_t address[3] = {x, w, y};
  for (uint32_t i = 0; i < 3; ++i) {
    set(d, 0x08 + 4 * i, (uint32_t)(address[i] >> 32));
    set(d, 0x14 + 4 * i, (uint32_t)address[i]);
  }
  /* transS, advanceS, advanceO, taps accumulate, fp32 out, store, signal once. */
  set(d, 0x20,
      1u << 0 | 1u << 3 | 1u << 5 | 7u << 8 | 1u << 17 | 1u << 19 | 0x3Fu << 24 | 1u << 30);
  set(d, 0x24, 0xC0000000);
  set(d, 0x28, (S - 1) | (R - 1) << 8 | 0 << 16 | (uint32_t)((K + 4 * M - 1) / (4 * M) - 1) << 24);
  /* dims of S, L, O that each loop moves */
  set(d, 0x2C, dims(1, 2, 5, 2, 3, 5));
  set(d, 0x30, dims(3, 4, 5, 5, 0, 0));
  set(d, 0x34, (B * H * W + M - 1) / M - 1);
  set(d, 0x38, 5 | 5 << 3 | 5 << 6);
  const int32_t *xs = kXStrides, *ws = kWStrides, *ys = kYStrides;
  const struct tensor s = {{C, W * xs[1], H * xs[2], 1 * xs[3], B * xs[4]},
                           {0, xs[1], xs[2], xs[3], 0},
                           {C, W * xs[1], H * xs[2], 1 * xs[3]},
                           {xs[1], xs[2], xs[3], xs[4]}};
  const struct tensor l = {{K, C * ws[1], S * ws[2], R * ws[3], 1 * ws[4]},
                           {4 * M, 0, ws[2], ws[3], ws[4]},
                           {M, C * ws[1], ws[2], ws[3]},
                           {ws[1], ws[2], ws[3], ws[4]}};
  const struct tensor o = {{K, W * ys[1], H * ys[2], 1 * ys[3], B * ys[4]},
                           {4 * M, 0, 0, 0, 0},
                           {M, W * ys[1], H * ys[2], 1 * ys[3]},
                           {ys[1], ys[2], ys[3], ys[4]}};
  put_tensor(d, 0x3C, &s);
  put_tensor(d, 0xAC, &l);
  put_tensor(d, 0x140, &o);
  set(d, 0x84, M - 1); /* lines */
  set(d, 0xF4, C - 1);
  set(d, 0x188, M - 1);
  set(d, 0x8C, (uint32_t)-xs[1]); /* padding of one on every side */
  set(d, 0x90, (uint32_t)-xs[2]);
  const uint32_t local = north ? 2 * M : 0;
  set(d, 0xF8, local);
  set(d, 0x11C, local + M);
  set(d, 0x18C, local);
  set(d, 0x1B0, local + M);
  set(d, 0x1D4, 0xC000C000);
  set(d, 0x1D8, 0x00020404);
  set(d, 0x1DC, (uint32_t)SOB_E_N(sob));
  set(d, 0x1E0, (uint32_t)SOB_E_N(sob + 1));
  set(d, 0x1E4, (uint32_t)(SOB_E_N(sob) >> 32));
  set(d, 0x1E8, 0x80000001);
  set(d, 0x220, 0x10000);
}

static void convolution(void) {
  static float y[B * H * W * K];
  fill_convolution();
  const uint64_t base = ip.dram_base_address + 0x100000;
  const uint64_t at_x = base, at_w = base + 0x10000, at_y = base + 0x100000;
  const uint64_t bodies = base + 0x400000, uppers = base + 0x500000;
  upload(conv_x, at_x, sizeof conv_x);
  upload(conv_w, at_w, sizeof conv_w);
  memset(y, 0xFF, sizeof y);
  upload(y, at_y, sizeof y);
  const uint32_t sob = 80;
  struct hl_cs_chunk chunks[3];
  for (int north = 0; north < 2; ++north) {
    static uint32_t descriptor[0x88];
    mme_descriptor(descriptor, north, at_x, at_w, at_y, sob + 2 * (uint32_t)north);
    struct buffer b = {{0}, 0}, u = {{0}, 0};
    put_descriptor(&b, 0, descriptor, 0x88);
    put_wreg(&b, MME_CMD, 1, RB);
    const uint64_t body = bodies + 0x1000 * (uint64_t)north,
                   upper = uppers + 0x1000 * (uint64_t)north;
    upload(b.words, body, 4 * b.count);
    put_cp_dma(&u, body, 4 * b.count);
    upload(u.words, upper, 4 * u.count);
    chunks[north] =
        internal(north ? GAUDI_QUEUE_ID_MME_0_0 : GAUDI_QUEUE_ID_MME_1_0, upper, 4 * u.count);
  }
  struct buffer wait = {{0}, 0};
  for (uint32_t i = 0; i < 4; ++i) put_wait_sob(&wait, 30 + i, sob + i, 1, DMA_QM(1), 3);
  for (uint32_t i = 0; i < 4; ++i) put_sob_set(&wait, sob + i, 0);
  chunks[2] = by_handle(GAUDI_QUEUE_ID_DMA_1_3, &wait);
  run(chunks, 3, "a convolution");
  download(at_y, y, sizeof y);
  check(memcmp(y, conv_y, sizeof y) == 0, "a convolution on both MMEs");
}

static void refusals(void) {
  uint64_t sequence;
  struct buffer b = {{0}, 0};
  put(&b, 0);
  put(&b, op(NOP));
  struct hl_cs_chunk chunk = by_handle(GAUDI_QUEUE_ID_DMA_0_0, &b);
  chunk.queue_index = GAUDI_QUEUE_ID_CPU_PQ;
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EINVAL, "the kernel's queue");
  chunk.queue_index = GAUDI_QUEUE_ID_DMA_0_0;
  chunk.cb_handle += 1 << 20;
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EINVAL, "an unknown command buffer");
  struct buffer stop = {{0}, 0};
  put(&stop, 0);
  put(&stop, op(STOP));
  chunk = by_handle(GAUDI_QUEUE_ID_DMA_0_0, &stop);
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EPERM, "STOP in a user's buffer");
  struct hl_cs_chunk two[2] = {by_handle(GAUDI_QUEUE_ID_DMA_0_0, &b),
                               internal(GAUDI_QUEUE_ID_TPC_3_0, 0x1000, 16)};
  check(submit(two, 2, 0, 0, &sequence) == -1 && errno == EFAULT,
        "commands in the kernel's memory");
  check(open_card() == -1, "the card is taken");
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  fd = open_card();
  must(fd >= 0, "opening /dev/hl0");
  must(info(HL_INFO_HW_IP_INFO, &ip, sizeof ip) == 0, "HW_IP_INFO");
  check(ip.device_id == 0x1000, "it is a Gaudi");
  check(is_idle(), "it is idle");
  host = mmap(NULL, HOST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(host != MAP_FAILED, "host memory");
  host_va = map_host(host, HOST_BYTES);
  copies();
  ping_pong();
  convolution();
  refusals();
  check(is_idle(), "it is idle again");
  time_out_on(GAUDI_QUEUE_ID_DMA_0_3);
  host_va = map_host(host, HOST_BYTES);
  copies();
  close(fd);
  printf("%d failures\n", failures);
  return failures;
}
