// CheckRecipe: whether a recipe, from wherever it came, can be loaded on a chip.
#include <string>

#include "absl/strings/str_cat.h"
#include "graph/recipe_file.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/expression.h"

namespace openhpu::graph {
namespace {

constexpr uint64_t kPage = 8192;
constexpr size_t kMaxGuid = 63;
// Buffers of a graph; so that an index cannot make anybody reserve more.
constexpr uint32_t kMaxBuffers = 1u << 24;

template <typename... Parts>
absl::Status Bad(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("recipe: ", parts...));
}

class ProgramChecker {
 public:
  ProgramChecker(std::string what, const runtime::Program& program, const hal::Chip& chip)
      : what_(std::move(what)),
        program_(program),
        chip_(chip),
        memory_(chip.address_map().dram_bytes().value()) {}

  absl::Status Check() {
    if (program_.chip != chip_.name())
      return Bad(what_, " is for chip \"", program_.chip, "\", not \"", chip_.name(), "\"");
    RETURN_IF_ERROR(CheckImages());
    RETURN_IF_ERROR(CheckSizes());
    RETURN_IF_ERROR(CheckQueues());
    return CheckBlob(program_.external, absl::StrCat(what_, ".external"));
  }

 private:
  absl::Status CheckImages() {
    if (program_.images.size() != program_.image_code_offsets.size()) {
      return Bad(what_, " has ", program_.images.size(), " images and ",
                 program_.image_code_offsets.size(), " offsets");
    }
    for (size_t i = 0; i < program_.images.size(); ++i) {
      const hal::KernelImage& image = program_.images[i];
      const std::string name = absl::StrCat(what_, ".images[", i, "]");
      if (image.guid.empty() || image.guid.size() > kMaxGuid)
        return Bad(name, " has a guid of ", image.guid.size(), " letters");
      for (const char c : image.guid) {
        if (c <= ' ' || c > '~') return Bad(name, ": guid is no printable word");
      }
      const uint64_t offset = program_.image_code_offsets[i];
      if (offset % kPage != 0 || offset < images_bytes_ + kPage || offset > memory_) {
        return Bad(name, ": code at ", offset, ", after ", images_bytes_, " bytes of images");
      }
      images_bytes_ = offset + (image.payload.size() + kPage - 1) / kPage * kPage;
      if (image.guid == "openhpu.fused") {
        if (absl::Status status = hal::ParseExpression(image.payload).status(); !status.ok())
          return Bad(name, ": ", status.message());
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckSizes() const {
    uint64_t left = memory_;
    const auto take = [&](uint64_t bytes) {
      if (bytes > left) return false;
      left -= bytes;
      return true;
    };
    if (!take(program_.workspace_bytes) || !take(images_bytes_) ||
        !take(program_.constants.size())) {
      return Bad(what_, " needs more memory than the chip has");
    }
    for (size_t i = 0; i < program_.bindings.size(); ++i) {
      if (program_.bindings[i].bytes > memory_) {
        return Bad(what_, ".bindings[", i, "] has ", program_.bindings[i].bytes,
                   " bytes: more than the chip");
      }
    }
    if (program_.sobs % 8 != 0 || program_.sobs > chip_.sync().sobs().value()) {
      return Bad(what_, ".sobs is ", program_.sobs,
                 ": no multiple of 8, or more than the chip has");
    }
    if (program_.monitors > chip_.sync().monitors().value()) {
      return Bad(what_, ".monitors is ", program_.monitors, ": more than the chip has");
    }
    return absl::OkStatus();
  }

  absl::Status CheckQueues() const {
    for (size_t q = 0; q < program_.queues.size(); ++q) {
      const runtime::QueueProgram& queue = program_.queues[q];
      const std::string name = absl::StrCat(what_, ".queues[", q, "]");
      const hal::EngineKind kind = queue.engine.kind;
      if (kind != hal::EngineKind::kDma && kind != hal::EngineKind::kMme &&
          kind != hal::EngineKind::kTpc) {
        return Bad(name, " is of kind ", static_cast<int>(kind), ", which has no queue of its own");
      }
      if (queue.engine.index >= hal::CountEngines(chip_, kind)) {
        return Bad(name, " is engine ", queue.engine.index, " of kind ", static_cast<int>(kind),
                   ", which the chip lacks");
      }
      if (q > 0 && !(program_.queues[q - 1].engine < queue.engine))
        return Bad(name, " is out of order");
      if (queue.upper.bytes.empty()) return Bad(name, " has no commands");
      RETURN_IF_ERROR(CheckBlob(queue.upper, name + ".upper"));
      RETURN_IF_ERROR(CheckBlob(queue.body, name + ".body"));
    }
    if (program_.queues.empty() != program_.external.bytes.empty()) {
      return Bad(what_, " has ", program_.queues.size(), " queues and ",
                 program_.external.bytes.size(), " bytes of external commands");
    }
    return absl::OkStatus();
  }

  // Bytes behind a symbol; nothing for one that is not there.
  bool SymbolBytes(uint32_t symbol, uint64_t& bytes) const {
    const uint64_t queues = program_.queues.size();
    if (symbol == runtime::kWorkspaceSymbol) {
      bytes = program_.workspace_bytes;
    } else if (symbol == runtime::kImagesSymbol) {
      bytes = images_bytes_ + 1;  // an image may have no code, and still an address
    } else if (symbol == runtime::kConstantsSymbol) {
      bytes = program_.constants.size();
    } else if (symbol - runtime::kFirstBodySymbol < queues) {
      bytes = program_.queues[symbol - runtime::kFirstBodySymbol].body.bytes.size();
    } else if (symbol - runtime::kFirstBodySymbol - queues < program_.bindings.size()) {
      bytes = program_.bindings[symbol - runtime::kFirstBodySymbol - queues].bytes;
    } else {
      return false;
    }
    return true;
  }

  absl::Status CheckBlob(const hal::CommandBlob& blob, const std::string& name) const {
    if (blob.bytes.size() % 4 != 0)
      return Bad(name, " has ", blob.bytes.size(), " bytes: no whole words");
    if (blob.bytes.size() > memory_) return Bad(name, " is larger than the chip's memory");
    const uint64_t words = blob.bytes.size() / 4;
    for (size_t i = 0; i < blob.relocations.size(); ++i) {
      const hal::Relocation& r = blob.relocations[i];
      const std::string where = absl::StrCat(name, ".relocations[", i, "]");
      if (r.word >= words) return Bad(where, " is of word ", r.word, " of ", words);
      if (r.width == 0 || r.lsb + r.width > 32 || r.shift > 63) {
        return Bad(where, ": no field of a word: lsb ", r.lsb, ", width ", r.width, ", shift ",
                   r.shift);
      }
      if (r.kind > hal::RelocationKind::kSobBasePart)
        return Bad(where, " is of an unknown kind ", static_cast<int>(r.kind));
      if (r.kind != hal::RelocationKind::kSymbol) continue;
      uint64_t bytes = 0;
      if (!SymbolBytes(r.symbol, bytes))
        return Bad(where, " names symbol ", r.symbol, ", which is not there");
      if (r.scale != 1) return Bad(where, " scales an address by ", r.scale);
      if (r.addend >= bytes)
        return Bad(where, " lies ", r.addend, " bytes into symbol ", r.symbol, ", which has ",
                   bytes);
    }
    return absl::OkStatus();
  }

  const std::string what_;
  const runtime::Program& program_;
  const hal::Chip& chip_;
  const uint64_t memory_;
  uint64_t images_bytes_ = 0;
};

absl::Status CheckBindings(const std::string& what, const std::vector<RecipeBinding>& bindings,
                           const runtime::Program& program, const Recipe& recipe) {
  if (bindings.size() != program.bindings.size()) {
    return Bad(what, " are ", bindings.size(), ", its program has ", program.bindings.size());
  }
  for (size_t i = 0; i < bindings.size(); ++i) {
    const std::string name = absl::StrCat(what, "[", i, "]");
    if (!bindings[i].prepared) {
      if (bindings[i].index >= kMaxBuffers) return Bad(name, " is buffer ", bindings[i].index);
      continue;
    }
    if (bindings[i].index >= recipe.prepared.size()) {
      return Bad(name, " is prepared constant ", bindings[i].index, " of ", recipe.prepared.size());
    }
    if (program.bindings[i].bytes > recipe.prepared[bindings[i].index].bytes) {
      return Bad(name, " has ", program.bindings[i].bytes,
                 " bytes, more than its prepared constant");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRecipe(const Recipe& recipe, const hal::Chip& chip) {
  if (recipe.chip != chip.name())
    return Bad("is for chip \"", recipe.chip, "\", not \"", chip.name(), "\"");
  RETURN_IF_ERROR(ProgramChecker("main", recipe.main, chip).Check());
  RETURN_IF_ERROR(CheckBindings("main_bindings", recipe.main_bindings, recipe.main, recipe));
  if (recipe.prepare.has_value()) {
    RETURN_IF_ERROR(ProgramChecker("prepare", *recipe.prepare, chip).Check());
    RETURN_IF_ERROR(
        CheckBindings("prepare_bindings", recipe.prepare_bindings, *recipe.prepare, recipe));
  } else if (!recipe.prepare_bindings.empty()) {
    return Bad("prepare_bindings without a prepare program");
  }
  if (recipe.step_engines.size() != recipe.step_names.size()) {
    return Bad("has ", recipe.step_names.size(), " steps on ", recipe.step_engines.size(),
               " engines");
  }
  for (const hal::EngineKind engine : recipe.step_engines) {
    if (engine > hal::EngineKind::kTpc) return Bad("a step of engine kind ", int{uint8_t(engine)});
  }
  for (size_t i = 0; i < recipe.prepared.size(); ++i) {
    const PreparedConstant& constant = recipe.prepared[i];
    if (constant.bytes > chip.address_map().dram_bytes().value()) {
      return Bad("prepared[", i, "] has ", constant.bytes, " bytes: more than the chip");
    }
    for (const BufferId source : constant.sources) {
      if (source >= kMaxBuffers) return Bad("prepared[", i, "] is made of buffer ", source);
    }
  }
  return absl::OkStatus();
}

}  // namespace openhpu::graph
