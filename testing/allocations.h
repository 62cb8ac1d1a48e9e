// Counts what a thread allocates through operator new, for tests that a path allocates nothing.
// Linking this library replaces the global operators.
#ifndef TESTING_ALLOCATIONS_H_
#define TESTING_ALLOCATIONS_H_

#include <cstdint>

namespace openhpu {

// Calls of operator new by this thread so far.
uint64_t ThreadAllocations();

}  // namespace openhpu

#endif  // TESTING_ALLOCATIONS_H_
