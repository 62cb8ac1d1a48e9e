#include "graph/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "graph/compiler_source.h"
#include "graph/recipe_file.h"
#include "hal/base/crc32c.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

constexpr char kMagic[9] = "OHPUENT\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kVersionAt = 8, kCrcAt = 12, kKeySizeAt = 16, kRecipeSizeAt = 24;
constexpr size_t kHeaderBytes = 32;
constexpr std::string_view kSuffix = ".recipe", kPartialSuffix = ".partial";

template <typename T>
void Put(T value, char* at) {
  for (size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<char>(value >> (8 * i) & 0xFF);
}
template <typename T>
T Get(const std::byte* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(T{uint8_t(at[i])} << (8 * i));
  return value;
}

absl::Span<const std::byte> Bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash;
}

absl::Status FolderError(const std::string& folder, int error) {
  const std::string message = absl::StrCat("recipe cache ", folder, ": ", std::strerror(error));
  if (error == EACCES || error == EPERM || error == EROFS)
    return absl::PermissionDeniedError(message);
  return absl::NotFoundError(message);
}

struct Entry {
  int64_t time = 0;  // ns
  std::string name;
  uint64_t bytes = 0;
};

// Oldest first.
std::vector<Entry> Entries(const std::string& folder) {
  std::vector<Entry> entries;
  DIR* const dir = ::opendir(folder.c_str());
  if (dir == nullptr) return entries;
  while (const dirent* const item = ::readdir(dir)) {
    const std::string name = item->d_name;
    if (!absl::EndsWith(name, std::string(kSuffix)) &&
        !absl::EndsWith(name, std::string(kPartialSuffix))) {
      continue;
    }
    struct stat info;
    if (::stat(absl::StrCat(folder, "/", name).c_str(), &info) != 0 || !S_ISREG(info.st_mode))
      continue;  // gone meanwhile
    entries.push_back({info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec, name,
                       static_cast<uint64_t>(info.st_size)});
  }
  ::closedir(dir);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.time, a.name) < std::tie(b.time, b.name);
  });
  return entries;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

// What a recipe binds has to be a buffer of the graph, and fit it.
absl::Status CheckAgainst(const Recipe& recipe, const Graph& graph) {
  const auto check = [&](const std::vector<RecipeBinding>& bindings,
                         const runtime::Program& program) -> absl::Status {
    for (size_t i = 0; i < bindings.size(); ++i) {
      if (bindings[i].prepared) continue;
      if (bindings[i].index >= graph.buffers().size() ||
          graph.buffers()[bindings[i].index].kind != BufferKind::kBound ||
          program.bindings[i].bytes > graph.buffers()[bindings[i].index].bytes) {
        return absl::InvalidArgumentError(
            absl::StrCat("binding ", i, " is no bound buffer of the graph"));
      }
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(check(recipe.main_bindings, recipe.main));
  if (recipe.prepare.has_value()) RETURN_IF_ERROR(check(recipe.prepare_bindings, *recipe.prepare));
  for (const PreparedConstant& constant : recipe.prepared) {
    for (const BufferId source : constant.sources) {
      if (source >= graph.buffers().size() || !graph.buffers()[source].weight)
        return absl::InvalidArgumentError("a prepared constant that is made of no weight");
    }
  }
  if (recipe.nodes != graph.nodes().size())
    return absl::InvalidArgumentError("the recipe is of another graph");
  return absl::OkStatus();
}

}  // namespace

DiskCache::DiskCache(std::string folder, uint64_t limit, std::string compiler,
                     const hal::Chip& chip)
    : folder_(std::move(folder)), limit_(limit), compiler_(std::move(compiler)), chip_(chip) {}

absl::StatusOr<std::unique_ptr<DiskCache>> DiskCache::Open(const std::string& folder,
                                                           uint64_t limit, bool clear,
                                                           const hal::Chip& chip,
                                                           const CompileOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return FolderError(folder, error.value());
  const std::string probe =
      absl::StrCat(folder, "/", ::getpid(), "-open", std::string(kPartialSuffix));
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return FolderError(folder, errno);
  ::close(fd);
  ::unlink(probe.c_str());
  if (clear) {
    for (const Entry& entry : Entries(folder))
      ::unlink(absl::StrCat(folder, "/", entry.name).c_str());
  }
  const std::string compiler = absl::StrCat(
      "compiler ", kCompilerSource, "\nrecipe ", kRecipeFileVersion, "\noptions ", options.fuse,
      options.layout, options.prepare, options.drop_dead, "\n", chip.ShortDebugString(), "\n");
  return absl::WrapUnique(new DiskCache(folder, limit, compiler, chip));
}

std::string DiskCache::PathOf(uint64_t fingerprint) const {
  return absl::StrFormat("%s/%016x-%016x%s", folder_, fingerprint, Hash(compiler_),
                         std::string(kSuffix));
}

absl::StatusOr<Recipe> DiskCache::Load(uint64_t fingerprint, const Graph& graph) const {
  ASSIGN_OR_RETURN(const std::vector<std::byte> file, ReadRecipeBytes(PathOf(fingerprint)));
  if (file.size() < kHeaderBytes || std::memcmp(file.data(), kMagic, 8) != 0)
    return absl::DataLossError("no entry of a recipe cache");
  if (const uint32_t version = Get<uint32_t>(file.data() + kVersionAt); version != kVersion)
    return absl::UnimplementedError(absl::StrCat("recipe cache entry of version ", version));
  const uint64_t key_bytes = Get<uint64_t>(file.data() + kKeySizeAt);
  const uint64_t recipe_bytes = Get<uint64_t>(file.data() + kRecipeSizeAt);
  const uint64_t body = file.size() - kHeaderBytes;
  if (key_bytes > body || recipe_bytes != body - key_bytes ||
      Crc32c(absl::MakeConstSpan(file).subspan(kKeySizeAt)) !=
          Get<uint32_t>(file.data() + kCrcAt)) {
    return absl::DataLossError("recipe cache entry is damaged");
  }
  const std::string_view key(reinterpret_cast<const char*>(file.data()) + kHeaderBytes, key_bytes);
  if (key.substr(0, compiler_.size()) != compiler_)
    return absl::UnimplementedError("recipe cache entry of another compiler, chip or options");
  if (key.substr(compiler_.size()) != StructureText(graph))
    return absl::NotFoundError("another graph of the same fingerprint");
  ASSIGN_OR_RETURN(Recipe recipe,
                   ParseRecipe(absl::MakeConstSpan(file).subspan(kHeaderBytes + key_bytes), chip_));
  RETURN_IF_ERROR(CheckAgainst(recipe, graph));
  return recipe;
}

void DiskCache::Store(uint64_t fingerprint, const Graph& graph, const Recipe& recipe) {
  const absl::StatusOr<std::string> recipe_file = SerializeRecipe(recipe);
  if (!recipe_file.ok()) return;  // 2 GiB
  const std::string key = compiler_ + StructureText(graph);
  std::string file(kHeaderBytes, '\0');
  std::memcpy(file.data(), kMagic, 8);
  Put(kVersion, file.data() + kVersionAt);
  Put(static_cast<uint64_t>(key.size()), file.data() + kKeySizeAt);
  Put(static_cast<uint64_t>(recipe_file->size()), file.data() + kRecipeSizeAt);
  file += key;
  file += *recipe_file;
  Put(Crc32c(Bytes(file).subspan(kKeySizeAt)), file.data() + kCrcAt);
  if (file.size() > limit_) return;

  MutexLock lock(&mutex_);
  const std::string path = PathOf(fingerprint);
  const std::string partial =
      absl::StrCat(folder_, "/", ::getpid(), "-", ++stored_, std::string(kPartialSuffix));
  // The clock of a file system may stand still between two entries; their order is to be kept.
  const std::vector<Entry> before = Entries(folder_);
  int64_t time = absl::GetCurrentTimeNanos();
  if (!before.empty()) time = std::max(time, before.back().time + 1);
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return;
  bool written = WriteAll(fd, file);
  const timespec stamp = {time / 1'000'000'000, time % 1'000'000'000};
  const timespec stamps[2] = {stamp, stamp};
  written = ::futimens(fd, stamps) == 0 && written;
  written = ::close(fd) == 0 && written;
  if (!written || std::rename(partial.c_str(), path.c_str()) != 0) {
    ::unlink(partial.c_str());
    return;
  }
  Trim();
}

void DiskCache::Trim() {
  const std::vector<Entry> entries = Entries(folder_);
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  for (const Entry& entry : entries) {
    if (bytes <= limit_) return;
    ::unlink(absl::StrCat(folder_, "/", entry.name).c_str());  // another process may be faster
    bytes -= entry.bytes;
  }
}

}  // namespace openhpu::graph
