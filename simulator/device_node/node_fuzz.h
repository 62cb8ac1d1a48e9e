// For fuzzers: any bytes as calls on a device node.
#ifndef SIMULATOR_DEVICE_NODE_NODE_FUZZ_H_
#define SIMULATOR_DEVICE_NODE_NODE_FUZZ_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

// A first byte for the table of ioctls (bit 0: accel's) and the card (bit 1: a Gaudi2); then calls
// until the bytes end, 64 at most, each a byte for what it is (FuzzCall) and what that takes. An
// ioctl takes a byte for the command, one for the size of its argument, then eight words of which
// each is a byte for its kind (FuzzWord) and what that takes. Aborts when a call answers what no
// kernel does, or touched what the program did not give it. Fit for LLVMFuzzerTestOneInput; not
// thread-safe.
enum class FuzzCall : uint8_t {
  kIoctl,
  kControlIoctl,  // on the control node
  kWriteMemory,  // a byte for where in the program's buffer (times 8), one for how many bytes, they
  kWriteCommands,  // the same into the command buffer that was mapped last
  kMap,            // a word for the handle, a byte for how many pages
  kAttribute,      // reads and writes an attribute, a byte for which
  kDebugWord,      // a word for the address, eight bytes for the value
  kReopen,
  kStoreWord,  // a byte for where in the program's buffer (times 8), a word
  kCount
};
enum class FuzzWord : uint8_t {
  kByte,     // one byte
  kTwo,      // two, for the word's halves
  kLong,     // eight
  kPointer,  // one for the kind of pointer, one for what is added (times 8)
  kResult,   // one for which of the words that calls answered, one for what is added
  kCount
};
enum class FuzzPointer : uint8_t {
  kNull,
  kSmall,
  kBuffer,
  kEndOfBuffer,
  kGuard,
  kReadOnly,
  kKernel,
  kHighest,
  kCommands,  // in the mapped command buffer
  kCount
};
struct NodeFuzzed {
  int succeeded = 0, failed = 0;  // ioctls
};
NodeFuzzed FuzzNode(const uint8_t* data, size_t size);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_NODE_FUZZ_H_
