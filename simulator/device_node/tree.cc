#include "simulator/device_node/tree.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "hal/base/status_macros.h"
#include "simulator/device_node/tree_paths.h"

namespace openhpu::simulator {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kMaking = ".making.";

absl::Status Failed(const fs::path& path, absl::string_view what, const std::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat(path.string(), ": cannot ", what, ": ", error.message()));
}

std::error_code LastError() { return {errno, std::system_category()}; }

// Writes a tree under one folder; remembers the first failure.
class Writer {
 public:
  explicit Writer(fs::path root) : root_(std::move(root)) {}

  void Text(const fs::path& path, std::string_view text, mode_t mode = 0444) {
    const fs::path file = Parent(path);
    const int fd = open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ok = ok && fchmod(fd, mode) == 0;
    if (!ok) Fail(file, "write", LastError());
    if (fd >= 0) close(fd);
  }

  void Link(const fs::path& path, const fs::path& target) {
    const fs::path file = Parent(path);
    std::error_code error;
    fs::create_symlink(target.lexically_relative(path.parent_path()), file, error);
    if (error) Fail(file, "link", error);
  }

  // Another name of the same file.
  void HardLink(const fs::path& path, const fs::path& target) {
    const fs::path file = Parent(path);
    std::error_code error;
    fs::create_hard_link(root_ / target, file, error);
    if (error) Fail(file, "link", error);
  }

  const absl::Status& status() const { return status_; }

 private:
  fs::path Parent(const fs::path& path) {
    std::error_code error;
    fs::create_directories((root_ / path).parent_path(), error);
    if (error) Fail((root_ / path).parent_path(), "make", error);
    return root_ / path;
  }
  void Fail(const fs::path& path, absl::string_view what, const std::error_code& error) {
    if (status_.ok()) status_ = Failed(path, what, error);
  }

  fs::path root_;
  absl::Status status_;
};

std::string Numbers(TreeEntry entry) {
  const DeviceNumber number = NumberOf(entry);
  return absl::StrCat(number.major_number, ":", number.minor_number);
}

void WriteDevice(Writer& out, const fs::path& folder, const fs::path& pci, TreeEntry entry,
                 const TreeFacts& facts) {
  out.Text(folder / "dev", Numbers(entry) + "\n");
  out.Text(folder / "pci_addr", absl::StrCat(kPciAddress, "\n"));
  out.Text(folder / "device_type", facts.device_type + "\n");
  for (const std::string& name : facts.attributes) {
    if (name != "clk_gate") out.Text(folder / name, "", 0644);
  }
  out.Link(folder / "device", pci);
  out.Link(fs::path("sys/dev/char") / Numbers(entry), folder);
}

absl::Status WriteTree(const fs::path& root, const TreeFacts& facts) {
  Writer out(root);
  // One file with two names: whoever locks it has the card, by whichever name it was opened.
  out.Text("dev/hl0", "", 0666);
  out.Text("dev/hl_controlD0", "", 0666);
  out.HardLink("dev/accel/accel0", "dev/hl0");
  out.HardLink("dev/accel/accel_controlD0", "dev/hl_controlD0");

  const fs::path pci = fs::path("sys/devices/pci0000:00") / kPciAddress;
  out.Text(pci / "vendor", "0x1da3\n");
  out.Text(pci / "device", absl::StrFormat("0x%04x\n", facts.pci_device_id));
  out.Text(pci / "class", "0x120000\n");
  out.Text(pci / "pci_addr", absl::StrCat(kPciAddress, "\n"));
  out.Text(pci / "device_type", facts.device_type + "\n");
  for (const std::string& name : facts.attributes) {
    if (name != "clk_gate") out.Text(pci / name, "", 0644);
  }
  out.Text(pci / "hwmon/hwmon0/name", "habanalabs\n");
  out.Text(pci / "hwmon/hwmon0/temp1_input", "45000\n");
  out.Link(fs::path("sys/bus/pci/devices") / kPciAddress, pci);

  WriteDevice(out, pci / "habanalabs/hl0", pci, TreeEntry::kCompute, facts);
  WriteDevice(out, pci / "habanalabs/hl_controlD0", pci, TreeEntry::kControl, facts);
  WriteDevice(out, pci / "accel/accel0", pci, TreeEntry::kAccelCompute, facts);
  WriteDevice(out, pci / "accel/accel_controlD0", pci, TreeEntry::kAccelControl, facts);
  for (const char* name : {"hl0", "hl_controlD0"}) {
    out.Link(fs::path("sys/class/habanalabs") / name, pci / "habanalabs" / name);
  }
  for (const char* name : {"accel0", "accel_controlD0"}) {
    out.Link(fs::path("sys/class/accel") / name, pci / "accel" / name);
  }

  const fs::path debug = "sys/kernel/debug/habanalabs/hl0";
  for (const char* name : {"addr", "data32", "data64", "clk_gate"})
    out.Text(debug / name, "", 0644);
  out.Text(kCardFile, CardFile(facts.card));
  return out.status();
}

absl::Status CheckCard(const fs::path& folder, const TreeFacts& facts) {
  std::ifstream file(folder / kCardFile, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text == CardFile(facts.card)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(folder.string(), " holds another card than ", facts.card, " (see its file ",
                   kCardFile, "): choose another folder, or remove it when nobody uses it"));
}

// Trees that nobody finishes: whoever makes one holds a lock on it.
void RemoveUnfinished(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().compare(0, kMaking.size(), kMaking.data()) != 0) continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) continue;
    std::error_code ignored;  // another may be removing it
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
    close(fd);
  }
}

// Moves what was made to its place, unless another's is there.
bool Move(const fs::path& from, const fs::path& to) {
  return rename(from.c_str(), to.c_str()) == 0 || errno == EEXIST || errno == ENOTEMPTY;
}

// OK when it is worth looking whether the tree stands: it was made, or others were in the way.
absl::Status TryMake(const fs::path& folder, const TreeFacts& facts) {
  static std::atomic<int> ordinal{0};
  const fs::path making = folder / absl::StrCat(kMaking, getpid(), ".", ordinal++);
  std::error_code error;
  fs::create_directory(making, error);
  if (error) return Failed(making, "make", error);
  const int fd = open(making.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Somebody who takes it for an unfinished one, before it is locked, removes it.
  if (fd < 0) return absl::OkStatus();
  absl::Status status;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    status = WriteTree(making, facts);
    if (status.ok() &&
        !(Move(making / "dev", folder / "dev") && Move(making / "sys", folder / "sys"))) {
      status = Failed(folder, "fill", LastError());
    }
  }
  struct stat made {};
  const bool removed = fstat(fd, &made) == 0 && made.st_nlink == 0;
  fs::remove_all(making, error);
  close(fd);
  return removed ? absl::OkStatus() : status;
}

}  // namespace

std::string CardFile(std::string_view card) {
  return absl::StrCat("tree 1\n", std::string(card), "\n");
}

absl::Status MakeTree(const std::string& folder, const TreeFacts& facts) {
  const fs::path path = folder;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Failed(path, "make", error);
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (fs::exists(path / kCardFile, error)) return CheckCard(path, facts);
    RemoveUnfinished(path);
    RETURN_IF_ERROR(TryMake(path, facts));
  }
  return absl::UnavailableError(absl::StrCat(folder, ": cannot be filled: others remove it"));
}

}  // namespace openhpu::simulator
