// Opening, closing, and which ioctl is whose.
#include "simulator/device_node/node.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"
#include "simulator/device_node/node_impl.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

// The kernel's words for a status, as sysfs has them.
std::string_view NameOf(hl_device_status status) {
  switch (status) {
    case HL_DEVICE_STATUS_OPERATIONAL:
      return "Operational";
    case HL_DEVICE_STATUS_IN_RESET:
      return "In reset";
    case HL_DEVICE_STATUS_MALFUNCTION:
      return "Malfunction";
    case HL_DEVICE_STATUS_NEEDS_RESET:
      return "Needs Reset";
    case HL_DEVICE_STATUS_IN_DEVICE_CREATION:
      return "In device creation";
    case HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE:
      return "In reset after device release";
  }
  return "";
}

unsigned long FirstRequest(NodeApi api) {
  return uapi::RequestsOf(api == NodeApi::kMisc ? uapi::Api::kMisc : uapi::Api::kAccel).info;
}

// The file that a descriptor is open on.
std::string PathOf(int fd) {
  char path[4096];
  const ssize_t length = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceNode>> DeviceNode::Create(const Options& options) {
  ASSIGN_OR_RETURN(Spec spec, ParseSpec(options.card));
  const std::vector<std::string> faults = absl::StrSplit(options.faults, ' ', absl::SkipEmpty());
  for (const std::string& text : faults) {
    ASSIGN_OR_RETURN(const InjectedFault fault, ParseFault(text));
    spec.faults.push_back(fault);
  }
  ASSIGN_OR_RETURN(const ChipKernel* const kernel, ChipKernelOf(spec.chip));
  return std::make_unique<Node>(options, spec, *kernel);
}

Node::Node(const Options& options, const Spec& spec, const ChipKernel& kernel)
    : options_(options),
      spec_(spec),
      kernel_(kernel),
      own_page_(StatusPage::OfThisProcess()),
      words_(&own_page_->words()) {}

void Node::SharePage() {
  std::call_once(page_once_, [this] {
    absl::StatusOr<std::unique_ptr<StatusPage>> page =
        StatusPage::Open(absl::StrCat(options_.directory, "/status"));
    if (!page.ok()) {
      Log(std::string(page.status().message()));
      return;
    }
    page_ = *std::move(page);
    words_ = &page_->words();
  });
}

Node::~Node() {
  {
    const Lock lock(mutex_);
    ends_ = true;
    changed_.notify_all();
    if (context_ != nullptr) ReleaseContext(*context_);
  }
  if (time_.joinable()) time_.join();
}

uint32_t Node::pci_device_id() const {
  return static_cast<uint32_t>(chip().pci_device_id().value());
}

std::string_view Node::device_type() const { return kernel_.device_type; }

void Node::Log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

int Node::Open(NodeKind kind, NodeApi api, int fd, std::shared_ptr<File>* file) {
  SharePage();
  auto opened = std::make_shared<File>();
  opened->kind = kind;
  opened->api = api;
  opened->fd = fd;
  if (kind == NodeKind::kControl) {
    *file = std::move(opened);
    return 0;
  }
  const Lock lock(mutex_);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return words().status.load() == HL_DEVICE_STATUS_OPERATIONAL ? -EBUSY : -EAGAIN;
  }
  // What a process left behind that no longer holds the lock.
  if (context_ != nullptr) ReleaseContext(*std::exchange(context_, nullptr));
  if (card_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Card>> card = Card::Create(options_.card, spec_);
    if (!card.ok()) {
      Log(absl::StrCat("the card cannot be made: ", std::string(card.status().message())));
      flock(fd, LOCK_UN);
      return absl::IsResourceExhausted(card.status()) ? -ENOMEM : -ENXIO;
    }
    card_ = *std::move(card);
    card_->LeaveWaitingToKernel();
    if (kernel_.maps_dram) card_->HideDram();
  }
  context_ =
      std::make_shared<Context>(chip().qman().max_pending_cs().value(), kernel_.sync_streams.count);
  if (kernel_.maps_dram) {
    const hal::AddressMap& map = chip().address_map();
    context_->device_memory =
        std::make_unique<DeviceMemory>(hal::UserDram(chip()).bytes, map.dram_page_bytes().value(),
                                       map.dram_va_start().value(), map.dram_va_end().value());
  }
  errors_ = Errors();
  vain_looks_ = 0;
  words().status = HL_DEVICE_STATUS_OPERATIONAL;
  words().holder = static_cast<uint64_t>(getpid());
  words().dram_used = 0;
  for (auto& word : words().busy_engines) word = 0;
  ++words().opens;
  lock_path_ = PathOf(fd);
  opened->context = context_;
  *file = std::move(opened);
  return 0;
}

void Node::Release(const std::shared_ptr<File>& file) {
  if (file->kind == NodeKind::kControl) return;
  const Lock lock(mutex_);
  if (file->context != context_ || context_ == nullptr) return;
  // A process that inherited a descriptor holds the lock on; whoever opens the node next cleans up.
  const int probe = open(lock_path_.c_str(), O_RDWR | O_CLOEXEC);
  const bool held = probe >= 0 && flock(probe, LOCK_EX | LOCK_NB) != 0;
  if (probe >= 0) close(probe);
  if (held) return;
  ReleaseContext(*std::exchange(context_, nullptr));
}

void Node::ReleaseContext(Context& context) {
  const bool busy = !context.dead && context.submissions.oldest() != nullptr &&
                    (Note(context), context.submissions.oldest() != nullptr);
  if (busy) {
    Log("the program closed the device while it was busy: hard reset");
    ++words().hard_resets;
  }
  if (card_ != nullptr) {
    // Sync objects, fences and queues are as after a reset for whoever comes next.
    (void)card_->Reset();
    (void)card_->TakeEvents();
    for (const auto& [handle, buffer] : context.buffers.all()) {
      (void)card_->DestroyCommandMemory(buffer.card_handle);
      if (buffer.device_address != 0) {
        (void)card_->UnmapHost(DeviceAddress(buffer.device_address));
      }
    }
    for (const auto& [address, bytes] : context.mappings) {
      (void)card_->UnmapHost(DeviceAddress(address));
    }
    if (context.device_memory != nullptr) {
      for (const auto& [address, handle] : context.device_memory->mappings()) {
        (void)card_->UnmapDram(DeviceAddress(address));
      }
    }
  }
  if (context.event_fd >= 0) close(context.event_fd);
  context.event_fd = -1;
  context.dead = true;
  in_reset_ = false;
  words().status = HL_DEVICE_STATUS_OPERATIONAL;
  words().holder = 0;
  words().dram_used = 0;
  for (auto& word : words().busy_engines) word = 0;
}

hl_device_status Node::status() const {
  return in_reset_ ? HL_DEVICE_STATUS_IN_RESET : HL_DEVICE_STATUS_OPERATIONAL;
}

int Node::Usable(const File& file) const {
  return file.context->dead ? -ENODEV : in_reset_ ? -EBUSY : 0;
}

int Node::Ioctl(File& file, unsigned long request, void* argument) {
  const unsigned long first = FirstRequest(file.api);
  const uint32_t index = _IOC_NR(request) - _IOC_NR(first);
  if (_IOC_TYPE(request) != _IOC_TYPE(first) || index >= uapi::kCommands) return -ENOTTY;
  const auto command = static_cast<uapi::Command>(index);
  // Control nodes answer questions alone.
  if (file.kind == NodeKind::kControl && command != uapi::Command::kInfo) return -ENOTTY;
  union {
    hl_info_args info;
    hl_cb_args cb;
    hl_cs_args cs;
    hl_wait_cs_args wait;
    hl_mem_args memory;
    hl_debug_args debug;
  } args;
  std::memset(&args, 0, sizeof args);
  // Sizes differ between releases: what the caller does not have is zero, what is not known here
  // stays as it is.
  const size_t bytes = std::min<size_t>(_IOC_SIZE(request), sizeof args);
  const auto user = reinterpret_cast<uint64_t>(argument);
  if (CopyFromUser(&args, user, bytes) != 0) return -EFAULT;
  int result = -ENOTTY;
  switch (command) {
    case uapi::Command::kInfo:
      result = InfoIoctl(file, args.info);
      break;
    case uapi::Command::kCb:
      result = CbIoctl(file, args.cb);
      break;
    case uapi::Command::kCs:
      result = CsIoctl(file, args.cs);
      break;
    case uapi::Command::kWaitCs:
      result = WaitIoctl(file, args.wait);
      break;
    case uapi::Command::kMemory:
      result = MemoryIoctl(file, args.memory);
      break;
    case uapi::Command::kDebug:
      result = DebugIoctl(file, args.debug);
      break;
  }
  if (CopyToUser(user, &args, bytes) != 0) return -EFAULT;
  return result;
}

int Node::ReadAttribute(std::string_view name, std::string* text) {
  SharePage();
  const auto number = [&](uint64_t value) { *text = absl::StrCat(value, "\n"); };
  if (name == "device_type") {
    *text = absl::StrCat(std::string(device_type()), "\n");
  } else if (name == "status") {
    *text = absl::StrCat(std::string(NameOf(static_cast<hl_device_status>(words().status.load()))),
                         "\n");
  } else if (name == "hard_reset_cnt") {
    number(words().hard_resets);
  } else if (name == "soft_reset_cnt") {
    number(words().soft_resets);
  } else if (name == "clk_max_freq_mhz") {
    number(chip().mme().clock_mhz().value());
  } else if (name == "clk_cur_freq_mhz") {
    const Lock lock(mutex_);
    number(ClockMhz());
  } else {
    return -ENOENT;
  }
  return 0;
}

int Node::WriteAttribute(std::string_view name, std::string_view text) {
  uint64_t value = 0;
  std::string trimmed(text);
  while (!trimmed.empty() && (trimmed.back() == '\n' || trimmed.back() == '\0')) trimmed.pop_back();
  if (!absl::SimpleAtoi(trimmed, &value)) return -EINVAL;
  if (name != "hard_reset" && name != "soft_reset") return -EACCES;
  const Lock lock(mutex_);
  if (context_ != nullptr && !context_->dead) {
    Log("reset asked for by sysfs");
    HardReset(*context_);
  } else {
    ++words().hard_resets;
  }
  return 0;
}

bool Node::IsRegister(uint64_t address) const {
  const hal::AddressMap& map = chip().address_map();
  return address - map.cfg_base().value() < map.cfg_bytes().value();
}

int Node::ReadWord(uint64_t address, int bytes, uint64_t* value) {
  const Lock lock(mutex_);
  if (card_ == nullptr || (bytes != 4 && bytes != 8)) return -EPERM;
  if (IsRegister(address)) {
    *value = 0;
    for (int i = 0; i < bytes / 4; ++i) {
      const absl::StatusOr<uint32_t> word =
          card_->ReadRegister(address + 4 * static_cast<uint64_t>(i));
      if (!word.ok()) return -EPERM;
      *value |= uint64_t{*word} << 32 * i;
    }
    return 0;
  }
  const std::byte* const memory = card_->Peek(DeviceAddress(address), static_cast<uint64_t>(bytes));
  if (memory == nullptr) return -EPERM;
  *value = 0;
  std::memcpy(value, memory, static_cast<size_t>(bytes));
  return 0;
}

int Node::WriteWord(uint64_t address, int bytes, uint64_t value) {
  const Lock lock(mutex_);
  if (card_ == nullptr || (bytes != 4 && bytes != 8)) return -EPERM;
  if (IsRegister(address)) {
    for (int i = 0; i < bytes / 4; ++i) {
      const absl::Status written = card_->WriteRegister(address + 4 * static_cast<uint64_t>(i),
                                                        static_cast<uint32_t>(value >> 32 * i));
      if (!written.ok()) return -EPERM;
    }
    return 0;
  }
  std::byte* const memory = card_->Peek(DeviceAddress(address), static_cast<uint64_t>(bytes));
  if (memory == nullptr) return -EPERM;
  std::memcpy(memory, &value, static_cast<size_t>(bytes));
  return 0;
}

int Node::DebugIoctl(File& file, hl_debug_args& args) {
  const Lock lock(mutex_);
  if (const int error = Usable(file); error != 0) return error;
  Context& context = *file.context;
  switch (args.op) {
    case HL_DEBUG_OP_SET_MODE:
      if ((args.enable != 0) == context.debug_mode) return -EFAULT;
      context.debug_mode = args.enable != 0;
      return 0;
    case HL_DEBUG_OP_ETR:
    case HL_DEBUG_OP_ETF:
    case HL_DEBUG_OP_STM:
    case HL_DEBUG_OP_FUNNEL:
    case HL_DEBUG_OP_BMON:
    case HL_DEBUG_OP_SPMU:
    case HL_DEBUG_OP_TIMESTAMP:
      // The trace units of the card: not modelled.
      return context.debug_mode ? -EOPNOTSUPP : -EFAULT;
    default:
      return -ENOTTY;
  }
}

}  // namespace openhpu::simulator
