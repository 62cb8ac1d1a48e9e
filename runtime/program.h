// Program: what can be loaded and launched. The compiler makes it (graph/recipe.h wraps it with
// names and a file form); runtime/instance.h loads it.
//
// A program is immutable and symbolic. Its symbols, in this order, are the values that its command
// blobs are relocated with:
//   0            the workspace
//   1            the kernel images (each image's 8 KiB-aligned header page, then its code)
//   2            the constants
//   3 .. 3+Q-1   the body of queue i (device memory that holds its lower-CP commands)
//   3+Q ..       the bindings, in order
#ifndef RUNTIME_PROGRAM_H_
#define RUNTIME_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::runtime {

inline constexpr uint32_t kWorkspaceSymbol = 0;
inline constexpr uint32_t kImagesSymbol = 1;
inline constexpr uint32_t kConstantsSymbol = 2;
inline constexpr uint32_t kFirstBodySymbol = 3;

struct BindingSpec {
  std::string name;
  uint64_t bytes = 0;
  bool read = false, written = false;
};

// The commands of one internal queue: an upper buffer, and the body that its Run()s point into.
struct QueueProgram {
  hal::Engine engine;
  hal::CommandBlob upper, body;
};

struct Program {
  std::string chip;
  std::vector<QueueProgram> queues;  // one an engine that has work, ordered by engine
  hal::CommandBlob
      external;  // go, wait for all, reset sync objects; runs on the stream's external queue
  std::vector<hal::KernelImage> images;
  std::vector<uint64_t> image_code_offsets;  // of each image's code from the start of the images
                                             // (multiples of 8 KiB, after its header page)
  std::vector<std::byte> constants;
  uint64_t workspace_bytes = 0;
  std::vector<BindingSpec> bindings;
  uint32_t sobs = 0, monitors = 0;  // of the bank; sobs is a multiple of 8

  uint32_t binding_symbol(uint32_t binding) const {
    return kFirstBodySymbol + static_cast<uint32_t>(queues.size()) + binding;
  }
};

}  // namespace openhpu::runtime

#endif  // RUNTIME_PROGRAM_H_
