#include "graph/recipe_file.h"

#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "graph/testing_plans.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::HasSubstr;

hal::Chip Tiny() { return *hal::LoadChip("tiny"); }

Recipe SmallRecipe() {
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
  recipe.step_names = {"copy", "mm", "add \xFF", "copy"};
  recipe.step_engines = {hal::EngineKind::kDma, hal::EngineKind::kMme, hal::EngineKind::kTpc,
                         hal::EngineKind::kDma};
  recipe.nodes = 3;
  return recipe;
}

std::string MustSerialize(const Recipe& recipe) {
  absl::StatusOr<std::string> file = SerializeRecipe(recipe);
  EXPECT_THAT(file.status(), IsOk());
  return *file;
}

absl::StatusOr<Recipe> Parse(const std::string& file) {
  return ParseRecipe({reinterpret_cast<const std::byte*>(file.data()), file.size()}, Tiny());
}

TEST(RecipeFileTest, ARecipeSurvivesItsFile) {
  const Recipe recipe = SmallRecipe();
  const std::string file = MustSerialize(recipe);
  ASSERT_OK_AND_ASSIGN(const Recipe loaded, Parse(file));
  EXPECT_EQ(loaded.nodes, 3u);
  EXPECT_EQ(loaded.step_names, recipe.step_names);
  EXPECT_EQ(loaded.step_engines, recipe.step_engines);
  EXPECT_EQ(loaded.main.external.relocations, recipe.main.external.relocations);
  EXPECT_EQ(loaded.main.images, recipe.main.images);
  ASSERT_TRUE(loaded.prepare.has_value());
  // All else: the same bytes again.
  EXPECT_EQ(MustSerialize(loaded), file);
}

TEST(RecipeFileTest, EveryFlippedByteIsAnError) {
  const std::string file = MustSerialize(SmallRecipe());
  for (size_t i = 0; i < file.size(); ++i) {
    for (const int flip : {0x01, 0x80}) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      EXPECT_FALSE(Parse(damaged).ok()) << "byte " << i;
    }
  }
}

TEST(RecipeFileTest, EveryTruncationIsAnError) {
  const std::string file = MustSerialize(SmallRecipe());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(Parse(file.substr(0, size)), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
  EXPECT_THAT(Parse(file + "x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RecipeFileTest, AnotherVersionIsRefusedByNumber) {
  std::string file = MustSerialize(SmallRecipe());
  file[8] = 9;
  EXPECT_THAT(Parse(file), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version 9")));
}

// A hostile file has a right checksum: each fault is found by what it says.
TEST(RecipeFileTest, InconsistentRecipesAreRefusedByName) {
  struct Fault {
    const char* message;
    std::function<void(Recipe&)> make;
  };
  const auto upper = [](Recipe& r) -> hal::CommandBlob& { return r.main.queues[0].upper; };
  const auto address = [](Recipe& r) -> hal::Relocation& {
    for (hal::Relocation& relocation : r.main.queues[0].body.relocations) {
      if (relocation.kind == hal::RelocationKind::kSymbol) return relocation;
    }
    ADD_FAILURE() << "no address in the body";
    return r.main.queues[0].body.relocations[0];
  };
  const std::vector<Fault> faults = {
      {"not \"tiny\"", [](Recipe& r) { r.chip = "gaudi"; }},
      {"word", [&](Recipe& r) { upper(r).relocations[0].word = 1u << 30; }},
      {"no field", [&](Recipe& r) { upper(r).relocations[0].width = 0; }},
      {"no field",
       [&](Recipe& r) { upper(r).relocations[0].lsb = 31, upper(r).relocations[0].width = 2; }},
      {"unknown kind",
       [&](Recipe& r) { upper(r).relocations[0].kind = static_cast<hal::RelocationKind>(9); }},
      {"symbol 77", [&](Recipe& r) { address(r).symbol = 77; }},
      {"symbol 4294967295", [&](Recipe& r) { address(r).symbol = 0xFFFFFFFF; }},
      {"bytes into symbol", [&](Recipe& r) { address(r).addend = uint64_t{1} << 40; }},
      {"scales", [&](Recipe& r) { address(r).scale = 2; }},
      {"no whole words", [&](Recipe& r) { upper(r).bytes.pop_back(); }},
      {"out of order", [](Recipe& r) { std::swap(r.main.queues[0], r.main.queues[1]); }},
      {"which the chip lacks", [](Recipe& r) { r.main.queues[0].engine.index = 200; }},
      {"no queue of its own",
       [](Recipe& r) { r.main.queues[0].engine.kind = hal::EngineKind::kHostDma; }},
      {"bytes of external commands", [](Recipe& r) { r.main.external = {}; }},
      {"code at", [](Recipe& r) { r.main.image_code_offsets[0] = 0; }},
      {"code at", [](Recipe& r) { r.main.image_code_offsets[0] = ~uint64_t{0} - 8191; }},
      {"guid", [](Recipe& r) { r.main.images[0].guid = ""; }},
      {"guid", [](Recipe& r) { r.main.images[0].guid = "a b"; }},
      {"images[0]", [](Recipe& r) { r.main.images[0].payload.pop_back(); }},
      {"memory", [](Recipe& r) { r.main.workspace_bytes = ~uint64_t{0}; }},
      {"bindings[1]", [](Recipe& r) { r.main.bindings[1].bytes = uint64_t{1} << 50; }},
      {"sobs", [](Recipe& r) { r.main.sobs = 9; }},
      {"sobs", [](Recipe& r) { r.main.sobs = 1u << 20; }},
      {"monitors", [](Recipe& r) { r.main.monitors = 1u << 20; }},
      {"main_bindings are", [](Recipe& r) { r.main_bindings.pop_back(); }},
      {"prepared constant 5 of 1", [](Recipe& r) { r.main_bindings[1].index = 5; }},
      {"more than its prepared constant", [](Recipe& r) { r.prepared[0].bytes = 8; }},
      {"is buffer", [](Recipe& r) { r.main_bindings[0].index = 0xFFFFFFFF; }},
      {"made of buffer", [](Recipe& r) { r.prepared[0].sources[0] = 0xFFFFFFFF; }},
      {"4 steps on 3 engines", [](Recipe& r) { r.step_engines.pop_back(); }},
      {"engine kind 9", [](Recipe& r) { r.step_engines[1] = static_cast<hal::EngineKind>(9); }},
      {"without a prepare program", [](Recipe& r) { r.prepare.reset(); }},
      {"prepare", [](Recipe& r) { r.prepare->queues[0].upper = {}; }},
  };
  for (const Fault& fault : faults) {
    Recipe recipe = SmallRecipe();
    fault.make(recipe);
    EXPECT_THAT(Parse(MustSerialize(recipe)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(fault.message)));
  }
}

TEST(RecipeFileTest, SavingReplacesAFileWhole) {
  const std::string path = ::testing::TempDir() + "/recipe_file_test.recipe";
  ASSERT_THAT(SaveRecipe(SmallRecipe(), path), IsOk());
  ASSERT_THAT(SaveRecipe(SmallRecipe(), path), IsOk());
  EXPECT_THAT(LoadRecipe(path, Tiny()).status(), IsOk());
  EXPECT_THAT(LoadRecipe(path, *hal::LoadChip("gaudi")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::byte> file, ReadRecipeBytes(path));
  EXPECT_THAT(RecipeChip(file), IsOkAndHolds("tiny"));
  std::remove(path.c_str());
  EXPECT_THAT(LoadRecipe(path, Tiny()), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
  EXPECT_THAT(SaveRecipe(SmallRecipe(), "/nowhere/x.recipe"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace openhpu::graph
