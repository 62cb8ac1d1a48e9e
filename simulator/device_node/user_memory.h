// The program's memory, by the addresses that it gives to the kernel: a wrong one is -EFAULT, not a
// signal.
//
// What was found to be mapped is remembered, since asking costs system calls: whoever unmaps or
// protects memory of the program says so (ForgetUserMemory). Memory that the C library returns by
// itself, in free(), is not heard of: a program that passes it on may get the signal.
//
// Threading: any thread.
#ifndef SIMULATOR_DEVICE_NODE_USER_MEMORY_H_
#define SIMULATOR_DEVICE_NODE_USER_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

// 0 or -EFAULT; then what `to` has is undefined.
int CopyFromUser(void* to, uint64_t from, size_t bytes);
int CopyToUser(uint64_t to, const void* from, size_t bytes);

// Whether all of [address, address + bytes) may be read and written, as a mapping for a device
// needs it: what the kernel finds when it pins the pages.
bool IsWritable(uint64_t address, uint64_t bytes);

// [address, address + bytes) is not what it was.
void ForgetUserMemory(uint64_t address, uint64_t bytes);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_DEVICE_NODE_USER_MEMORY_H_
