#include "simulator/device_node/open_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace openhpu::simulator {
namespace {

constexpr size_t kMostText = 4096;  // a page, as sysfs

// kstrtoull of base 16, as debugfs reads a user's text: the final NUL and one newline are no part.
int ParseHex(absl::string_view text, uint64_t* value) {
  text = text.substr(0, text.find('\0'));
  absl::ConsumeSuffix(&text, "\n");
  if (!absl::ConsumePrefix(&text, "0x")) absl::ConsumePrefix(&text, "0X");
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
  if (text.empty() || !digits) return -EINVAL;
  return absl::SimpleHexAtoi(text, value) ? 0 : -ERANGE;
}

class TextFile final : public OpenFile {
 public:
  TextFile(DeviceNode& node, const TreePath& path, int fd, int flags, std::string address_file)
      : OpenFile(fd),
        node_(node),
        entry_(path.entry),
        name_(path.name),
        flags_(flags),
        address_file_(std::move(address_file)) {}

  TreeEntry entry() const override { return entry_; }
  int Ioctl(unsigned long, void*) override { return -ENOTTY; }
  int Map(uint64_t, uint64_t, DeviceNode::Mapping*) override { return -ENODEV; }

  ssize_t Read(int fd, void* bytes, size_t size, off_t offset) override {
    if ((flags_ & O_ACCMODE) == O_WRONLY) return -EBADF;
    const off_t position = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    if (position == 0) {
      if (const int result = Refresh(fd); result != 0) return result;
    }
    const ssize_t read = pread(fd, bytes, size, position);
    if (read < 0) return -errno;
    if (offset < 0) lseek(fd, position + read, SEEK_SET);
    return read;
  }

  // The position stays: what is written is one value, wherever the descriptor stands.
  ssize_t Write(int, const void* bytes, size_t size, off_t) override {
    if ((flags_ & O_ACCMODE) == O_RDONLY) return -EBADF;
    size = std::min(size, kMostText);
    const int result = Store({static_cast<const char*>(bytes), size});
    return result == 0 ? static_cast<ssize_t>(size) : result;
  }

  // What a stream of the C library wrote lies in the memory file, and was not seen.
  void Closing(int fd) override {
    if ((flags_ & O_ACCMODE) != O_WRONLY) return;
    char text[kMostText];
    const ssize_t size = pread(fd, text, sizeof(text), 0);
    if (size <= 0) return;
    Store({text, static_cast<size_t>(size)});
    static_cast<void>(ftruncate(fd, 0) == 0);
  }
  void Release() override {}

  // The memory file holds the text as it is now.
  int Refresh(int fd) {
    std::string text;
    if (const int result = Load(&text); result != 0) return result;
    if (ftruncate(fd, static_cast<off_t>(text.size())) != 0) return -errno;
    const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
    return written < 0 ? -errno : 0;
  }

 private:
  int Load(std::string* text) {
    if (entry_ == TreeEntry::kAttribute) {
      const int result = node_.ReadAttribute(name_, text);
      if (result == 0 && !text->empty() && text->back() != '\n') *text += '\n';
      return result;
    }
    uint64_t address = 0;
    if (const int result = Address(&address); result != 0) return result;
    if (entry_ == TreeEntry::kDebugAddress) {
      *text = absl::StrFormat("0x%016x\n", address);
      return 0;
    }
    uint64_t value = 0;
    const int result = node_.ReadWord(address, WordBytes(), &value);
    *text =
        WordBytes() == 4 ? absl::StrFormat("0x%08x\n", value) : absl::StrFormat("0x%016x\n", value);
    return result;
  }

  int Store(std::string_view text) {
    if (entry_ == TreeEntry::kAttribute) {
      return node_.WriteAttribute(name_, text.substr(0, text.find('\0')));
    }
    uint64_t value = 0;
    if (const int result = ParseHex({text.data(), text.size()}, &value); result != 0) return result;
    if (entry_ == TreeEntry::kDebugAddress) return SetAddress(value);
    if (WordBytes() == 4 && value > UINT32_MAX) return -ERANGE;
    uint64_t address = 0;
    if (const int result = Address(&address); result != 0) return result;
    return node_.WriteWord(address, WordBytes(), value);
  }

  int WordBytes() const { return entry_ == TreeEntry::kDebugWord32 ? 4 : 8; }

  int Address(uint64_t* address) const {
    const int fd = open(address_file_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    char text[32];
    const ssize_t size = read(fd, text, sizeof(text));
    close(fd);
    *address = 0;  // what it is before the first is written
    return size > 0 ? ParseHex({text, static_cast<size_t>(size)}, address) : 0;
  }

  // One write of always as many bytes: who reads meanwhile sees the one or the other.
  int SetAddress(uint64_t address) const {
    const int fd = open(address_file_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    const std::string text = absl::StrFormat("0x%016x\n", address);
    const bool ok = pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
    const int result = ok ? 0 : -errno;
    close(fd);
    return result;
  }

  DeviceNode& node_;
  const TreeEntry entry_;
  const std::string name_;
  const int flags_;
  const std::string address_file_;
};

}  // namespace

int OpenText(DeviceNode& node, const TreePath& path, int flags, const std::string& address_file,
             std::unique_ptr<OpenFile>* file) {
  const int fd = memfd_create(path.name, (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
  if (fd < 0) return -errno;
  auto text = std::make_unique<TextFile>(node, path, fd, flags, address_file);
  // That it cannot be read now is an answer to reading, not to opening.
  if ((flags & O_ACCMODE) != O_WRONLY) static_cast<void>(text->Refresh(fd));
  *file = std::move(text);
  return fd;
}

}  // namespace openhpu::simulator
