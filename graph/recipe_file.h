// Recipes as files. Layout: 8 bytes magic "OHPURCP\n"; u32 version; u32 CRC-32C of all that
// follows; u64 bytes of the message; the message (graph/recipe.proto). All little-endian. The CRC
// finds damage, and every number is checked besides, so that a hostile file is an error too: what
// is loaded can be launched without reaching outside its own memory by a relocation. (What its
// packets say is checked where packets are checked: by the device.)
#ifndef GRAPH_RECIPE_FILE_H_
#define GRAPH_RECIPE_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/compiler.h"
#include "hal/chip.pb.h"

namespace openhpu::graph {

inline constexpr uint32_t kRecipeFileVersion = 2;

// InvalidArgument names what is inconsistent: a chip other than `chip`; queues that the chip lacks,
// that are out of order or twice; a relocation outside its blob, with a bad field, of a symbol that
// is not there or beyond its memory; images that overlap, without guid, or with a bad fused
// program; a bank or memory larger than the chip's; bindings of nothing; steps of
// no engine.
absl::Status CheckRecipe(const Recipe& recipe, const hal::Chip& chip);

// InvalidArgument when it would not fit the format (2 GiB).
absl::StatusOr<std::string> SerializeRecipe(const Recipe& recipe);
// DataLoss for a damaged file, Unimplemented for another version, else as CheckRecipe.
absl::StatusOr<Recipe> ParseRecipe(absl::Span<const std::byte> file, const hal::Chip& chip);

// The chip that a file is for (undamaged, not yet checked), to load it by.
absl::StatusOr<std::string> RecipeChip(absl::Span<const std::byte> file);

// Writes a file beside `path` and renames it, so that `path` is the old file or the new one, whole.
absl::Status SaveRecipe(const Recipe& recipe, const std::string& path);
absl::StatusOr<Recipe> LoadRecipe(const std::string& path, const hal::Chip& chip);
absl::StatusOr<std::vector<std::byte>> ReadRecipeBytes(const std::string& path);

}  // namespace openhpu::graph

#endif  // GRAPH_RECIPE_FILE_H_
