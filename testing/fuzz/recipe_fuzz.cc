// Any bytes as a recipe file.
#include "graph/recipe_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openhpu::graph::FuzzRecipe(data, size);
  return 0;
}
