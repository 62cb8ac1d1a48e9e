// FakeKernel: a habanalabs kernel driver in memory, for tests of the driver over it: one Gaudi or
// Gaudi2, its node by either interface, command buffers, mappings, submissions that complete at
// once or when the test says so, and errors by script. It knows bytes and bookkeeping, not
// hardware.
//
// Threading: calls of the driver from any thread; the test sets members while none is under way.
#ifndef HAL_HABANALABS_FAKE_KERNEL_H_
#define HAL_HABANALABS_FAKE_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "hal/base/mutex.h"
#include "hal/habanalabs/syscalls.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {

class FakeKernel {
 public:
  // `device_id`: of Gaudi, Gaudi2 or, to be refused, another.
  explicit FakeKernel(Api api = Api::kMisc, uint32_t device_id = kGaudiId);
  ~FakeKernel();

  // For a driver, which may not outlive the kernel.
  std::unique_ptr<Syscalls> MakeSyscalls();

  // What there is.
  Api api;
  std::string node;                                         // "/dev/hl0", "/dev/accel/accel0"
  std::map<std::string, std::string> files;                 // of sysfs
  std::map<std::string, std::vector<std::string>> folders;  // of sysfs
  bool has_placeholder = true;                              // /dev/zero
  hl_info_hw_ip_info ip = {};

  // Scripts: each call takes the first, a negative errno, or 0 for what it does by itself.
  std::deque<int> open_errors, submit_errors, wait_errors, buffer_errors, memory_errors, map_errors;
  std::deque<uint32_t> statuses;                // of DEVICE_STATUS, then operational
  std::map<uint32_t, int> info_errors;          // by op
  std::function<void(unsigned long)> on_ioctl;  // with each request, before it; it may make others
  bool takes_interrupts = false;                // every other ioctl is interrupted
  int unaligned_hint_error = 0;                 // what a hint gets that is not a page's

  // Submissions: the kernel's numbers count from 1 in each context.
  enum class Outcome : uint8_t { kDone, kBusy, kTimedOut, kAborted, kGone };
  Outcome outcome = Outcome::kDone;      // of new ones
  bool says_errors = true;               // of lost ones by errno, not by status alone
  std::map<uint64_t, Outcome> outcomes;  // of those there are
  uint64_t skipped_numbers = 0;          // that the next submission leaves out
  // Busy ones; more are EAGAIN, and so is one that this many follow while it is busy. What this
  // many have followed is forgotten. 0: without limit.
  uint64_t most_in_flight = 0;
  int64_t completion_time = 0;  // of those that asked for it

  // DRAM of Gaudi2: what is taken, and where the kernel maps it.
  uint64_t dram_taken = 0;
  uint64_t dram_address = 0x1001001800000000;

  uint64_t busy_engines[4] = {0x1001};  // by id; the misc interface tells half of them

  // Health.
  uint64_t events = 0;
  uint64_t announced = 0;  // the eventfd's count
  hl_info_undefined_opcode_event opcode = {};
  hl_info_razwi_event razwi = {};
  hl_info_cs_timeout_event timeout = {};
  hl_info_clk_throttle throttle = {};
  std::string engine_text = "DMA0: idle\n";

  // What the driver did. Without `records` the kernel keeps nothing of submissions, which are done.
  bool records = true;
  int opens = 0, ioctls = 0, sleeps = 0;
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  hl_cs_in last_submission = {};
  std::vector<hl_cs_chunk> last_chunks;
  std::vector<uint64_t> wait_timeouts;  // in microseconds
  std::vector<uint32_t> dcores;         // that SYNC_MANAGER was asked for
  size_t buffers() const { return buffers_.size(); }
  size_t mappings() const { return mappings_.size(); }
  size_t mapped_regions() const { return regions_.size(); }
  size_t open_files() const { return files_open_.size(); }
  const std::map<uint64_t, hl_mem_in>& mapped_host() const { return mappings_; }
  uint64_t mapped_dram() const { return mapped_dram_; }  // its address, 0 without

 private:
  class Calls;
  enum class File : uint8_t { kNode, kEvent, kZero };
  struct Region {
    size_t bytes;
    bool is_node;
  };

  int Open(const std::string& path);
  int Close(int fd);
  int Ioctl(int fd, unsigned long request, void* argument);
  int Info(hl_info_args& args);
  int Buffer(hl_cb_args& args);
  int Submit(hl_cs_args& args);
  int CheckChunk(const hl_cs_chunk& chunk, uint32_t flags) const;
  int MapDram(hl_mem_args& args);
  int Wait(hl_wait_cs_args& args);
  int Memory(hl_mem_args& args);
  int Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped);
  int Unmap(void* address);

  Mutex mutex_;
  std::map<int, File> files_open_;
  int next_fd_ = 3;
  std::map<uint64_t, uint32_t> buffers_;  // by handle: bytes
  uint64_t next_buffer_ = 0x10000;
  std::map<uint64_t, hl_mem_in> mappings_;  // by device address
  uint64_t next_address_ = 0x1000000000000;
  uint64_t dram_allocated_ = 0, mapped_dram_ = 0;
  std::map<void*, Region> regions_;  // of mmap
  uint64_t next_sequence_ = 1;
  std::map<uint64_t, uint32_t> kinds_;  // flags of submissions, by number
};

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_FAKE_KERNEL_H_
