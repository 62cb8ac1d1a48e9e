// Resetting: the node is closed, which resets a device that is left busy, and opened again; what
// callers hold is made again under its old names.
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/habanalabs/driver.h"
#include "hal/habanalabs/errors.h"
#include "hal/habanalabs/opening.h"

namespace openhpu::hal::habanalabs {
namespace {

// Shared mappings of it are ordinary zeroed memory: they keep a command memory's addresses while
// there is no node.
constexpr char kPlaceholder[] = "/dev/zero";

// By what the low bits of a mapping's device address may be those of the host address: the page
// sizes of the host's MMU.
constexpr uint64_t kHostPages[] = {uint64_t{4} << 10, uint64_t{2} << 20};

}  // namespace

absl::Status Driver::Reset() {
  MutexLock lock(&memory_mutex_);
  gate_.Shut(*syscalls_);
  AbortOpenSubmissions();
  LetGoOfCommandMemories();
  connection_.Close();
  FreeRetired();
  absl::Status status = Reconnect();
  if (status.ok()) status = RestoreCommandMemories();
  if (status.ok()) status = RestoreMappings();
  // Else new mappings could take addresses that old ones still want.
  if (!status.ok()) connection_.Close();
  {
    MutexLock state(&mutex_);
    failed_ = !status.ok();
    failure_ =
        status.ok() ? "" : absl::StrCat("the last one failed: ", std::string(status.message()));
  }
  if (status.ok()) health_.Add(HealthEvent::Kind::kReset, "the device was reset");
  gate_.Reopen();
  return status;
}

void Driver::AbortOpenSubmissions() {
  std::vector<Sequence> open;
  {
    MutexLock lock(&mutex_);
    open = submissions_.Open();
  }
  // What was complete before stays so, waited for or not.
  if (connection_.is_open()) {
    for (Sequence sequence : open) {
      hl_wait_cs_args args;
      int error = 0;
      do {  // a poll, so the lock is short
        args = {};
        MutexLock lock(&mutex_);
        args.in.seq = submissions_.kernel(sequence);
        error = connection_.Wait(&args);
      } while (error == -EINTR);
      if (error == 0 && (args.out.status == HL_WAIT_CS_STATUS_COMPLETED ||
                         (args.out.flags & HL_WAIT_CS_STATUS_FLAG_GONE))) {
        MutexLock lock(&mutex_);
        submissions_.Complete(sequence);
      }
    }
    CollectEvents();
  }
  MutexLock lock(&mutex_);
  for (Sequence sequence : open) {
    submissions_.Fail(sequence,
                      absl::AbortedError(absl::StrCat("submission ", sequence.value(),
                                                      " was lost in a reset of the device")));
  }
  submissions_.Restart();
}

void Driver::LetGoOfCommandMemories() {
  if (generation_.maps_commands) return;  // it is no mapping of the node
  // A mapping of the node would keep it open. Where there is no placeholder, mappings stay until
  // new ones replace them.
  const int placeholder = syscalls_->Open(kPlaceholder, O_RDWR | O_CLOEXEC);
  for (CommandMemories::Entry* entry : command_memories_.All()) {
    // 0: done already, by a reset that failed later.
    if (entry->kernel.exchange(0) == 0 || placeholder < 0) continue;
    const std::vector<std::byte> contents(entry->bytes.begin(), entry->bytes.end());
    void* mapped = nullptr;
    if (syscalls_->Map(entry->bytes.data(), contents.size(), placeholder, 0, &mapped) == 0) {
      std::memcpy(entry->bytes.data(), contents.data(), contents.size());
    }
  }
  if (placeholder >= 0) syscalls_->Close(placeholder);
}

absl::Status Driver::Reconnect() {
  ASSIGN_OR_RETURN(Connection connection,
                   Connection::Open(syscalls_.get(), connection_.node(), kReopenPatience));
  ASSIGN_OR_RETURN(const Device now, TakeDevice(connection, info_.dram_user_base));
  if (now.info.chip.SerializeAsString() != info_.chip.SerializeAsString()) {
    return absl::InternalError(
        absl::StrCat(connection.node().path, " is another card since the reset"));
  }
  connection_ = std::move(connection);
  health_.Attach(connection_);
  connection_.RegisterEvents();
  return absl::OkStatus();
}

absl::Status Driver::RestoreCommandMemories() {
  for (CommandMemories::Entry* entry : command_memories_.All()) {
    if (generation_.maps_commands) {
      RETURN_IF_ERROR(
          RestoreMapping({entry->bytes.data(), entry->bytes.size()}, entry->kernel.load()));
      continue;
    }
    const std::vector<std::byte> contents(entry->bytes.begin(), entry->bytes.end());
    ASSIGN_OR_RETURN(const uint64_t kernel, CreateKernelBuffer(contents.size()));
    void* mapped = nullptr;
    if (const int result =
            syscalls_->Map(entry->bytes.data(), contents.size(), connection_.fd(), kernel, &mapped);
        result < 0) {
      return ErrorStatus(-result, absl::StrCat("mapping command memory of ", contents.size(),
                                               " bytes at its old address"));
    }
    std::memcpy(entry->bytes.data(), contents.data(), contents.size());
    entry->kernel.store(kernel);
  }
  return absl::OkStatus();
}

absl::Status Driver::RestoreMapping(const Mapping& mapping, uint64_t address) {
  absl::Status status;
  // A hint is for the start of a page; the kernel adds the offset in it (inferred: the UAPI does
  // not say, but mappings of any byte alignment keep theirs).
  for (const uint64_t page : kHostPages) {
    const absl::StatusOr<uint64_t> got = MapInKernel(mapping, address / page * page);
    status = got.status();
    if (!got.ok()) continue;
    if (*got == address) return absl::OkStatus();
    UnmapInKernel(*got);
    status = absl::InternalError(absl::StrCat(mapping.bytes, " bytes that were at 0x",
                                              absl::Hex(address), " before the reset came to 0x",
                                              absl::Hex(*got)));
  }
  return status;
}

absl::Status Driver::RestoreMappings() {
  for (const auto& [address, mapping] : mappings_) {
    RETURN_IF_ERROR(RestoreMapping(mapping, address));
  }
  return absl::OkStatus();
}

}  // namespace openhpu::hal::habanalabs
