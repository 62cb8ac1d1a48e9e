// Where registers are that suites reach by packets as they are, what engines are called, and queues
// that a chip lacks, by the chip's dialect.
#ifndef TESTING_CONFORMANCE_ADDRESSES_H_
#define TESTING_CONFORMANCE_ADDRESSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "hal/chip.pb.h"
#include "hal/command_writer.h"

namespace openhpu::conformance {

// The manager of the user's work: the first of each array of registers.
struct SyncAddresses {
  uint64_t sob = 0;
  uint64_t payload_low = 0, payload_high = 0, payload_data = 0, arm = 0;  // of monitors
};
SyncAddresses SyncAddressesOf(const hal::Chip& chip);

// The counter of a fence of a host DMA's stream.
uint64_t HostDmaFence(const hal::Chip& chip, int host_dma, int fence, uint32_t stream);

// Registers that a user's message may not reach: of the card, of a queue manager, and the kernel's
// own sync object and monitor.
std::vector<uint64_t> KernelsRegisters(const hal::Chip& chip);

// Messages into the user's sync manager that nothing is there for: to what is only read, between
// registers, and, on a chip that lacks some of the dialect's, to and about objects and monitors.
struct RegisterWrite {
  uint64_t address = 0;
  uint32_t value = 0;
};
std::vector<RegisterWrite> BadSyncWrites(const hal::Chip& chip);

// What people call the engine: "DMA2", "DCORE0_EDMA1".
std::string EngineName(const hal::Chip& chip, hal::Engine engine);

uint64_t KernelsQueue(const hal::Chip& chip);
// Ids that no queue of the chip has, the first above all others first.
std::vector<uint64_t> MissingQueues(const hal::Chip& chip);

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_ADDRESSES_H_
