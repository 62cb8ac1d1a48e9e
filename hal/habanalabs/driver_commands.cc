// Command memory. Gaudi's is buffers of the kernel's, which copies them at submission; Gaudi2's is
// memory of ours that the queues read, by its mapping, when they get there. So it stays, when it is
// destroyed, until what was submitted before is over.
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/errors.h"

namespace openhpu::hal::habanalabs {
namespace {

// Whole pages are mapped, and nothing else may lie in them.
constexpr uint64_t kHostPage = 4096;

absl::Status DestroyKernelBuffer(const Connection& connection, uint64_t kernel) {
  hl_cb_args args = {};
  args.in.op = HL_CB_OP_DESTROY;
  args.in.cb_handle = kernel;
  const int result = connection.CommandBuffer(&args);
  return result < 0 ? ErrorStatus(-result, "destroying command memory") : absl::OkStatus();
}

}  // namespace

Driver::~Driver() {
  MutexLock lock(&memory_mutex_);
  if (generation_.maps_commands) {
    connection_.Close();
    FreeRetired();
    for (const CommandMemories::Entry* entry : command_memories_.All()) {
      std::free(entry->bytes.data());
    }
    return;
  }
  // The mappings of command memory hold the node open; those of host memory go with it.
  for (const CommandMemories::Entry* entry : command_memories_.All()) {
    syscalls_->Unmap(entry->bytes.data(), entry->bytes.size());
  }
  connection_.Close();
}

absl::StatusOr<uint64_t> Driver::CreateKernelBuffer(uint64_t bytes) {
  hl_cb_args args = {};
  args.in.op = HL_CB_OP_CREATE;
  args.in.cb_size = static_cast<uint32_t>(bytes);
  if (const int result = connection_.CommandBuffer(&args); result < 0) {
    return ErrorStatus(-result, absl::StrCat("creating command memory of ", bytes, " bytes"));
  }
  return args.out.cb_handle;
}

absl::StatusOr<Driver::Commands> Driver::CreateBufferCommands(uint64_t bytes) {
  Commands commands;
  ASSIGN_OR_RETURN(commands.kernel, CreateKernelBuffer(bytes));
  void* mapped = nullptr;
  if (const int result = syscalls_->Map(nullptr, bytes, connection_.fd(), commands.kernel, &mapped);
      result < 0) {
    DestroyKernelBuffer(connection_, commands.kernel).IgnoreError();
    return ErrorStatus(-result, absl::StrCat("mapping command memory of ", bytes, " bytes"));
  }
  commands.bytes = {static_cast<std::byte*>(mapped), static_cast<size_t>(bytes)};
  return commands;
}

absl::Status Driver::DestroyBufferCommands(const Commands& commands) {
  const int unmapped = syscalls_->Unmap(commands.bytes.data(), commands.bytes.size());
  if (connection_.is_open() && commands.kernel != 0) {
    RETURN_IF_ERROR(DestroyKernelBuffer(connection_, commands.kernel));
  }
  return unmapped < 0 ? ErrorStatus(-unmapped, "unmapping command memory") : absl::OkStatus();
}

absl::StatusOr<Driver::Commands> Driver::CreateMappedCommands(uint64_t bytes) {
  ReleaseRetired();
  const uint64_t pages = (bytes + kHostPage - 1) / kHostPage * kHostPage;
  void* const memory = std::aligned_alloc(kHostPage, pages);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the host has no ", pages, " bytes for command memory"));
  }
  // As the kernel's are.
  std::memset(memory, 0, pages);
  Commands commands;
  commands.bytes = {static_cast<std::byte*>(memory), static_cast<size_t>(bytes)};
  const absl::StatusOr<uint64_t> address = MapInKernel({memory, bytes}, 0);
  if (!address.ok()) {
    std::free(memory);
    return address.status();
  }
  commands.kernel = *address;
  return commands;
}

absl::StatusOr<CommandMemory> Driver::CreateCommandMemory(uint64_t bytes) {
  if (bytes == 0 || bytes > generation_.max_command_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("command memory of ", bytes, " bytes: 1 to ",
                                                   generation_.max_command_bytes, " can be had"));
  }
  MutexLock lock(&memory_mutex_);
  if (!connection_.is_open()) return NeedsReset();
  const bool maps = generation_.maps_commands;
  ASSIGN_OR_RETURN(const Commands commands,
                   maps ? CreateMappedCommands(bytes) : CreateBufferCommands(bytes));
  const absl::StatusOr<uint64_t> handle = command_memories_.Add(commands.kernel, commands.bytes);
  if (!handle.ok()) {
    if (maps) {
      UnmapInKernel(commands.kernel);
      std::free(commands.bytes.data());
    } else {
      DestroyBufferCommands(commands).IgnoreError();
    }
    return handle.status();
  }
  CommandMemory memory;
  memory.handle = *handle;
  memory.bytes = commands.bytes;
  return memory;
}

absl::Status Driver::DestroyCommandMemory(uint64_t handle) {
  MutexLock lock(&memory_mutex_);
  CommandMemories::Entry* const entry = command_memories_.Find(handle);
  if (entry == nullptr) {
    return absl::NotFoundError(absl::StrCat("no command memory with handle ", handle));
  }
  const Commands commands = {entry->kernel.load(), entry->bytes};
  command_memories_.Remove(entry);
  if (!generation_.maps_commands) return DestroyBufferCommands(commands);
  {
    MutexLock state(&mutex_);
    retired_.push_back({commands.bytes, commands.kernel, submissions_.last()});
  }
  ReleaseRetired();
  return absl::OkStatus();
}

bool Driver::IsOverInKernel(Sequence last) {
  std::vector<std::pair<Sequence, uint64_t>> open;
  {
    MutexLock lock(&mutex_);
    for (Sequence sequence : submissions_.Open()) {
      if (sequence <= last) open.emplace_back(sequence, submissions_.kernel(sequence));
    }
  }
  for (const auto& [sequence, kernel] : open) {
    const absl::Status status = WaitInKernel(sequence, kernel, absl::ZeroDuration());
    if (absl::IsDeadlineExceeded(status) || absl::IsUnavailable(status)) return false;
  }
  MutexLock lock(&mutex_);
  return !submissions_.HasOutlived(last);
}

void Driver::ReleaseRetired() {
  if (!connection_.is_open()) return FreeRetired();
  while (!retired_.empty() && IsOverInKernel(retired_.front().last)) {
    UnmapInKernel(retired_.front().address);
    std::free(retired_.front().bytes.data());
    retired_.pop_front();
  }
}

void Driver::FreeRetired() {
  for (const RetiredCommands& retired : retired_) std::free(retired.bytes.data());
  retired_.clear();
}

}  // namespace openhpu::hal::habanalabs
