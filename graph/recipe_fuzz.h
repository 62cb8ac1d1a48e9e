// For fuzzers: any bytes as a recipe file.
#ifndef GRAPH_RECIPE_FUZZ_H_
#define GRAPH_RECIPE_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace openhpu::graph {

// A first byte of 0 is followed by a file, another by a file's message alone, which gets a header
// with the right checksum. Aborts when what was accepted is not written and read back the same.
// Whether it was accepted. Fit for LLVMFuzzerTestOneInput.
bool FuzzRecipe(const uint8_t* data, size_t size);

// The input that is the message of a small recipe for the chip of the fuzzer, with every part that
// a recipe can have.
std::string RecipeFuzzSeed();

}  // namespace openhpu::graph

#endif  // GRAPH_RECIPE_FUZZ_H_
