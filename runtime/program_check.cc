#include "runtime/program_check.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "hal/base/status_macros.h"
#include "hal/driver.h"
#include "hal/kernel_image.h"

namespace openhpu::runtime {
namespace {

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("program: ", what));
}

absl::Status CheckBlob(const std::string& where, const hal::CommandBlob& blob, uint64_t symbols) {
  if (blob.bytes.size() % 8 != 0) {
    return Bad(absl::StrCat(where, ": ", blob.bytes.size(), " bytes is not a multiple of 8"));
  }
  if (blob.bytes.size() > std::numeric_limits<uint32_t>::max()) {
    return Bad(absl::StrCat(where, ": ", blob.bytes.size(), " bytes"));
  }
  for (const hal::Relocation& relocation : blob.relocations) {
    if (relocation.word >= blob.bytes.size() / 4) {
      return Bad(absl::StrCat(where, ": relocation of word ", relocation.word, " of ",
                              blob.bytes.size() / 4));
    }
    if (relocation.kind == hal::RelocationKind::kSymbol && relocation.symbol >= symbols) {
      return Bad(absl::StrCat(where, ": symbol ", relocation.symbol, " of ", symbols));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckImages(const Program& program) {
  if (program.image_code_offsets.size() != program.images.size()) {
    return Bad(absl::StrCat(program.image_code_offsets.size(), " code offsets for ",
                            program.images.size(), " images"));
  }
  uint64_t end = 0;  // of the image before
  for (size_t i = 0; i < program.images.size(); ++i) {
    const uint64_t code = program.image_code_offsets[i];
    if (code % hal::kKernelImagePage != 0 || code < end + hal::kKernelImagePage ||
        code > (uint64_t{1} << 40)) {
      return Bad(absl::StrCat("image ", i, " (", program.images[i].guid, "): code at ", code,
                              "; must be a multiple of ", hal::kKernelImagePage,
                              " and leave a page for its header behind ", end));
    }
    end = code + program.images[i].payload.size();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckProgram(const Program& program, const hal::Chip& chip) {
  if (program.chip != chip.name()) {
    return Bad(absl::StrCat("compiled for chip ", program.chip, ", the device is ", chip.name()));
  }
  if (program.external.bytes.empty()) {
    return Bad("no external commands: nothing would say when it is complete");
  }
  if (program.sobs % 8 != 0) return Bad(absl::StrCat(program.sobs, " sync objects, not 8 n"));
  if (program.queues.size() >= hal::kMaxChunks) {
    return Bad(absl::StrCat(program.queues.size(), " queues"));
  }
  RETURN_IF_ERROR(CheckImages(program));
  const uint64_t symbols = program.binding_symbol(0) + program.bindings.size();
  RETURN_IF_ERROR(CheckBlob("external", program.external, symbols));
  for (size_t i = 0; i < program.queues.size(); ++i) {
    const QueueProgram& queue = program.queues[i];
    const std::string where = absl::StrCat("queue ", i);
    if (queue.engine.kind == hal::EngineKind::kHostDma) {
      return Bad(absl::StrCat(where, ": a host-facing engine"));
    }
    if (i > 0 && !(program.queues[i - 1].engine < queue.engine)) {
      return Bad(absl::StrCat(where, ": engines out of order, or one twice"));
    }
    if (queue.upper.bytes.empty()) return Bad(absl::StrCat(where, ": no upper commands"));
    RETURN_IF_ERROR(CheckBlob(absl::StrCat(where, ": upper"), queue.upper, symbols));
    RETURN_IF_ERROR(CheckBlob(absl::StrCat(where, ": body"), queue.body, symbols));
  }
  return absl::OkStatus();
}

uint64_t ImagesBytes(const Program& program) {
  if (program.images.empty()) return 0;
  return program.image_code_offsets.back() + program.images.back().payload.size();
}

}  // namespace openhpu::runtime
