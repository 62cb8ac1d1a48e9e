#include "graph/recipe_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "graph/recipe.pb.h"
#include "hal/base/crc32c.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

constexpr char kMagic[9] = "OHPURCP\n";
constexpr size_t kHeaderBytes = 24;
constexpr size_t kVersionAt = 8, kCrcAt = 12, kSizeAt = 16;

template <typename T>
void Store(T value, char* at) {
  for (size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<char>(value >> (8 * i) & 0xFF);
}
template <typename T>
T Fetch(const unsigned char* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(T{at[i]} << (8 * i));
  return value;
}

std::string ToString(const std::vector<std::byte>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
std::vector<std::byte> ToBytes(const std::string& text) {
  const std::byte* data = reinterpret_cast<const std::byte*>(text.data());
  return std::vector<std::byte>(data, data + text.size());
}

// --- To protobuf ---

void Write(const hal::CommandBlob& blob, proto::CommandBlob* out) {
  out->set_bytes(ToString(blob.bytes));
  for (const hal::Relocation& r : blob.relocations) {
    proto::Relocation* to = out->add_relocations();
    to->set_word(r.word);
    to->set_kind(static_cast<uint32_t>(r.kind));
    to->set_lsb(r.lsb);
    to->set_width(r.width);
    to->set_shift(r.shift);
    to->set_scale(r.scale);
    to->set_symbol(r.symbol);
    to->set_addend(r.addend);
  }
}

void Write(const runtime::Program& program, proto::Program* out) {
  for (const runtime::QueueProgram& queue : program.queues) {
    proto::Queue* to = out->add_queues();
    to->set_engine_kind(static_cast<uint32_t>(queue.engine.kind));
    to->set_engine_index(queue.engine.index);
    Write(queue.upper, to->mutable_upper());
    Write(queue.body, to->mutable_body());
  }
  Write(program.external, out->mutable_external());
  for (size_t i = 0; i < program.images.size(); ++i) {
    proto::Image* to = out->add_images();
    to->set_guid(program.images[i].guid);
    to->set_payload(ToString(program.images[i].payload));
    to->set_code_offset(program.image_code_offsets[i]);
  }
  out->set_constants(ToString(program.constants));
  out->set_workspace_bytes(program.workspace_bytes);
  for (const runtime::BindingSpec& binding : program.bindings) {
    proto::Binding* to = out->add_bindings();
    to->set_name(binding.name);
    to->set_bytes(binding.bytes);
    to->set_read(binding.read);
    to->set_written(binding.written);
  }
  out->set_sobs(program.sobs);
  out->set_monitors(program.monitors);
}

template <typename Repeated>
void Write(const std::vector<RecipeBinding>& bindings, Repeated* out) {
  for (const RecipeBinding& binding : bindings) {
    proto::RecipeBinding* to = out->Add();
    to->set_prepared(binding.prepared);
    to->set_index(binding.index);
  }
}

// --- From protobuf. Fields narrower than the message's are checked here, all else by CheckRecipe
// ---

absl::Status Narrow(uint32_t value, const char* what, uint8_t& out) {
  if (value > std::numeric_limits<uint8_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("recipe: ", what, " is ", value));
  }
  out = static_cast<uint8_t>(value);
  return absl::OkStatus();
}

absl::Status Read(const proto::CommandBlob& from, hal::CommandBlob& blob) {
  blob.bytes = ToBytes(from.bytes());
  blob.relocations.reserve(static_cast<size_t>(from.relocations_size()));
  for (const proto::Relocation& r : from.relocations()) {
    hal::Relocation to;
    uint8_t kind = 0;
    RETURN_IF_ERROR(Narrow(r.kind(), "a relocation's kind", kind));
    RETURN_IF_ERROR(Narrow(r.lsb(), "a relocation's lsb", to.lsb));
    RETURN_IF_ERROR(Narrow(r.width(), "a relocation's width", to.width));
    RETURN_IF_ERROR(Narrow(r.shift(), "a relocation's shift", to.shift));
    to.kind = static_cast<hal::RelocationKind>(kind);
    to.word = r.word();
    to.scale = r.scale();
    to.symbol = r.symbol();
    to.addend = r.addend();
    blob.relocations.push_back(to);
  }
  return absl::OkStatus();
}

absl::Status Read(const proto::Program& from, const std::string& chip, runtime::Program& program) {
  program.chip = chip;
  for (const proto::Queue& queue : from.queues()) {
    runtime::QueueProgram& to = program.queues.emplace_back();
    uint8_t kind = 0;
    RETURN_IF_ERROR(Narrow(queue.engine_kind(), "an engine's kind", kind));
    RETURN_IF_ERROR(Narrow(queue.engine_index(), "an engine's index", to.engine.index));
    to.engine.kind = static_cast<hal::EngineKind>(kind);
    RETURN_IF_ERROR(Read(queue.upper(), to.upper));
    RETURN_IF_ERROR(Read(queue.body(), to.body));
  }
  RETURN_IF_ERROR(Read(from.external(), program.external));
  for (const proto::Image& image : from.images()) {
    program.images.push_back({image.guid(), ToBytes(image.payload())});
    program.image_code_offsets.push_back(image.code_offset());
  }
  program.constants = ToBytes(from.constants());
  program.workspace_bytes = from.workspace_bytes();
  for (const proto::Binding& binding : from.bindings()) {
    program.bindings.push_back(
        {binding.name(), binding.bytes(), binding.read(), binding.written()});
  }
  program.sobs = from.sobs();
  program.monitors = from.monitors();
  return absl::OkStatus();
}

template <typename Repeated>
std::vector<RecipeBinding> ReadBindings(const Repeated& from) {
  std::vector<RecipeBinding> bindings;
  for (const proto::RecipeBinding& binding : from)
    bindings.push_back({binding.prepared(), binding.index()});
  return bindings;
}

absl::StatusOr<proto::Recipe> ParseMessage(absl::Span<const std::byte> file) {
  const unsigned char* data = reinterpret_cast<const unsigned char*>(file.data());
  if (file.size() < kHeaderBytes || std::memcmp(data, kMagic, 8) != 0) {
    return absl::DataLossError("no recipe file: its first bytes are not a recipe's");
  }
  const uint32_t version = Fetch<uint32_t>(data + kVersionAt);
  if (version != kRecipeFileVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "recipe file of version ", version, "; this program reads version ", kRecipeFileVersion));
  }
  const uint64_t size = Fetch<uint64_t>(data + kSizeAt);
  if (size != file.size() - kHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("recipe file says ", size, " bytes, but has ", file.size() - kHeaderBytes));
  }
  if (Crc32c(file.subspan(kSizeAt)) != Fetch<uint32_t>(data + kCrcAt)) {
    return absl::DataLossError("recipe file is damaged: its checksum does not match");
  }
  proto::Recipe message;
  if (size > INT_MAX || !message.ParseFromArray(data + kHeaderBytes, static_cast<int>(size))) {
    return absl::DataLossError("recipe file holds no recipe message");
  }
  return message;
}

absl::Status FileError(const std::string& path, const char* what) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

}  // namespace

absl::StatusOr<std::string> SerializeRecipe(const Recipe& recipe) {
  proto::Recipe message;
  message.set_chip(recipe.chip);
  Write(recipe.main, message.mutable_main());
  Write(recipe.main_bindings, message.mutable_main_bindings());
  if (recipe.prepare.has_value()) Write(*recipe.prepare, message.mutable_prepare());
  Write(recipe.prepare_bindings, message.mutable_prepare_bindings());
  for (const PreparedConstant& constant : recipe.prepared) {
    proto::PreparedConstant* to = message.add_prepared();
    to->set_bytes(constant.bytes);
    for (const BufferId source : constant.sources) to->add_sources(source);
  }
  for (const std::string& name : recipe.step_names) message.add_step_names(name);
  for (const hal::EngineKind engine : recipe.step_engines)
    message.mutable_step_engines()->push_back(static_cast<char>(engine));
  message.set_nodes(recipe.nodes);

  const size_t size = message.ByteSizeLong();
  if (size > INT_MAX) return absl::InvalidArgumentError("recipe of 2 GiB or more");
  std::string file(kHeaderBytes + size, '\0');
  std::memcpy(file.data(), kMagic, 8);
  Store(kRecipeFileVersion, file.data() + kVersionAt);
  Store(static_cast<uint64_t>(size), file.data() + kSizeAt);
  if (!message.SerializeToArray(file.data() + kHeaderBytes, static_cast<int>(size))) {
    return absl::InternalError("recipe message not written");
  }
  Store(Crc32c({reinterpret_cast<const std::byte*>(file.data()) + kSizeAt, file.size() - kSizeAt}),
        file.data() + kCrcAt);
  return file;
}

absl::StatusOr<Recipe> ParseRecipe(absl::Span<const std::byte> file, const hal::Chip& chip) {
  ASSIGN_OR_RETURN(const proto::Recipe message, ParseMessage(file));
  Recipe recipe;
  recipe.chip = message.chip();
  RETURN_IF_ERROR(Read(message.main(), recipe.chip, recipe.main));
  recipe.main_bindings = ReadBindings(message.main_bindings());
  if (message.has_prepare())
    RETURN_IF_ERROR(Read(message.prepare(), recipe.chip, recipe.prepare.emplace()));
  recipe.prepare_bindings = ReadBindings(message.prepare_bindings());
  for (const proto::PreparedConstant& constant : message.prepared()) {
    recipe.prepared.push_back(
        {constant.bytes(), {constant.sources().begin(), constant.sources().end()}});
  }
  recipe.step_names.assign(message.step_names().begin(), message.step_names().end());
  for (const char engine : message.step_engines())
    recipe.step_engines.push_back(static_cast<hal::EngineKind>(engine));
  recipe.nodes = message.nodes();
  RETURN_IF_ERROR(CheckRecipe(recipe, chip));
  return recipe;
}

absl::StatusOr<std::string> RecipeChip(absl::Span<const std::byte> file) {
  ASSIGN_OR_RETURN(const proto::Recipe message, ParseMessage(file));
  return message.chip();
}

absl::Status SaveRecipe(const Recipe& recipe, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string file, SerializeRecipe(recipe));
  const std::string partial = absl::StrCat(path, ".", ::getpid(), ".partial");
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return FileError(partial, "cannot create");
  size_t done = 0;
  absl::Status status;
  while (done < file.size() && status.ok()) {
    const ssize_t written = ::write(fd, file.data() + done, file.size() - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      status = FileError(partial, "cannot write");
    }
  }
  if (status.ok() && ::fsync(fd) != 0) status = FileError(partial, "cannot write");
  if (::close(fd) != 0 && status.ok()) status = FileError(partial, "cannot write");
  if (status.ok() && std::rename(partial.c_str(), path.c_str()) != 0)
    status = FileError(path, "cannot rename to");
  if (!status.ok()) ::unlink(partial.c_str());
  return status;
}

absl::StatusOr<std::vector<std::byte>> ReadRecipeBytes(const std::string& path) {
  errno = 0;
  std::FILE* const in = std::fopen(path.c_str(), "rbe");
  if (in == nullptr) return FileError(path, "cannot open");
  constexpr size_t kStep = 1 << 16;
  std::vector<std::byte> bytes;
  size_t size = 0, got = 0;
  do {
    bytes.resize(size + kStep);
    got = std::fread(bytes.data() + size, 1, kStep, in);
    size += got;
  } while (got == kStep);
  const bool failed = std::ferror(in) != 0;
  const absl::Status status = failed ? FileError(path, "cannot read") : absl::OkStatus();
  std::fclose(in);
  RETURN_IF_ERROR(status);
  bytes.resize(size);
  return bytes;
}

absl::StatusOr<Recipe> LoadRecipe(const std::string& path, const hal::Chip& chip) {
  ASSIGN_OR_RETURN(const std::vector<std::byte> file, ReadRecipeBytes(path));
  absl::StatusOr<Recipe> recipe = ParseRecipe(file, chip);
  if (recipe.ok()) return recipe;
  return absl::Status(recipe.status().code(), absl::StrCat(path, ": ", recipe.status().message()));
}

}  // namespace openhpu::graph
