#include "simulator/device_node/node_fuzz.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <misc/habanalabs.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "simulator/device_node/node.h"
#include "simulator/device_node/uapi.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

constexpr size_t kPage = 4096, kBufferPages = 4, kBufferBytes = kBufferPages * kPage;
constexpr int kMostCalls = 64, kWords = 8;
constexpr size_t kArgumentBytes = kWords * sizeof(uint64_t);
constexpr int kHighestErrno = 4095;
// With little memory, so that filling all of it takes no time.
constexpr char kGaudi[] =
    "sim:tiny,mode=functional,address_map.dram_bytes=0x20100000,address_map.sram_bytes=0x10000";
constexpr char kGaudi2[] =
    "sim:gaudi2,mode=functional,address_map.sram_bytes=0x10000,address_map.dram_bytes=0x110000,"
    "address_map.dram_user_base=0x1001000000010000,address_map.dram_page_bytes=0x10000,"
    "address_map.dram_va_start=0x1001000000110000,tpc.count=6";

void Require(bool holds, const char* what, long value) {
  if (holds) return;
  std::fprintf(stderr, "the node is broken: %s: %ld\n", what, value);
  std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  size_t left() const { return left_; }
  // Zeros behind the end.
  void Take(void* to, size_t bytes) {
    if (bytes == 0) return;
    const size_t taken = std::min(bytes, left_);
    std::memset(to, 0, bytes);
    if (taken != 0) std::memcpy(to, data_, taken);
    data_ += taken;
    left_ -= taken;
  }
  uint8_t Byte() {
    uint8_t byte;
    Take(&byte, 1);
    return byte;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// A program's memory: a page without rights, a buffer, a page without, one that cannot be written,
// one without.
class Program {
 public:
  explicit Program(const char* card) {
    void* const memory =
        mmap(nullptr, (kBufferPages + 4) * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Require(memory != MAP_FAILED, "no memory", 0);
    buffer_ = static_cast<std::byte*>(memory) + kPage;
    Require(mprotect(buffer_, kBufferBytes, PROT_READ | PROT_WRITE) == 0, "no memory", 1);
    Require(mprotect(read_only(), kPage, PROT_READ) == 0, "no memory", 2);
    event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    std::string folder = std::filesystem::temp_directory_path() / "openhpu-fuzz-XXXXXX";
    Require(mkdtemp(folder.data()) != nullptr, "no folder", 0);
    folder_ = folder;
    DeviceNode::Options options;
    options.directory = folder;
    options.card = card;
    auto node = DeviceNode::Create(options);
    Require(node.ok(), node.status().ToString().c_str(), 0);
    node_ = *std::move(node);
  }
  ~Program() {
    node_.reset();
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  NodeFuzzed Run(NodeApi api, Input& input) {
    done_ = NodeFuzzed();
    std::memset(buffer_, 0, kBufferBytes);
    results_.assign(1, static_cast<uint64_t>(event_fd_));
    Open(api);
    for (int call = 0; call < kMostCalls && input.left() > 0; ++call) {
      switch (static_cast<FuzzCall>(input.Byte() % static_cast<uint8_t>(FuzzCall::kCount))) {
        case FuzzCall::kIoctl:
          Ioctl(*compute_, api, input);
          break;
        case FuzzCall::kControlIoctl:
          Ioctl(*control_, api, input);
          break;
        case FuzzCall::kWriteMemory:
          Write(buffer_, kBufferBytes, input);
          break;
        case FuzzCall::kWriteCommands:
          Write(commands_, commands_bytes_, input);
          break;
        case FuzzCall::kMap:
          Map(input);
          break;
        case FuzzCall::kAttribute:
          Attribute(input);
          break;
        case FuzzCall::kDebugWord:
          DebugWord(input);
          break;
        case FuzzCall::kReopen:
          Close();
          Open(api);
          break;
        case FuzzCall::kStoreWord: {
          const size_t at = size_t{input.Byte()} * sizeof(uint64_t);
          const uint64_t word = Word(input);
          std::memcpy(buffer_ + at, &word, sizeof word);
          break;
        }
        case FuzzCall::kCount:
          break;
      }
    }
    Close();
    return done_;
  }

 private:
  std::byte* read_only() { return buffer_ + kBufferBytes + kPage; }

  std::shared_ptr<DeviceNode::File> OpenOne(NodeKind kind, NodeApi api, const char* name, int* fd) {
    *fd = open((folder_ + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    Require(*fd >= 0, "no file", *fd);
    std::shared_ptr<DeviceNode::File> file;
    const int error = node_->Open(kind, api, *fd, &file);
    Require(error == 0, "does not open", error);
    return file;
  }
  void Open(NodeApi api) {
    compute_ = OpenOne(NodeKind::kCompute, api, "/hl0", &compute_fd_);
    control_ = OpenOne(NodeKind::kControl, api, "/control", &control_fd_);
  }
  void Close() {
    close(compute_fd_);
    close(control_fd_);
    node_->Release(std::exchange(compute_, nullptr));
    node_->Release(std::exchange(control_, nullptr));
    // The device may have been given them, too: a program keeps what it has mapped for a device.
    for (const auto& [memory, bytes] : all_commands_) {
      munmap(memory, bytes);
      ForgetUserMemory(reinterpret_cast<uint64_t>(memory), bytes);
    }
    all_commands_.clear();
    commands_ = nullptr;
    commands_bytes_ = 0;
  }

  uint64_t Pointer(Input& input) {
    const auto kind =
        static_cast<FuzzPointer>(input.Byte() % static_cast<uint8_t>(FuzzPointer::kCount));
    const uint64_t added = uint64_t{input.Byte()} * sizeof(uint64_t);
    const auto at = [](const void* pointer) { return reinterpret_cast<uint64_t>(pointer); };
    switch (kind) {
      case FuzzPointer::kSmall:
        return 1 + added;
      case FuzzPointer::kBuffer:
        return at(buffer_) + added;
      case FuzzPointer::kEndOfBuffer:
        return at(buffer_ + kBufferBytes) - added;
      case FuzzPointer::kGuard:
        return at(buffer_ + kBufferBytes) + added;
      case FuzzPointer::kReadOnly:
        return at(read_only()) + added;
      case FuzzPointer::kKernel:
        return 0xFFFF888000000000 + added;
      case FuzzPointer::kHighest:
        return ~added;
      case FuzzPointer::kCommands:
        return commands_ == nullptr ? 0 : at(commands_) + added;
      case FuzzPointer::kNull:
      case FuzzPointer::kCount:
        break;
    }
    return 0;
  }
  uint64_t Word(Input& input) {
    switch (static_cast<FuzzWord>(input.Byte() % static_cast<uint8_t>(FuzzWord::kCount))) {
      case FuzzWord::kTwo: {
        const uint64_t low = input.Byte();
        return low | uint64_t{input.Byte()} << 32;
      }
      case FuzzWord::kLong: {
        uint64_t word;
        input.Take(&word, sizeof word);
        return word;
      }
      case FuzzWord::kPointer:
        return Pointer(input);
      case FuzzWord::kResult: {
        const uint64_t result = results_[input.Byte() % results_.size()];
        return result + input.Byte();
      }
      case FuzzWord::kByte:
      case FuzzWord::kCount:
        break;
    }
    return input.Byte();
  }

  // The process has memory of its own, and of a sanitizer, which a program of the node's would not
  // point at: such a pointer becomes one to nowhere.
  uint64_t Tamed(uint64_t word) const {
    constexpr uint64_t kFirst = uint64_t{1} << 31, kCanonical = uint64_t{1} << 47;
    const auto in = [word](const std::byte* memory, size_t bytes) {
      return word - reinterpret_cast<uint64_t>(memory) < bytes;
    };
    if (word < kFirst || word >= kCanonical) return word;
    if (in(buffer_ - kPage, (kBufferPages + 4) * kPage)) return word;
    for (const auto& [memory, bytes] : all_commands_) {
      if (in(memory, bytes)) return word;
    }
    return word | kCanonical;
  }

  // Where the ioctls' arguments have pointers, and the first chunk of a submission that waits.
  void TamePointers(uint32_t command, std::array<uint64_t, kWords>& words) {
    words[0] = Tamed(words[0]);
    if (static_cast<uapi::Command>(command) != uapi::Command::kCs) return;
    words[1] = Tamed(words[1]);
    const uint64_t offset = words[1] - reinterpret_cast<uint64_t>(buffer_);
    if ((words[4] >> 32 & HL_CS_FLAGS_WAIT) == 0 || offset > kBufferBytes - sizeof offset) return;
    uint64_t signals;
    std::memcpy(&signals, buffer_ + offset, sizeof signals);
    signals = Tamed(signals);
    std::memcpy(buffer_ + offset, &signals, sizeof signals);
  }

  void Ioctl(DeviceNode::File& file, NodeApi api, Input& input) {
    constexpr size_t kSizes[] = {sizeof(hl_info_args), sizeof(hl_cb_args),
                                 sizeof(hl_cs_args),   sizeof(hl_wait_cs_args),
                                 sizeof(hl_mem_args),  sizeof(hl_debug_args)};
    static_assert(std::size(kSizes) == uapi::kCommands);
    static_assert(sizeof(hl_cs_args) <= kArgumentBytes && sizeof(hl_info_args) <= kArgumentBytes);
    const unsigned long first =
        uapi::RequestsOf(api == NodeApi::kMisc ? uapi::Api::kMisc : uapi::Api::kAccel).info;
    const uint32_t command = input.Byte();
    const uint32_t asked = input.Byte();  // 0: what the command's is
    const size_t natural = command < std::size(kSizes) ? kSizes[command] : kArgumentBytes;
    const size_t bytes = asked == 0 ? natural : asked;
    // Where what is beyond faults.
    std::array<uint64_t, kWords> words;
    for (uint64_t& word : words) word = Word(input);
    TamePointers(command, words);
    std::byte* const argument = buffer_ + kBufferBytes - kArgumentBytes;
    std::memcpy(argument, words.data(), sizeof words);
    const unsigned long request =
        _IOC(_IOC_READ | _IOC_WRITE, _IOC_TYPE(first), (command + _IOC_NR(first)) & 0xFF, bytes);
    const int result = node_->Ioctl(file, request, argument);
    Require(result <= 0 && result >= -kHighestErrno, "an ioctl answers", result);
    ++(result == 0 ? done_.succeeded : done_.failed);
    if (result != 0) return;
    uint64_t answers[2];
    std::memcpy(answers, argument, sizeof answers);
    constexpr size_t kMostResults = 64;
    if (results_.size() < kMostResults) {
      results_.insert(results_.end(), std::begin(answers), std::end(answers));
    }
  }

  static void Write(std::byte* memory, size_t size, Input& input) {
    const size_t at = size_t{input.Byte()} * sizeof(uint64_t), bytes = input.Byte();
    std::vector<std::byte> values(bytes);
    input.Take(values.data(), bytes);
    if (bytes == 0 || memory == nullptr || at >= size) return;
    std::memcpy(memory + at, values.data(), std::min(bytes, size - at));
  }

  void Map(Input& input) {
    const uint64_t handle = Word(input), bytes = kPage * input.Byte();
    DeviceNode::Mapping mapping;
    const int error = node_->Map(*compute_, handle, bytes, &mapping);
    Require(error <= 0 && error >= -kHighestErrno, "mmap answers", error);
    if (error != 0) return;
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.fd, mapping.offset);
    Require(memory != MAP_FAILED, "a command buffer is not mapped", static_cast<long>(bytes));
    commands_ = static_cast<std::byte*>(memory);
    commands_bytes_ = bytes;
    all_commands_.push_back({commands_, commands_bytes_});
  }

  void Attribute(Input& input) {
    constexpr const char* kNames[] = {
        "device_type",      "status", "hard_reset_cnt", "hard_reset", "soft_reset",
        "clk_max_freq_mhz", "",       "../status"};
    const char* const name = kNames[input.Byte() % std::size(kNames)];
    std::string text;
    (void)node_->ReadAttribute(name, &text);
    (void)node_->WriteAttribute(name, input.Byte() % 2 == 0 ? "1" : "x");
  }

  void DebugWord(Input& input) {
    const uint64_t address = Word(input);
    uint64_t value = 0, old = 0;
    input.Take(&value, sizeof value);
    const int bytes = input.Byte() % 9;
    if (node_->ReadWord(address, bytes, &old) != 0) return;
    (void)node_->WriteWord(address, bytes, value);
  }

  std::byte* buffer_ = nullptr;
  std::byte* commands_ = nullptr;
  size_t commands_bytes_ = 0;
  std::vector<std::pair<std::byte*, size_t>> all_commands_;
  int event_fd_ = -1, compute_fd_ = -1, control_fd_ = -1;
  std::string folder_;
  std::unique_ptr<DeviceNode> node_;
  std::shared_ptr<DeviceNode::File> compute_, control_;
  std::vector<uint64_t> results_;
  NodeFuzzed done_;
};

}  // namespace

NodeFuzzed FuzzNode(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint8_t kind = input.Byte();
  const NodeApi api = (kind & 1) != 0 ? NodeApi::kAccel : NodeApi::kMisc;
  if ((kind & 2) != 0) {
    static Program gaudi2(kGaudi2);
    return gaudi2.Run(api, input);
  }
  static Program gaudi(kGaudi);
  return gaudi.Run(api, input);
}

}  // namespace openhpu::simulator
