// What programs of the card's node share: the kernel's calls, and lines of what went well. Like the
// programs it knows the kernel's header alone.
#ifndef SIMULATOR_DEVICE_NODE_PROGRAMS_PROGRAM_H_
#define SIMULATOR_DEVICE_NODE_PROGRAMS_PROGRAM_H_

#include <errno.h>
#include <fcntl.h>
#include <misc/habanalabs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simulator/device_node/programs/packets.h"

/* ---------------------------------------------------------------- the card */
static int fd = -1, failures;
static struct hl_info_hw_ip_info ip;

static inline void check(int good, const char* what) {
  printf("%s %s\n", good ? "ok  " : "FAIL", what);
  failures += !good;
}
static inline void must(int good, const char* what) {
  if (good) return;
  printf("FAIL %s: %s\n", what, strerror(errno));
  exit(100);
}

static inline int open_card(void) {
  char name[32];
  for (int i = 0; i < 256; ++i) {
    snprintf(name, sizeof name, "/dev/hl%d", i);
    const int card = open(name, O_RDWR | O_CLOEXEC);
    if (card >= 0) return card;
  }
  return -1;
}
static inline int info(uint32_t opcode, void* answer, uint32_t bytes) {
  struct hl_info_args args;
  memset(&args, 0, sizeof args);
  args.op = opcode;
  args.return_pointer = (uint64_t)(uintptr_t)answer;
  args.return_size = bytes;
  return ioctl(fd, HL_IOCTL_INFO, &args);
}
static inline int is_idle(void) {
  struct hl_info_hw_idle idle;
  memset(&idle, 0, sizeof idle);
  must(info(HL_INFO_HW_IDLE, &idle, sizeof idle) == 0, "HW_IDLE");
  return idle.is_idle == 1;
}
static inline uint64_t map_host(void* memory, uint64_t bytes) {
  union hl_mem_args args;
  memset(&args, 0, sizeof args);
  args.in.op = HL_MEM_OP_MAP;
  args.in.flags = HL_MEM_USERPTR;
  args.in.map_host.host_virt_addr = (uint64_t)(uintptr_t)memory;
  args.in.map_host.mem_size = bytes;
  must(ioctl(fd, HL_IOCTL_MEMORY, &args) == 0, "MEMORY/MAP");
  return args.out.device_virt_addr;
}
static inline uint64_t make_cb(const struct buffer* b) {
  union hl_cb_args args;
  memset(&args, 0, sizeof args);
  args.in.op = HL_CB_OP_CREATE;
  args.in.cb_size = 4 * b->count;
  must(ioctl(fd, HL_IOCTL_CB, &args) == 0, "CB/CREATE");
  const uint64_t handle = args.out.cb_handle;
  void* const memory =
      mmap(NULL, 4 * b->count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)handle);
  must(memory != MAP_FAILED, "mmap of a command buffer");
  memcpy(memory, b->words, 4 * b->count);
  munmap(memory, 4 * b->count);
  return handle;
}
/* Commands that a handle of the kernel's, or an address of the device's, stands for. */
static inline struct hl_cs_chunk chunk_of(uint32_t queue, uint64_t commands, uint32_t bytes,
                                          uint32_t flags) {
  struct hl_cs_chunk chunk;
  memset(&chunk, 0, sizeof chunk);
  chunk.queue_index = queue;
  chunk.cb_handle = commands;
  chunk.cb_size = bytes;
  chunk.cs_chunk_flags = flags;
  return chunk;
}
/* In a buffer of the kernel's. */
static inline struct hl_cs_chunk by_handle(uint32_t queue, const struct buffer* b) {
  return chunk_of(queue, make_cb(b), 4 * b->count, 0);
}
static inline int submit(struct hl_cs_chunk* chunks, uint32_t count, uint32_t flags,
                         uint32_t timeout, uint64_t* sequence) {
  union hl_cs_args args;
  memset(&args, 0, sizeof args);
  args.in.chunks_execute = (uint64_t)(uintptr_t)chunks;
  args.in.num_chunks_execute = count;
  args.in.cs_flags = flags;
  args.in.timeout = timeout;
  const int error = ioctl(fd, HL_IOCTL_CS, &args);
  *sequence = args.out.seq;
  return error;
}
static inline int wait_for(uint64_t sequence, uint64_t microseconds, uint32_t* status) {
  union hl_wait_cs_args args;
  memset(&args, 0, sizeof args);
  args.in.seq = sequence;
  args.in.timeout_us = microseconds;
  const int error = ioctl(fd, HL_IOCTL_WAIT_CS, &args);
  *status = args.out.status;
  return error;
}
static inline void run(struct hl_cs_chunk* chunks, uint32_t count, const char* what) {
  uint64_t sequence;
  uint32_t status = 99;
  must(submit(chunks, count, 0, 0, &sequence) == 0, what);
  must(wait_for(sequence, 10000000, &status) == 0 && status == HL_WAIT_CS_STATUS_COMPLETED, what);
}

/* Something that waits at a fence for nobody: an event and ETIMEDOUT after three seconds of its
 * own, a dead open, and a card that opens again. */
static inline void time_out_on(uint32_t queue) {
  struct hl_info_args args;
  memset(&args, 0, sizeof args);
  args.op = HL_INFO_REGISTER_EVENTFD;
  const int events = eventfd(0, EFD_CLOEXEC);
  args.eventfd = (uint32_t)events;
  must(ioctl(fd, HL_IOCTL_INFO, &args) == 0, "REGISTER_EVENTFD");
  struct buffer b = {{0}, 0};
  put_fence(&b, 1);
  struct hl_cs_chunk chunk = by_handle(queue, &b);
  uint64_t sequence;
  uint32_t status;
  must(submit(&chunk, 1, HL_CS_FLAGS_CUSTOM_TIMEOUT, 3, &sequence) == 0, "what hangs");
  check(wait_for(sequence, 100000, &status) == 0 && status == HL_WAIT_CS_STATUS_BUSY,
        "it is busy for 100 ms");
  check(wait_for(sequence, 10000000, &status) == -1 && errno == ETIMEDOUT, "it times out");
  struct pollfd look = {events, POLLIN, 0};
  check(poll(&look, 1, 0) == 1, "an event came");
  uint64_t mask = 0;
  info(HL_INFO_GET_EVENTS, &mask, sizeof mask);
  check((mask & HL_NOTIFIER_EVENT_CS_TIMEOUT) != 0, "it is the timeout");
  union hl_cb_args cb;
  memset(&cb, 0, sizeof cb);
  cb.in.op = HL_CB_OP_CREATE;
  cb.in.cb_size = 64;
  check(ioctl(fd, HL_IOCTL_CB, &cb) == -1 && errno == ENODEV, "the open is dead");
  close(events);
  close(fd);
  fd = open_card();
  check(fd >= 0, "the card opens again after the reset");
}

#endif  // SIMULATOR_DEVICE_NODE_PROGRAMS_PROGRAM_H_
