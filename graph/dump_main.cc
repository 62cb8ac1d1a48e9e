// Prints what is in a recipe file, or what becomes of a graph in text form:
//     bazel run //graph:dump -- FILE [--chip=gaudi2] [--no-fuse]
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "graph/compiler.h"
#include "graph/ir.h"
#include "graph/recipe_file.h"
#include "hal/base/status_macros.h"
#include "hal/chip.h"

namespace openhpu::graph {
namespace {

const char* KindName(hal::EngineKind kind) {
  switch (kind) {
    case hal::EngineKind::kHostDma:
      return "host DMA";
    case hal::EngineKind::kDma:
      return "DMA";
    case hal::EngineKind::kMme:
      return "MME";
    case hal::EngineKind::kTpc:
      return "TPC";
  }
  return "?";
}

void PrintBlob(const char* what, const hal::CommandBlob& blob) {
  std::printf("    %-8s %8zu bytes, %zu relocations\n", what, blob.bytes.size(),
              blob.relocations.size());
}

void PrintProgram(const char* what, const runtime::Program& program,
                  const std::vector<RecipeBinding>& bindings) {
  std::printf("%s: %zu queues, %u sobs, %u monitors, workspace %llu bytes, constants %zu bytes\n",
              what, program.queues.size(), program.sobs, program.monitors,
              static_cast<unsigned long long>(program.workspace_bytes), program.constants.size());
  for (const runtime::QueueProgram& queue : program.queues) {
    std::printf("  %s %d\n", KindName(queue.engine.kind), queue.engine.index);
    PrintBlob("upper", queue.upper);
    PrintBlob("body", queue.body);
  }
  std::printf("  external\n");
  PrintBlob("upper", program.external);
  for (size_t i = 0; i < program.images.size(); ++i) {
    std::printf("  image %zu at %llu: %s, %zu bytes\n", i,
                static_cast<unsigned long long>(program.image_code_offsets[i]),
                program.images[i].guid.c_str(), program.images[i].payload.size());
  }
  for (size_t i = 0; i < program.bindings.size(); ++i) {
    const runtime::BindingSpec& binding = program.bindings[i];
    std::printf("  binding %zu: %s %u, %llu bytes%s%s%s%s\n", i,
                bindings[i].prepared ? "prepared" : "buffer", bindings[i].index,
                static_cast<unsigned long long>(binding.bytes), binding.read ? ", read" : "",
                binding.written ? ", written" : "", binding.name.empty() ? "" : ": ",
                binding.name.c_str());
  }
}

void Print(const Recipe& recipe) {
  std::printf("recipe for %s: %u nodes, %zu steps\n", recipe.chip.c_str(), recipe.nodes,
              recipe.step_names.size());
  for (size_t i = 0; i < recipe.step_names.size(); ++i)
    std::printf("  step %zu: %s\n", i, recipe.step_names[i].c_str());
  for (size_t i = 0; i < recipe.prepared.size(); ++i) {
    std::printf("  prepared %zu: %llu bytes, of %zu buffers\n", i,
                static_cast<unsigned long long>(recipe.prepared[i].bytes),
                recipe.prepared[i].sources.size());
  }
  if (recipe.prepare.has_value()) PrintProgram("prepare", *recipe.prepare, recipe.prepare_bindings);
  PrintProgram("main", recipe.main, recipe.main_bindings);
}

absl::Status Dump(const std::string& path, const std::string& chip_name,
                  const CompileOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<std::byte> file, ReadRecipeBytes(path));
  if (const absl::StatusOr<std::string> name = RecipeChip(file); name.ok()) {
    ASSIGN_OR_RETURN(const hal::Chip chip, hal::LoadChip(*name));
    ASSIGN_OR_RETURN(const Recipe recipe, ParseRecipe(file, chip));
    Print(recipe);
    return absl::OkStatus();
  }
  Graph graph;
  RETURN_IF_ERROR(ParseText({reinterpret_cast<const char*>(file.data()), file.size()}, graph));
  ASSIGN_OR_RETURN(const hal::Chip chip, hal::LoadChip(chip_name));
  std::fputs(ToText(graph).c_str(), stdout);
  ASSIGN_OR_RETURN(const Recipe recipe, Compile(graph, chip, options));
  Print(recipe);
  return absl::OkStatus();
}

}  // namespace
}  // namespace openhpu::graph

int main(int argc, char** argv) {
  std::string path, chip = "gaudi2";
  openhpu::graph::CompileOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("--chip=", 0) == 0) {
      chip = argument.substr(7);
    } else if (argument == "--no-fuse") {
      options.fuse = false;
    } else if (path.empty() && argument.rfind("--", 0) != 0) {
      path = argument;
    } else {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  if (path.empty()) {
    std::fprintf(stderr,
                 "usage: dump FILE [--chip=gaudi2] [--no-fuse]; FILE is a recipe, or a graph in "
                 "text form\n");
    return 2;
  }
  const absl::Status status = openhpu::graph::Dump(path, chip, options);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
