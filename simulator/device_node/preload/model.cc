#include "simulator/device_node/preload/model.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "simulator/device_node/files.h"
#include "simulator/device_node/node_calls.h"
#include "simulator/device_node/preload/table.h"
#include "simulator/device_node/user_memory.h"

namespace openhpu::simulator {
namespace {

// One card, in the process that made it. What a forked child inherits is of no use to it: it makes
// its own when it opens a file.
struct Machine {
  pid_t process = 0;
  std::unique_ptr<DeviceNode> node;
  std::unique_ptr<NodeCalls> calls;
};

// Never destroyed: a program may use its card until it is gone, and threads of it even then.
struct Library {
  std::string card, folder, log;
  Files files;
  NodeCalls descriptors{nullptr, &files, ""};  // for all but opening
  std::mutex mutex;                            // making a machine
  std::atomic<Machine*> machine{nullptr};
};

Library* library = nullptr;

void Log(std::string_view line) {
  constexpr std::string_view kPrefix = "habanalabs hl0: ";
  std::string text;
  if (line.substr(0, kPrefix.size()) != kPrefix) text = kPrefix;
  text += line;
  if (text.back() != '\n') text += '\n';
  int fd = STDERR_FILENO;
  if (!library->log.empty()) {
    fd = open(library->log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }
  // One write a line, so that lines of several processes stay whole.
  if (fd >= 0 && write(fd, text.data(), text.size()) < 0) return;
  if (fd > STDERR_FILENO) close(fd);
}

int Fail(const absl::Status& status) {
  Log(std::string(status.message()));
  return -ENXIO;
}

// This process's machine, with its tree; 0 or a negative errno.
int Find(Machine** found) {
  const pid_t process = getpid();
  Machine* machine = library->machine;
  if (machine == nullptr || machine->process != process) {
    const std::lock_guard<std::mutex> lock(library->mutex);
    machine = library->machine;
    if (machine == nullptr || machine->process != process) {
      DeviceNode::Options options;
      options.card = library->card;
      if (const char* const faults = std::getenv("OPENHPU_NODE_FAULTS"); faults != nullptr) {
        options.faults = faults;
      }
      options.directory = library->folder;
      options.log = Log;
      options.passes_time = true;
      absl::StatusOr<std::unique_ptr<DeviceNode>> node = MakeNode(options);
      if (!node.ok()) return Fail(node.status());
      const absl::Status tree = MakeTreeOf(**node, library->card, library->folder);
      if (!tree.ok()) return Fail(tree);
      machine = new Machine{process, *std::move(node), nullptr};
      machine->calls =
          std::make_unique<NodeCalls>(machine->node.get(), &library->files, library->folder);
      library->machine = machine;  // a parent's is left as it is: its threads are not here
    }
  }
  *found = machine;
  return 0;
}

int Prepare() {
  Machine* machine = nullptr;
  return Find(&machine);
}

int Open(const TreePath* path, int flags) {
  Machine* machine = nullptr;
  if (const int result = Find(&machine); result != 0) return result;
  return machine->calls->Open(*path, flags);
}

int Close(int fd) { return library->descriptors.Close(fd); }

int Duplicate(int fd, int at_least, int close_on_exec) {
  return library->descriptors.Duplicate(fd, at_least, close_on_exec != 0);
}

int DuplicateTo(int from, int to, int flags) {
  return library->descriptors.DuplicateTo(from, to, flags);
}

void CloseRange(unsigned first, unsigned last) { library->descriptors.CloseRange(first, last); }

void Forget(int fd) { library->descriptors.Forget(fd); }

int Ioctl(int fd, unsigned long request, void* argument) {
  return library->descriptors.Ioctl(fd, request, argument);
}

int Map(void* at, size_t bytes, int protection, int flags, int fd, off_t offset, void** mapped) {
  return library->descriptors.Map(at, bytes, protection, flags, fd, offset, mapped);
}

void MemoryChanges(void* begin, size_t bytes) {
  constexpr size_t kPage = 4096;  // whole pages go
  ForgetUserMemory(reinterpret_cast<uint64_t>(begin), (bytes + kPage - 1) / kPage * kPage);
}

ssize_t Read(int fd, void* bytes, size_t size, off_t offset) {
  return library->descriptors.Read(fd, bytes, size, offset);
}

ssize_t Write(int fd, const void* bytes, size_t size, off_t offset) {
  return library->descriptors.Write(fd, bytes, size, offset);
}

TreeEntry EntryOf(int fd) { return library->descriptors.EntryOf(fd); }

}  // namespace
}  // namespace openhpu::simulator

extern "C" const openhpu::simulator::NodeTable* OpenhpuNodeTableOf(
    uint32_t version, const openhpu::simulator::NodeConfig* config) {
  using namespace openhpu::simulator;
  if (version != kNodeTableVersion) return nullptr;
  static const NodeTable* const table = [config] {
    library = new Library;
    library->card = config->card;
    library->folder = config->folder;
    if (config->log != nullptr) library->log = config->log;
    // Nobody forks in the middle of making a machine.
    pthread_atfork([] { library->mutex.lock(); }, [] { library->mutex.unlock(); },
                   [] { library->mutex.unlock(); });
    auto* made = new NodeTable;
    made->most_descriptors = Files::kMostDescriptors;
    made->slots = library->files.slots();
    made->prepare = Prepare;
    made->open = Open;
    made->close = Close;
    made->duplicate = Duplicate;
    made->duplicate_to = DuplicateTo;
    made->close_range = CloseRange;
    made->forget = Forget;
    made->ioctl = Ioctl;
    made->map = Map;
    made->memory_changes = MemoryChanges;
    made->read = Read;
    made->write = Write;
    made->entry_of = EntryOf;
    return made;
  }();
  return table;
}
