// Where the card is, and loading its model.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simulator/device_node/preload/hooks.h"

namespace openhpu::simulator::preload {

std::atomic<const NodeTable*> loaded_table{nullptr};

namespace {

constexpr char kDefaultCard[] = "sim:gaudi";
constexpr char kModel[] = "libopenhpu_node_model.so";
constexpr size_t kMostText = 1024;

[[gnu::tls_model("initial-exec")]] thread_local int inside = 0;

// From the environment, once.
struct Settings {
  char card[256];
  char folder[kMostText];
  char log[kMostText];
  char model[kMostText + sizeof(kModel)];  // the library's path
  uint8_t apis;
};

enum class State : int { kUnknown, kBusy, kThere, kFailed };

Settings settings;
std::atomic<State> settings_state{State::kUnknown};
std::atomic<State> tree_state{State::kUnknown};
std::atomic<State> table_state{State::kUnknown};
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void Say(const char* what, const char* why) {
  char line[2 * kMostText];
  const int bytes = std::snprintf(line, sizeof(line), "habanalabs hl0: %s: %s\n", what, why);
  if (bytes > 0 && write(STDERR_FILENO, line, strnlen(line, sizeof(line))) < 0) return;
}

void Copy(char* to, size_t bytes, const char* from) { std::snprintf(to, bytes, "%s", from); }

// Names of folders hold no colons or slashes of specs.
void DefaultFolder(Settings& made) {
  int bytes = std::snprintf(made.folder, sizeof(made.folder), "/dev/shm/openhpu-node-%u",
                            static_cast<unsigned>(geteuid()));
  if (std::strcmp(made.card, kDefaultCard) == 0) return;
  made.folder[bytes++] = '-';
  for (const char* c = made.card; *c != '\0'; ++c) {
    const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                       (*c >= '0' && *c <= '9') || *c == '.' || *c == '-';
    made.folder[bytes++] = plain ? *c : '_';
  }
  made.folder[bytes] = '\0';
}

// `from`, from where the process is now: it may go elsewhere.
void CopyAbsolute(char* to, size_t bytes, const char* from) {
  to[0] = '\0';
  if (from[0] != '/' && getcwd(to, bytes - 1) != nullptr) std::strcat(to, "/");
  std::strncat(to, from, bytes - std::strlen(to) - 1);
}

void FindModel(Settings& made) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&FindModel), &info) == 0) return;
  CopyAbsolute(made.model, sizeof(made.model) - sizeof(kModel), info.dli_fname);
  if (char* slash = std::strrchr(made.model, '/'); slash != nullptr) std::strcpy(slash + 1, kModel);
}

void ReadSettings(Settings& made) {
  const char* card = std::getenv("OPENHPU_NODE");
  Copy(made.card, sizeof(made.card), card != nullptr && *card != '\0' ? card : kDefaultCard);
  const char* folder = std::getenv("OPENHPU_NODE_DIR");
  if (folder != nullptr && *folder != '\0') {
    CopyAbsolute(made.folder, sizeof(made.folder), folder);
  } else {
    DefaultFolder(made);
  }
  const char* log = std::getenv("OPENHPU_NODE_LOG");
  if (log != nullptr && std::strcmp(log, "stderr") != 0)
    CopyAbsolute(made.log, sizeof(made.log), log);
  made.apis = kMiscNames;
  if (const char* api = std::getenv("OPENHPU_NODE_API"); api != nullptr && *api != '\0') {
    if (std::strcmp(api, "accel") == 0) {
      made.apis = kAccelNames;
    } else if (std::strcmp(api, "both") == 0) {
      made.apis = kAllNames;
    } else if (std::strcmp(api, "misc") != 0) {
      Say("OPENHPU_NODE_API is not misc, accel or both, so it is misc", api);
    }
  }
  FindModel(made);
}

const Settings& GetSettings() {
  if (settings_state.load(std::memory_order_acquire) == State::kThere) return settings;
  const Guard guard;
  pthread_mutex_lock(&mutex);
  if (settings_state.load() != State::kThere) {
    ReadSettings(settings);
    settings_state = State::kThere;
  }
  pthread_mutex_unlock(&mutex);
  return settings;
}

// Before main, while the folder that the program was started in is the one it is in; and nobody
// forks while another loads.
[[gnu::constructor]] void Begin() {
  GetSettings();
  pthread_atfork([] { pthread_mutex_lock(&mutex); }, [] { pthread_mutex_unlock(&mutex); },
                 [] { pthread_mutex_unlock(&mutex); });
}

const NodeTable* Load(const Settings& made) {
  // Its symbols before the program's: a program may have libraries of the same names in it, of
  // other versions.
  int mode = RTLD_NOW | RTLD_LOCAL;
#if !defined(__SANITIZE_ADDRESS__)
  mode |= RTLD_DEEPBIND;  // which AddressSanitizer refuses
#endif
  void* model = dlopen(made.model, mode);
  if (model == nullptr) {
    Say("the model cannot be loaded", dlerror());
    return nullptr;
  }
  using TableOf = const NodeTable*(uint32_t, const NodeConfig*);
  auto* const table_of = reinterpret_cast<TableOf*>(dlsym(model, "OpenhpuNodeTableOf"));
  NodeConfig config;
  config.card = made.card;
  config.folder = made.folder;
  config.log = made.log[0] == '\0' ? nullptr : made.log;
  const NodeTable* table = table_of == nullptr ? nullptr : table_of(kNodeTableVersion, &config);
  if (table == nullptr) Say("the model is of another version", made.model);
  return table;
}

// The tree stands, and is this card's.
bool IsTreeThere(const Settings& made) {
  char path[kMostText + 16], text[512], wanted[512];
  std::snprintf(path, sizeof(path), "%s/sys/card", made.folder);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t bytes = read(fd, text, sizeof(text) - 1);
  struct stat status {};
  // Not a folder that another user put in the way of ours.
  const bool own = fstat(fd, &status) == 0 &&
                   (status.st_uid == geteuid() || std::getenv("OPENHPU_NODE_DIR") != nullptr);
  close(fd);
  text[bytes < 0 ? 0 : bytes] = '\0';
  std::snprintf(wanted, sizeof(wanted), "tree 1\n%s\n", made.card);
  return own && std::strcmp(text, wanted) == 0;
}

bool PrepareTree() {
  const State state = tree_state.load(std::memory_order_acquire);
  if (state != State::kUnknown) return state == State::kThere;
  const Guard guard;
  const int saved = errno;
  bool there = IsTreeThere(GetSettings());
  if (!there) {
    const NodeTable* table = Table();
    there = table != nullptr && table->prepare() == 0;
  }
  errno = saved;
  tree_state = there ? State::kThere : State::kFailed;
  return there;
}

}  // namespace

bool Inside() { return inside != 0; }
Guard::Guard() { ++inside; }
Guard::~Guard() { --inside; }

const NodeTable* Table() {
  const State state = table_state.load(std::memory_order_acquire);
  if (state == State::kThere) return loaded_table;
  if (state == State::kFailed) return nullptr;
  const Settings& made = GetSettings();
  const Guard guard;
  pthread_mutex_lock(&mutex);
  if (table_state.load() == State::kUnknown) {
    const NodeTable* table = Load(made);
    loaded_table.store(table, std::memory_order_release);
    table_state = table == nullptr ? State::kFailed : State::kThere;
  }
  pthread_mutex_unlock(&mutex);
  return loaded_table;
}

const char* Folder() { return GetSettings().folder; }

Whose WhoseIs(const char* path, TreePath* found) {
  // What most paths cost.
  if (path == nullptr || path[0] != '/' || Inside()) return Whose::kMachines;
  if (!FindInTree(path, kAllNames, found)) return Whose::kMachines;
  if (!FindInTree(path, GetSettings().apis, found)) return Whose::kMachines;
  return PrepareTree() ? Whose::kCards : Whose::kMissing;
}

Translated::Translated(const char* path) : whose_(WhoseIs(path, &found_)), path_(path) {
  if (whose_ != Whose::kCards) return;
  std::snprintf(text_, sizeof(text_), "%s/%s", Folder(), found_.path);
  path_ = text_;
}

size_t TakeOffFolder(char* text, size_t bytes) {
  if (settings_state.load(std::memory_order_acquire) != State::kThere) return bytes;
  const size_t folder = std::strlen(settings.folder);
  if (bytes <= folder || std::memcmp(text, settings.folder, folder) != 0 || text[folder] != '/') {
    return bytes;
  }
  std::memmove(text, text + folder, bytes - folder);
  return bytes - folder;
}

}  // namespace openhpu::simulator::preload
