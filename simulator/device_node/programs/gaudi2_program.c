/* What a program does on a Gaudi2 with nothing but the kernel's header: open the card, allocate and
 * map memory, copy to HBM and SRAM and back by commands of its own and of the kernel's, pass a
 * token between an EDMA and a TPC queue by sync objects, be refused, and see a submission time out.
 * Every number is the hardware's or the kernel's. Prints one line a step; the exit code counts
 * failures.
 */
#define _GNU_SOURCE
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
  refusals();
  check(is_idle(), "it is idle again");
  time_out_on(GAUDI2_QUEUE_ID_DCORE1_TPC_0_3);
  set_up();
  copies();
  close(fd);
  printf("%d failures\n", failures);
  return failures;
}
