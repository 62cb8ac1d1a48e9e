/* What a program does on a Gaudi2 with nothing but the kernel's header: open the card, allocate and
 * map memory, copy to HBM and SRAM and back by commands of its own and of the kernel's, pass a
 * token between an EDMA and a TPC queue by sync objects, multiply and convolve on both MMEs, be
 * refused, and see a submission time out. Every number is the hardware's or the kernel's. Prints
 * one line a step; the exit code counts failures.
 */
#define _GNU_SOURCE
#include "simulator/device_node/programs/mme.h"
#include "simulator/device_node/programs/program.h"

/* ---------------------------------------------------------------- registers */
#define TPC_QM(dcore, tpc) (0x1000007FFC00A000ull + 0x200000ull * (dcore) + 0x10000ull * (tpc))
#define EDMA_QM(dcore, edma) (0x1000007FFC1CA000ull + 0x200000ull * (dcore) + 0x10000ull * (edma))
#define SYNC_OBJECTS(dcore) (0x1000007FFC100000ull + 0x200000ull * (dcore))
#define FENCE_RDATA(fence, stream) (0x290 + 0x14 * (fence) + 4 * (stream))
static const struct monitor_offsets kMonitor = {0x2000, 0x4000, 0x6000};

/* Host memory that the card reaches: data first, commands behind it. */
#define HOST_BYTES (8u << 20)
#define COMMANDS_AT (6u << 20)
static uint8_t* host;
static uint64_t host_va, hbm, dram_handle;
static uint32_t commands_used, first_sob, first_monitor;

/* Commands of the program's own: what it has mapped, at an address of the device's. */
static struct hl_cs_chunk own(uint32_t queue, const struct buffer* b) {
  if (COMMANDS_AT + commands_used + sizeof b->words > HOST_BYTES) commands_used = 0;
  memcpy(host + COMMANDS_AT + commands_used, b->words, 4 * b->count);
  const uint64_t address = host_va + COMMANDS_AT + commands_used;
  commands_used += sizeof b->words;
  return chunk_of(queue, address, 4 * b->count, HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
}

/* Operations whose one number (size, handle, address) is the first member. */
static int memory_op(uint32_t operation, uint64_t number, union hl_mem_args* args) {
  memset(args, 0, sizeof *args);
  args->in.op = operation;
  args->in.alloc.mem_size = number;
  return ioctl(fd, HL_IOCTL_MEMORY, args);
}
static int map_device(uint64_t handle, union hl_mem_args* args) {
  memset(args, 0, sizeof *args);
  args->in.op = HL_MEM_OP_MAP;
  args->in.map_device.handle = handle;
  return ioctl(fd, HL_IOCTL_MEMORY, args);
}

static void set_up(void) {
  union hl_mem_args args;
  host_va = map_host(host, HOST_BYTES);
  must(memory_op(HL_MEM_OP_ALLOC, ip.dram_size, &args) == 0, "MEMORY/ALLOC");
  dram_handle = args.out.handle;
  must(map_device(dram_handle, &args) == 0, "MEMORY/MAP of device memory");
  hbm = args.out.device_virt_addr;
}

static void copy(uint32_t queue, uint64_t from, uint64_t to, uint32_t bytes) {
  struct buffer b = {{0}, 0};
  put_transfer(&b, from, to, bytes, EB | MB);
  struct hl_cs_chunk chunk = own(queue, &b);
  run(&chunk, 1, "a copy");
}
static void upload(const void* from, uint64_t to, uint32_t bytes) {
  memcpy(host, from, bytes);
  copy(GAUDI2_QUEUE_ID_PDMA_0_0, host_va, to, bytes);
}
static void download(uint64_t from, void* to, uint32_t bytes) {
  memset(host, 0, bytes);
  copy(GAUDI2_QUEUE_ID_PDMA_1_0, from, host_va, bytes);
  memcpy(to, host, bytes);
}

/* ---------------------------------------------------------------- steps */
static void copies(void) {
  enum { BYTES = 100003 };
  static uint8_t in[BYTES], out[BYTES];
  for (int i = 0; i < BYTES; ++i) in[i] = (uint8_t)(i * 31 + (i >> 8));
  const uint64_t at = hbm + ip.dram_size - 0x100000, sram = ip.sram_base_address + 0x1000;
  upload(in, at, BYTES);
  download(at, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "host to HBM and back");
  upload(in, sram, BYTES);
  memset(out, 0, BYTES);
  download(sram, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "host to SRAM and back");

  /* The kernel's buffers serve every queue, too. */
  struct buffer b = {{0}, 0};
  put_transfer(&b, at, sram + 0x80000, BYTES, 0);
  struct hl_cs_chunk chunk = by_handle(GAUDI2_QUEUE_ID_DCORE1_EDMA_0_2, &b);
  run(&chunk, 1, "a copy by an EDMA");
  memset(out, 0, BYTES);
  download(sram + 0x80000, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "HBM to SRAM by an EDMA and the kernel's buffer");

  /* Commands in HBM that run a body in SRAM. */
  const uint64_t body = ip.sram_base_address, upper = hbm + 0x4000;
  struct buffer copying = {{0}, 0}, running = {{0}, 0};
  put_transfer(&copying, sram, sram + 0x100000, BYTES, 0);
  upload(copying.words, body, 4 * copying.count);
  put_cp_dma(&running, body, 4 * copying.count);
  upload(running.words, upper, 4 * running.count);
  chunk = chunk_of(GAUDI2_QUEUE_ID_DCORE3_EDMA_1_0, upper, 4 * running.count,
                   HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
  run(&chunk, 1, "commands in HBM");
  memset(out, 0, BYTES);
  download(sram + 0x100000, out, BYTES);
  check(memcmp(in, out, BYTES) == 0, "SRAM to SRAM by a body that commands in HBM run");
}

/* An EDMA queue and a TPC queue pass a token to and fro; each hands on what it was handed. Both
 * queues say when they are done. */
static void ping_pong(void) {
  enum { ROUNDS = 20 };
  const uint32_t ping = first_sob, pong = first_sob + 8;
  struct buffer tpc = {{0}, 0}, dma = {{0}, 0};
  for (uint32_t i = 1; i <= ROUNDS; ++i) {
    put_wait_at(&tpc, &kMonitor, first_monitor, ping, i, TPC_QM(2, 5) + FENCE_RDATA(0, 0));
    put_sob_add(&tpc, pong, 1, 0);
    put_sob_add(&dma, ping, 1, 0);
    put_wait_at(&dma, &kMonitor, first_monitor + 1, pong, i, EDMA_QM(0, 1) + FENCE_RDATA(0, 2));
  }
  put_transfer(&dma, host_va + 4096, host_va, 64, EB);
  put_sob_set(&dma, ping, 0);
  put_sob_set(&dma, pong, 0);
  memset(host, 0, 64);
  memset(host + 4096, 0x5A, 64);
  struct hl_cs_chunk chunks[2] = {own(GAUDI2_QUEUE_ID_DCORE2_TPC_5_0, &tpc),
                                  own(GAUDI2_QUEUE_ID_DCORE0_EDMA_1_2, &dma)};
  run(chunks, 2, "ping-pong");
  check(host[0] == 0x5A && host[63] == 0x5A, "a token between an EDMA and a TPC queue");
}

/* ---------------------------------------------------------------- the MMEs
 * Each is two cores; a core has 128 rows of a tile and 256 columns. A's rows are dealt to cores and
 * then to the two buffers of each (SB0, SB4). Columns are dealt to the MMEs; each core reads half
 * of its MME's (SB2, SB3) and passes them to its partner. */
#define ENGINE 0xB000 /* among the registers that a queue reaches */
#define CMD 0x4
#define GO 0x3FF
#define DESCRIPTOR_WORDS 0xB6
#define OF_CORE(block, core) ((block) + 0x14u * (core))
enum { TILE_ROWS = 256, TILE_COLUMNS = 512, PORT = 64 };

struct work {
  uint64_t a, b, c;
  struct tensor of_a, of_b, of_c;
  int32_t row_of_a, row_of_c; /* elements from a row to the next */
  uint32_t header_low, header_high;
  uint32_t k_lines;     /* of B */
  uint32_t accumulated; /* loops that a sum runs over */
  uint32_t kernel, dims01, dims23, outer;
  int32_t start_of_a[4];
};

static void mme_descriptor(uint32_t* d, uint32_t mme, const struct work* w, uint32_t sob) {
  memset(d, 0, 4 * DESCRIPTOR_WORDS);
  const uint64_t addresses[3] = {w->c, w->a, w->b};
  for (uint32_t i = 0; i < 3; ++i) {
    set(d, 0x10 + 8 * i, (uint32_t)addresses[i]);
    set(d, 0x14 + 8 * i, (uint32_t)(addresses[i] >> 32));
  }
  /* Both cores of all; A's rows by two ports. */
  set(d, 0x28, 0xC0C0C0C0 | w->accumulated << 16 | w->accumulated << 24);
  set(d, 0x2C, 0xC0C0 | w->accumulated << 8 | 1u << 17);
  /* transA, who reads what, double accumulators, store, bf16 in, fp32 out. */
  set(d, 0x30,
      w->header_low | 1u << 0 | 0x11u << 11 | 0x0Cu << 16 | 1u << 21 | 1u << 22 | 0x9u << 24 |
          0xAu << 28);
  set(d, 0x34, w->header_high);
  for (uint32_t core = 0; core < 2; ++core) {
    const uint32_t own = 4 + 2 * core, partners = 6 - 2 * core;
    /* SB0, 2, 3, 4 and both inputs; a0, own columns, a1, the partner's; SB2 and SB3 go out. */
    set(d, 0x38 + 4 * core,
        0x7Du | own << 13 | (own + 1) << 16 | 1u << 19 | partners << 22 | (partners + 1) << 25 |
            3u << 29);
    for (uint32_t port = 0; port < 2; ++port) {
      const uint32_t a = OF_CORE(0x15C + 4 * port * 0x28, core);
      const uint32_t b = OF_CORE(0x15C + (2 + port) * 0x28, core);
      const uint32_t c = OF_CORE(0x22C + port * 0x28, core);
      set(d, a + 4, (core + 2 * port) * (uint32_t)w->row_of_a);
      set(d, b, 256 * mme + 128 * core + PORT * port);
      set(d, c, 256 * mme + 128 * port);
      set(d, c + 4, core * (uint32_t)w->row_of_c);
    }
  }
  put_tensor(d, 0x40, &w->of_a);
  memcpy(&d[(0x88 - MME_ARCH) / 4], w->start_of_a, sizeof w->start_of_a);
  put_tensor(d, 0x98, &w->of_b);
  put_tensor(d, 0xF0, &w->of_c);
  set(d, 0x224, PORT - 1);
  set(d, 0x228, w->k_lines - 1);
  set(d, 0x27C, 128 - 1);
  set(d, 0x280, w->kernel);
  set(d, 0x284, w->dims01);
  set(d, 0x288, w->dims23);
  set(d, 0x28C, w->outer);
  /* One from each core at the very end, the slave's to the object behind the master's. */
  set(d, 0x148, 0x3Fu | 1u << 6 | 1u << 17 | 1u << 20);
  set(d, 0x14C, (uint32_t)(SYNC_OBJECTS(0) + 4 * sob));
  set(d, 0x150, 1u << 31 | 1);
}

/* Commands in HBM that run bodies in SRAM, on both MMEs; an EDMA waits for them and brings the
 * answer to the host. One submission. */
static void run_on_mmes(const struct work* w, uint32_t bytes, const char* what) {
  static const uint32_t kQueues[2] = {GAUDI2_QUEUE_ID_DCORE0_MME_0_0,
                                      GAUDI2_QUEUE_ID_DCORE2_MME_0_1};
  const uint32_t sob = first_sob + 16;
  struct hl_cs_chunk chunks[3];
  for (uint32_t mme = 0; mme < 2; ++mme) {
    static uint32_t descriptor[DESCRIPTOR_WORDS];
    mme_descriptor(descriptor, mme, w, sob + 2 * mme);
    const uint64_t body = ip.sram_base_address + 0x1000 * mme, upper = hbm + 0x1000 * mme;
    struct buffer b = {{0}, 0}, u = {{0}, 0};
    put_descriptor(&b, ENGINE, descriptor, DESCRIPTOR_WORDS);
    put_wreg(&b, ENGINE + CMD, GO, 0);
    upload(b.words, body, 4 * b.count);
    put_cp_dma(&u, body, 4 * b.count);
    upload(u.words, upper, 4 * u.count);
    chunks[mme] = chunk_of(kQueues[mme], upper, 4 * u.count, HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
  }
  struct buffer wait = {{0}, 0};
  for (uint32_t i = 0; i < 4; ++i)
    put_wait_at(&wait, &kMonitor, first_monitor, sob + i, 1, EDMA_QM(0, 1) + FENCE_RDATA(0, 2));
  for (uint32_t i = 0; i < 4; ++i) put_sob_set(&wait, sob + i, 0);
  put_transfer(&wait, w->c, host_va, bytes, 0);
  chunks[2] = own(GAUDI2_QUEUE_ID_DCORE0_EDMA_1_2, &wait);
  memset(host, 0xFF, bytes);
  run(chunks, 3, what);
}

/* [ROWS][COMMON] x [COMMON][COLUMNS] in several tiles, none of them full. */
static void product(void) {
  enum { ROWS = 300, COLUMNS = 600, COMMON = 70, PADDED = 72 };
  enum { A_ALL = ROWS * COMMON, B_ALL = COMMON * COLUMNS, C_ALL = ROWS * COLUMNS };
  static uint16_t a[A_ALL], b[B_ALL];
  static float c[C_ALL];
  for (int i = 0; i < A_ALL; ++i) a[i] = bf16(left(i));
  for (int i = 0; i < B_ALL; ++i) b[i] = bf16(right(i));
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLUMNS; ++j)
      for (int k = 0; k < COMMON; ++k)
        c[i * COLUMNS + j] += left(i * COMMON + k) * right(k * COLUMNS + j);
  struct work w = {
      .a = hbm + 0x100000,
      .b = hbm + 0x200000,
      .c = hbm + 0x300000,
      .of_a = {{COMMON, A_ALL, A_ALL, A_ALL, A_ALL},
               {0, TILE_ROWS * COMMON, A_ALL, A_ALL, A_ALL},
               {PADDED, TILE_ROWS * COMMON, A_ALL, A_ALL},
               {4 * COMMON, A_ALL, A_ALL, A_ALL}},
      .of_b = {{COLUMNS, B_ALL, B_ALL, B_ALL, B_ALL},
               {TILE_COLUMNS, 0, B_ALL, B_ALL, B_ALL},
               {PORT, PADDED * COLUMNS, B_ALL, B_ALL},
               {COLUMNS, B_ALL, B_ALL, B_ALL}},
      .of_c = {{COLUMNS, C_ALL, C_ALL, C_ALL, C_ALL},
               {TILE_COLUMNS, TILE_ROWS * COLUMNS, C_ALL, C_ALL, C_ALL},
               {TILE_COLUMNS / 2, TILE_ROWS * COLUMNS, C_ALL, C_ALL},
               {2 * COLUMNS, C_ALL, C_ALL, C_ALL}},
      .row_of_a = COMMON,
      .row_of_c = COLUMNS,
      .k_lines = PADDED,
      .kernel = (COLUMNS - 1) / TILE_COLUMNS | (ROWS - 1) / TILE_ROWS << 8,
      .dims01 = dims(5, 0, 0, 1, 5, 1),
      .dims23 = dims(2, 2, 2, 3, 3, 3),
      .outer = 4 | 4 << 3 | 4 << 6,
  };
  upload(a, w.a, sizeof a);
  upload(b, w.b, sizeof b);
  run_on_mmes(&w, sizeof c, "a product");
  check(memcmp(host, c, sizeof c) == 0, "a product on both MMEs");
}

/* The taps move where A's walk begins, so ports differ by where they start in it. */
static void convolution(void) {
  const int32_t *xs = kXStrides, *ws = kWStrides, *ys = kYStrides;
  const struct work w = {
      .a = hbm + 0x100000,
      .b = hbm + 0x200000,
      .c = hbm + 0x300000,
      .of_a = {{C, W * xs[1], H * xs[2], 1 * xs[3], B * xs[4]},
               {0, xs[1], xs[2], xs[3], 0},
               {C, W * xs[1], H * xs[2], 1 * xs[3]},
               {4 * xs[1], xs[2], xs[3], xs[4]}},
      .of_b = {{K, C * ws[1], S * ws[2], R * ws[3], 1 * ws[4]},
               {TILE_COLUMNS, 0, ws[2], ws[3], ws[4]},
               {PORT, C * ws[1], ws[2], ws[3]},
               {ws[1], ws[2], ws[3], ws[4]}},
      .of_c = {{K, W * ys[1], H * ys[2], 1 * ys[3], B * ys[4]},
               {TILE_COLUMNS, 0, 0, 0, 0},
               {TILE_COLUMNS / 2, W * ys[1], H * ys[2], 1 * ys[3]},
               {2 * ys[1], ys[2], ys[3], ys[4]}},
      .row_of_a = xs[1],
      .row_of_c = ys[1],
      .header_low = 1u << 2 | 1u << 4,
      .header_high = 1u << 0 | 1u << 2,
      .k_lines = C,
      .accumulated = 7,
      .kernel = (S - 1) | (R - 1) << 8,
      .dims01 = dims(1, 2, 5, 2, 3, 5),
      .dims23 = dims(3, 4, 5, 5, 0, 0),
      .outer = 5 | 5 << 3 | 5 << 6,
      .start_of_a = {-xs[1], -xs[2], 0, 0},
  };
  fill_convolution();
  upload(conv_x, w.a, sizeof conv_x);
  upload(conv_w, w.b, sizeof conv_w);
  run_on_mmes(&w, sizeof conv_y, "a convolution");
  check(memcmp(host, conv_y, sizeof conv_y) == 0, "a convolution on both MMEs");
}

static void refusals(void) {
  uint64_t sequence;
  union hl_mem_args args;
  struct buffer b = {{0}, 0};
  put(&b, 0);
  put(&b, op(NOP));
  struct hl_cs_chunk chunk = by_handle(GAUDI2_QUEUE_ID_CPU_PQ, &b);
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EINVAL, "the kernel's queue");
  chunk.queue_index = GAUDI2_QUEUE_ID_PDMA_0_0;
  chunk.cb_handle += 1 << 20;
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EINVAL, "an unknown command buffer");
  chunk = chunk_of(GAUDI2_QUEUE_ID_PDMA_0_0, 0x1001000000000000ull, 16,
                   HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
  check(submit(&chunk, 1, 0, 0, &sequence) == -1 && errno == EFAULT, "a physical address of HBM");
  check(memory_op(HL_MEM_OP_FREE, dram_handle, &args) == -1 && errno == EINVAL,
        "device memory that is mapped is not freed");
  check(memory_op(HL_MEM_OP_ALLOC, 1, &args) == -1 && errno == ENOMEM, "there is no more of it");
  check(map_device(dram_handle + 1, &args) == -1 && errno == EINVAL, "an unknown handle");
  check(memory_op(HL_MEM_OP_UNMAP, hbm + 4096, &args) == -1 && errno == EINVAL,
        "nothing is mapped there");
  check(memory_op(HL_MEM_OP_MAP_BLOCK, SYNC_OBJECTS(0), &args) == -1 && errno == EOPNOTSUPP,
        "a block of registers");
  check(open_card() == -1, "the card is taken");
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  fd = open_card();
  must(fd >= 0, "opening /dev/hl0");
  must(info(HL_INFO_HW_IP_INFO, &ip, sizeof ip) == 0, "HW_IP_INFO");
  check(ip.device_id == 0x1020, "it is a Gaudi2");
  check(ip.dram_size % ip.dram_page_size == 0, "its memory is of whole pages");
  struct hl_info_sync_manager manager;
  must(info(HL_INFO_SYNC_MANAGER, &manager, sizeof manager) == 0, "SYNC_MANAGER");
  first_sob = (manager.first_available_sync_object + 7) / 8 * 8;
  first_monitor = manager.first_available_monitor;
  check(is_idle(), "it is idle");
  host = mmap(NULL, HOST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(host != MAP_FAILED, "host memory");
  set_up();
  copies();
  ping_pong();
  product();
  convolution();
  refusals();
  check(is_idle(), "it is idle again");
  time_out_on(GAUDI2_QUEUE_ID_DCORE1_TPC_0_3);
  set_up();
  copies();
  close(fd);
  printf("%d failures\n", failures);
  return failures;
}
