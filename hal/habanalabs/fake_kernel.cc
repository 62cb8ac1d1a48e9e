#include "hal/habanalabs/fake_kernel.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace openhpu::hal::habanalabs {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDramHandle = 7;
constexpr uint32_t kWithoutCommands = HL_CS_FLAGS_SIGNAL | HL_CS_FLAGS_WAIT;

int Take(std::deque<int>& script) {
  if (script.empty()) return 0;
  const int error = script.front();
  script.pop_front();
  return error;
}

}  // namespace

class FakeKernel::Calls final : public Syscalls {
 public:
  explicit Calls(FakeKernel* kernel) : kernel_(*kernel) {}

  int Open(const std::string& path, int) override {
    MutexLock lock(&kernel_.mutex_);
    return kernel_.Open(path);
  }
  int Close(int fd) override {
    MutexLock lock(&kernel_.mutex_);
    return kernel_.Close(fd);
  }
  int Ioctl(int fd, unsigned long request, void* argument) override {
    if (kernel_.on_ioctl) kernel_.on_ioctl(request);
    MutexLock lock(&kernel_.mutex_);
    return kernel_.Ioctl(fd, request, argument);
  }
  int Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) override {
    MutexLock lock(&kernel_.mutex_);
    return kernel_.Map(at, bytes, fd, offset, mapped);
  }
  int Unmap(void* address, size_t) override {
    MutexLock lock(&kernel_.mutex_);
    return kernel_.Unmap(address);
  }
  int EventFd() override {
    MutexLock lock(&kernel_.mutex_);
    kernel_.files_open_[kernel_.next_fd_] = File::kEvent;
    return kernel_.next_fd_++;
  }
  int ReadEventFd(int, uint64_t* count) override {
    MutexLock lock(&kernel_.mutex_);
    if (kernel_.announced == 0) return -EAGAIN;
    *count = kernel_.announced;
    kernel_.announced = 0;
    return 0;
  }
  int ReadFile(const std::string& path, std::string* text) override {
    const auto file = kernel_.files.find(path);
    if (file == kernel_.files.end()) return -ENOENT;
    *text = file->second;
    return 0;
  }
  int ListFolder(const std::string& path, std::vector<std::string>* names) override {
    const auto folder = kernel_.folders.find(path);
    if (folder == kernel_.folders.end()) return -ENOENT;
    *names = folder->second;
    return 0;
  }
  absl::Time Now() override {
    MutexLock lock(&kernel_.mutex_);
    return kernel_.now;
  }
  void Sleep(absl::Duration duration) override {
    MutexLock lock(&kernel_.mutex_);
    ++kernel_.sleeps;
    kernel_.now += duration;
  }

 private:
  FakeKernel& kernel_;
};

FakeKernel::FakeKernel(Api which, uint32_t device_id) : api(which) {
  node = api == Api::kMisc ? "/dev/hl0" : "/dev/accel/accel0";
  ip.device_id = device_id;
  if (device_id == kGaudi2Id) {
    ip.dram_page_size = 0x30000000;
    ip.dram_base_address = dram_address;
    ip.dram_size = 127 * ip.dram_page_size;
    ip.sram_base_address = 0x1000FFFFFD000000;
    ip.sram_size = 0x3000000;
    ip.tpc_enabled_mask = 0xFF;
    ip.tpc_enabled_mask_ext = 0xFFFFFF;
    ip.edma_enabled_mask = 0xFF;
    next_address_ = 0xFFF0000000000000;
    most_in_flight = 64;
    return;
  }
  ip.dram_base_address = 0x20000000;
  ip.dram_size = 0x800000000 - 0x20000000;
  ip.sram_base_address = 0x7FF0000080;
  ip.sram_size = 0x1400000 - 0x80;
  ip.tpc_enabled_mask = 0xFF;
  ip.tpc_enabled_mask_ext = 0xFF;
}

FakeKernel::~FakeKernel() {
  for (const auto& [address, region] : regions_) std::free(address);
}

std::unique_ptr<Syscalls> FakeKernel::MakeSyscalls() { return std::make_unique<Calls>(this); }

int FakeKernel::Open(const std::string& path) {
  if (path == "/dev/zero" && has_placeholder) {
    files_open_[next_fd_] = File::kZero;
    return next_fd_++;
  }
  if (path != node) return -ENOENT;
  ++opens;
  if (const int error = Take(open_errors); error != 0) return error;
  // One context; a mapping holds its file open.
  for (const auto& [fd, file] : files_open_) {
    if (file == File::kNode) return -EBUSY;
  }
  if (has_placeholder) {
    for (const auto& [address, region] : regions_) {
      if (region.is_node) return -EBUSY;
    }
  }
  files_open_[next_fd_] = File::kNode;
  next_sequence_ = 1;
  outcomes.clear();
  kinds_.clear();
  return next_fd_++;
}

int FakeKernel::Close(int fd) {
  const auto file = files_open_.find(fd);
  if (file == files_open_.end()) return -EBADF;
  if (file->second == File::kNode) {
    // The context goes with all it had.
    buffers_.clear();
    mappings_.clear();
    dram_allocated_ = mapped_dram_ = 0;
  }
  files_open_.erase(file);
  return 0;
}

int FakeKernel::Ioctl(int fd, unsigned long request, void* argument) {
  const auto file = files_open_.find(fd);
  if (file == files_open_.end()) return -EBADF;
  if (file->second != File::kNode) return -ENOTTY;
  ++ioctls;
  if (takes_interrupts && ioctls % 2 == 1) return -EINTR;
  const Requests& requests = RequestsOf(api);
  if (request == requests.info) return Info(*static_cast<hl_info_args*>(argument));
  if (request == requests.command_buffer) return Buffer(*static_cast<hl_cb_args*>(argument));
  if (request == requests.command_submission) return Submit(*static_cast<hl_cs_args*>(argument));
  if (request == requests.wait) return Wait(*static_cast<hl_wait_cs_args*>(argument));
  if (request == requests.memory) return Memory(*static_cast<hl_mem_args*>(argument));
  return -ENOTTY;
}

int FakeKernel::Info(hl_info_args& args) {
  if (const auto error = info_errors.find(args.op); error != info_errors.end()) {
    return error->second;
  }
  const auto answer = [&](const auto& value) {
    std::memcpy(reinterpret_cast<void*>(args.return_pointer), &value,
                std::min<size_t>(args.return_size, sizeof value));
    return 0;
  };
  switch (args.op) {
    case HL_INFO_HW_IP_INFO:
      return answer(ip);
    case HL_INFO_DRAM_USAGE: {
      hl_info_dram_usage usage = {};
      usage.dram_free_mem = ip.dram_size - dram_taken - dram_allocated_;
      usage.ctx_dram_mem = dram_allocated_;
      return answer(usage);
    }
    case HL_INFO_DEVICE_STATUS: {
      hl_info_device_status status = {};
      if (!statuses.empty()) {
        status.status = statuses.front();
        statuses.pop_front();
      }
      return answer(status);
    }
    case HL_INFO_SYNC_MANAGER: {
      hl_info_sync_manager manager = {};
      dcores.push_back(args.dcore_id);
      if (ip.device_id == kGaudi2Id) {
        manager.first_available_sync_object = args.dcore_id == 0 ? 413 : 8 * args.dcore_id;
        manager.first_available_monitor = args.dcore_id == 0 ? 289 : 0;
      } else if (args.dcore_id == HL_GAUDI_WS_DCORE) {
        manager.first_available_sync_object = GAUDI_FIRST_AVAILABLE_W_S_SYNC_OBJECT;
        manager.first_available_monitor = GAUDI_FIRST_AVAILABLE_W_S_MONITOR;
      } else {
        // Not what a Gaudi has: so that each corner is told from the others.
        manager.first_available_sync_object = 8 * args.dcore_id;
      }
      return answer(manager);
    }
    case HL_INFO_TIME_SYNC: {
      const hl_info_time_sync times = {1234, 5678};
      return answer(times);
    }
    case HL_INFO_HW_IDLE: {
      HwIdle idle = {};
      std::copy(std::begin(busy_engines), std::end(busy_engines), idle.busy_engines_mask_ext);
      idle.busy_engines_mask = static_cast<uint32_t>(busy_engines[0]);
      hl_info_hw_idle old;
      std::memcpy(&old, &idle, sizeof old);
      return api == Api::kMisc ? answer(old) : answer(idle);
    }
    case HL_INFO_ENGINE_STATUS:
      std::memcpy(reinterpret_cast<void*>(args.return_pointer), engine_text.data(),
                  engine_text.size());
      args.user_buffer_actual_size = static_cast<uint32_t>(engine_text.size());
      return 0;
    case HL_INFO_REGISTER_EVENTFD:
      return files_open_.count(static_cast<int>(args.eventfd)) == 0 ? -EINVAL : 0;
    case HL_INFO_GET_EVENTS: {
      const uint64_t bits = events;
      events = 0;
      return answer(bits);
    }
    case HL_INFO_UNDEFINED_OPCODE_EVENT:
      return answer(opcode);
    case HL_INFO_RAZWI_EVENT:
      return answer(razwi);
    case HL_INFO_CS_TIMEOUT_EVENT:
      return answer(timeout);
    case HL_INFO_CLK_THROTTLE_REASON:
      return answer(throttle);
    default:
      return -ENOTTY;
  }
}

int FakeKernel::Buffer(hl_cb_args& args) {
  if (const int error = Take(buffer_errors); error != 0) return error;
  if (args.in.op == HL_CB_OP_CREATE) {
    if (args.in.cb_size > HL_MAX_CB_SIZE) return -EINVAL;
    const uint64_t handle = next_buffer_;
    next_buffer_ += 0x1000;
    buffers_[handle] = args.in.cb_size;
    args = {};
    args.out.cb_handle = handle;
    return 0;
  }
  return buffers_.erase(args.in.cb_handle) == 1 ? 0 : -EINVAL;
}

int FakeKernel::CheckChunk(const hl_cs_chunk& chunk, uint32_t flags) const {
  if (ip.device_id != kGaudi2Id) {
    if (chunk.queue_index >= GAUDI_QUEUE_ID_SIZE) return -EINVAL;
    const bool has_handle =
        chunk.queue_index < GAUDI_QUEUE_ID_CPU_PQ && (flags & kWithoutCommands) == 0;
    return has_handle && buffers_.count(chunk.cb_handle) == 0 ? -EINVAL : 0;
  }
  if (chunk.queue_index >= GAUDI2_QUEUE_ID_SIZE) return -EINVAL;
  if ((flags & kWithoutCommands) != 0) return 0;
  // Without this the handle is that of a buffer, of which none was made.
  if ((chunk.cs_chunk_flags & HL_CS_CHUNK_FLAGS_USER_ALLOC_CB) == 0) return -EINVAL;
  const uint64_t begin = chunk.cb_handle, end = begin + chunk.cb_size;
  const auto is_in = [&](uint64_t base, uint64_t size) {
    return begin >= base && end >= begin && end <= base + size;
  };
  if (is_in(ip.sram_base_address, ip.sram_size)) return 0;
  if (mapped_dram_ != 0 && is_in(mapped_dram_, dram_allocated_)) return 0;
  for (const auto& [address, mapping] : mappings_) {
    if (is_in(address, mapping.map_host.mem_size)) return 0;
  }
  return -EFAULT;
}

int FakeKernel::Submit(hl_cs_args& args) {
  if (!records) {
    if (!submit_errors.empty()) return submit_errors.front();
    args.out.seq = next_sequence_++;
    return 0;
  }
  last_submission = args.in;
  const auto* const chunks = reinterpret_cast<const hl_cs_chunk*>(args.in.chunks_execute);
  last_chunks.assign(chunks, chunks + args.in.num_chunks_execute);
  if (const int error = Take(submit_errors); error != 0) return error;
  const uint32_t flags = args.in.cs_flags;
  for (const hl_cs_chunk& chunk : last_chunks) {
    if (const int error = CheckChunk(chunk, flags); error != 0) return error;
  }
  if (flags & HL_CS_FLAGS_WAIT) {
    const uint64_t signal = *reinterpret_cast<const __u64*>(last_chunks[0].signal_seq_arr);
    const auto kind = kinds_.find(signal);
    if (kind == kinds_.end() || (kind->second & HL_CS_FLAGS_SIGNAL) == 0) return -EINVAL;
  }
  if ((flags & HL_CS_FLAGS_STAGED_SUBMISSION) && !(flags & HL_CS_FLAGS_STAGED_SUBMISSION_FIRST)) {
    const auto kind = kinds_.find(args.in.seq);
    if (kind == kinds_.end() || !(kind->second & HL_CS_FLAGS_STAGED_SUBMISSION_FIRST)) {
      return -EINVAL;
    }
  }
  const auto busy = std::count_if(outcomes.begin(), outcomes.end(),
                                  [](const auto& one) { return one.second == Outcome::kBusy; });
  if (most_in_flight != 0 && static_cast<uint64_t>(busy) >= most_in_flight) return -EAGAIN;
  const uint64_t sequence = next_sequence_ + skipped_numbers;
  if (most_in_flight != 0 && sequence > most_in_flight) {
    const auto old = outcomes.begin();
    if (old->first <= sequence - most_in_flight && old->second == Outcome::kBusy) return -EAGAIN;
  }
  skipped_numbers = 0;
  next_sequence_ = sequence + 1;
  outcomes[sequence] = outcome;
  kinds_[sequence] = flags;
  args = {};
  args.out.seq = sequence;
  if (flags & HL_CS_FLAGS_SIGNAL) {
    args.out.sob_base_addr_offset = 4 * last_chunks[0].queue_index;
    args.out.sob_count_before_submission = static_cast<__u16>(sequence);
  }
  return 0;
}

int FakeKernel::Wait(hl_wait_cs_args& args) {
  const hl_wait_cs_in in = args.in;
  if (!records) {
    args = {};
    return 0;
  }
  wait_timeouts.push_back(in.timeout_us);
  if (const int error = Take(wait_errors); error != 0) return error;
  args = {};
  const bool is_multi = (in.flags & HL_WAIT_CS_FLAGS_MULTI_CS) != 0;
  const auto* const sequences = is_multi ? reinterpret_cast<const __u64*>(in.seq) : &in.seq;
  for (int i = 0; i < (is_multi ? in.seq_arr_len : 1); ++i) {
    const auto found = outcomes.find(sequences[i]);
    if (found == outcomes.end()) return -EINVAL;
    const bool is_forgotten = most_in_flight != 0 && sequences[i] + most_in_flight < next_sequence_;
    switch (is_forgotten ? Outcome::kGone : found->second) {
      case Outcome::kBusy:
        continue;
      case Outcome::kGone:
        args.out.flags = HL_WAIT_CS_STATUS_FLAG_GONE;
        break;
      case Outcome::kDone:
        break;
      case Outcome::kTimedOut:
        args.out.status = HL_WAIT_CS_STATUS_TIMEDOUT;
        return says_errors ? -ETIMEDOUT : 0;
      case Outcome::kAborted:
        args.out.status = HL_WAIT_CS_STATUS_ABORTED;
        return says_errors ? -EIO : 0;
    }
    args.out.cs_completion_map |= 1u << i;
    if (kinds_[sequences[i]] & HL_CS_FLAGS_TIMESTAMP) {
      args.out.flags |= HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD;
      args.out.timestamp_nsec = completion_time;
    }
    return 0;
  }
  args.out.status = HL_WAIT_CS_STATUS_BUSY;
  now += absl::Microseconds(static_cast<int64_t>(in.timeout_us));
  return 0;
}

int FakeKernel::Memory(hl_mem_args& args) {
  if (const int error = Take(memory_errors); error != 0) return error;
  if (args.in.op == HL_MEM_OP_UNMAP) {
    return mappings_.erase(args.in.unmap.device_virt_addr) == 1 ? 0 : -EINVAL;
  }
  if (args.in.op == HL_MEM_OP_ALLOC) {
    const uint64_t bytes = args.in.alloc.mem_size;
    if (bytes == 0 || bytes > ip.dram_size - dram_taken - dram_allocated_) return -ENOMEM;
    dram_allocated_ = bytes;
    args = {};
    args.out.handle = kDramHandle;
    return 0;
  }
  if (args.in.op == HL_MEM_OP_MAP && !(args.in.flags & HL_MEM_USERPTR)) return MapDram(args);
  if (args.in.op != HL_MEM_OP_MAP || !(args.in.flags & HL_MEM_USERPTR)) return -EINVAL;
  const hl_mem_in in = args.in;
  uint64_t base = next_address_;
  if (in.map_host.hint_addr != 0) {
    base = in.map_host.hint_addr;
    if (base % kPage != 0) return unaligned_hint_error != 0 ? unaligned_hint_error : -EINVAL;
  } else {
    next_address_ += (in.map_host.mem_size / kPage + 2) * kPage;
  }
  const uint64_t address = base + in.map_host.host_virt_addr % kPage;
  if (mappings_.count(address) != 0) return -ENOMEM;
  mappings_[address] = in;
  args = {};
  args.out.device_virt_addr = address;
  return 0;
}

int FakeKernel::MapDram(hl_mem_args& args) {
  if (args.in.map_device.handle != kDramHandle || dram_allocated_ == 0) return -EINVAL;
  if (mapped_dram_ != 0) return -EINVAL;
  const bool is_forced = (args.in.flags & HL_MEM_FORCE_HINT) != 0;
  mapped_dram_ = is_forced ? args.in.map_device.hint_addr : dram_address;
  args = {};
  args.out.device_virt_addr = mapped_dram_;
  return 0;
}

int FakeKernel::Map(void* at, size_t bytes, int fd, uint64_t offset, void** mapped) {
  if (const int error = Take(map_errors); error != 0) return error;
  const auto file = files_open_.find(fd);
  if (file == files_open_.end()) return -EBADF;
  const bool is_node = file->second == File::kNode;
  if (is_node) {
    const auto buffer = buffers_.find(offset);
    if (buffer == buffers_.end() || bytes > buffer->second) return -EINVAL;
  }
  if (at == nullptr) at = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  // Another object lies there now.
  std::memset(at, 0, bytes);
  regions_[at] = {bytes, is_node};
  *mapped = at;
  return 0;
}

int FakeKernel::Unmap(void* address) {
  if (regions_.erase(address) == 0) return -EINVAL;
  std::free(address);
  return 0;
}

}  // namespace openhpu::hal::habanalabs
