// For fuzzers: any bytes as commands of a simulated card. All calls abort when the card reached
// what is not the user's, or does not serve any more. Fit for LLVMFuzzerTestOneInput; not
// thread-safe.
//
// The card is a small "sim:tiny" or "sim:gaudi2" that is made once a mode and reset after each
// input. What belongs
// to no user cannot be touched unnoticed: DRAM below the user's has no access rights, SRAM below
// the user's and the host memory beside the mappings hold a pattern, and the pages around that have
// no access rights either.
#ifndef SIMULATOR_QUEUE_FUZZ_H_
#define SIMULATOR_QUEUE_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace openhpu::simulator {

// The user's memory: zeros when an input starts, but for what the input puts there. Of host memory
// there are two mappings, the second up to the end of its page.
struct FuzzMemory {
  uint64_t dram, sram, host, host_end;
};
inline constexpr FuzzMemory kGaudi2FuzzMemory = {0x1001001800000000, 0x1000FFFFFD000080,
                                                 0xFFF0000000000100, 0xFFF0000000003800};
inline constexpr uint64_t kFuzzDram = 0x20000000, kFuzzDramBytes = 0x100000;
inline constexpr uint64_t kFuzzSram = 0x7FF0000080, kFuzzSramBytes = 0x10000 - 0x80;
inline constexpr uint64_t kFuzzHost = 0x1000000000100, kFuzzHostBytes = 0xE00;
inline constexpr uint64_t kFuzzHostEnd = 0x1000000003800, kFuzzHostEndBytes = 0x800;
inline constexpr FuzzMemory kFuzzMemory = {kFuzzDram, kFuzzSram, kFuzzHost, kFuzzHostEnd};
// Where commands are put: of the i-th chunk at i * kFuzzChunkBytes.
inline constexpr uint64_t kFuzzChunkBytes = 0x1000;

struct QueuesFuzzed {
  bool accepted = false, completed = false;  // as a submission
  std::string fault;                         // what the card said was wrong, or ""
};

// A byte for mode (functional, timed, timed with hazards) and how to wait; then chunks of one
// submission, 8 at most: a byte for the queue, a byte for where the commands lie (FuzzPlace), two
// for how many bytes, the commands.
enum class FuzzPlace : uint8_t { kDirect, kBodyInDram, kBodyInSram, kBodyInHostMemory };
inline constexpr uint8_t kFuzzQueues[] = {0, 4, 1, 9, 10, 15, 33, 34, 41, 42, 45};  // beside any id
QueuesFuzzed FuzzQueues(const uint8_t* data, size_t size);
// The same of Gaudi2: PDMA 0, 0 on another stream, 1; EDMA 0 of DCORE 0 on two streams, of DCORE 1;
// both MMEs; TPC 0 of DCORE 0 on two streams, TPC 3 of DCORE 2.
inline constexpr uint8_t kGaudi2FuzzQueues[] = {0, 2, 4, 8, 9, 48, 16, 92, 20, 21, 108};
QueuesFuzzed FuzzGaudi2Queues(const uint8_t* data, size_t size);

// One launch of a TPC: the mode; a kernel's place in the list of guids; counts of tensors and
// scalars; two bytes for the bytes of the payload; payload; tensor descriptors of 56 bytes; box of
// the index space, 40 bytes; scalars; then changes to the image's header: two bytes for the word,
// four for what it is. The image's CRC is right unless that changes it.
inline constexpr uint64_t kFuzzImage = kFuzzDram + 0x40000;
QueuesFuzzed FuzzTpc(const uint8_t* data, size_t size);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_QUEUE_FUZZ_H_
