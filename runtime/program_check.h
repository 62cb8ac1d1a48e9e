// What a program must satisfy to be loaded, whatever file or compiler it comes from.
#ifndef RUNTIME_PROGRAM_CHECK_H_
#define RUNTIME_PROGRAM_CHECK_H_

#include "absl/status/status.h"
#include "hal/chip.pb.h"
#include "runtime/program.h"

namespace openhpu::runtime {

// InvalidArgument names the part that contradicts the chip or another part. Relocations are checked
// when they are applied.
absl::Status CheckProgram(const Program& program, const hal::Chip& chip);

// Bytes of the images with their header pages: the end of the last one.
uint64_t ImagesBytes(const Program& program);

}  // namespace openhpu::runtime

#endif  // RUNTIME_PROGRAM_CHECK_H_
