#include "graph/recipe_fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "graph/recipe_file.h"
#include "graph/testing_plans.h"
#include "hal/base/crc32c.h"
#include "hal/chip.h"

namespace openhpu::graph {
namespace {

// Of a recipe's file (recipe_file.h).
constexpr size_t kHeaderBytes = 24, kVersionAt = 8, kCrcAt = 12, kSizeAt = 16;

const hal::Chip& Tiny() {
  static const hal::Chip* const chip = new hal::Chip(*hal::LoadChip("tiny"));
  return *chip;
}

void Require(bool holds, const char* what, const absl::Status& status) {
  if (holds) return;
  std::fprintf(stderr, "recipe: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

absl::Span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string WithHeader(const std::string& message) {
  std::string file = "OHPURCP\n" + std::string(kHeaderBytes - kVersionAt, '\0') + message;
  const uint64_t size = message.size();
  std::memcpy(&file[kVersionAt], &kRecipeFileVersion, sizeof kRecipeFileVersion);
  std::memcpy(&file[kSizeAt], &size, sizeof size);
  const uint32_t crc = Crc32c(BytesOf(file).subspan(kSizeAt));
  std::memcpy(&file[kCrcAt], &crc, sizeof crc);
  return file;
}

}  // namespace

bool FuzzRecipe(const uint8_t* data, size_t size) {
  if (size == 0) return false;
  std::string file(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] != 0) file = WithHeader(file);
  (void)RecipeChip(BytesOf(file));
  const absl::StatusOr<Recipe> recipe = ParseRecipe(BytesOf(file), Tiny());
  if (!recipe.ok()) return false;
  const absl::StatusOr<std::string> written = SerializeRecipe(*recipe);
  Require(written.ok(), "is not written", written.status());
  const absl::StatusOr<Recipe> read = ParseRecipe(BytesOf(*written), Tiny());
  Require(read.ok(), "is not read back", read.status());
  const absl::StatusOr<std::string> again = SerializeRecipe(*read);
  Require(again.ok() && *again == *written, "is read back as another", again.status());
  return true;
}

std::string RecipeFuzzSeed() {
  Recipe recipe;
  recipe.chip = "tiny";
  recipe.main = *BuildProgram(ThreeKindsPlan(8), Tiny());
  recipe.main.constants.assign(5, std::byte{3});
  recipe.main_bindings = {{false, 0}, {true, 0}, {false, 2}};
  recipe.prepared = {{256, {1}}};
  Plan prepare;
  prepare.bindings = {{"w", 256, true, false}, {"prepared", 256, false, true}};
  prepare.steps = {CopyStep(256, BindingAddress(0), BindingAddress(1), {})};
  recipe.prepare = *BuildProgram(prepare, Tiny());
  recipe.prepare_bindings = {{false, 1}, {true, 0}};
  recipe.step_names = {"copy", "mm", "add", "copy"};
  recipe.step_engines = {hal::EngineKind::kDma, hal::EngineKind::kMme, hal::EngineKind::kTpc,
                         hal::EngineKind::kDma};
  recipe.nodes = 3;
  const absl::StatusOr<std::string> file = SerializeRecipe(recipe);
  Require(file.ok(), "the seed is not written", file.status());
  return "\1" + file->substr(kHeaderBytes);
}

}  // namespace openhpu::graph
