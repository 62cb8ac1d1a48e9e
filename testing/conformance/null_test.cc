// The null driver: the shape of submissions and memory; no value ever moves.
#include "hal/null/driver.h"
#include "testing/conformance/driver_under_test.h"

namespace openhpu::conformance {

absl::StatusOr<std::unique_ptr<hal::Driver>> MakeDriverUnderTest() {
  return hal::NullDriver::Open("null:tiny");
}

std::vector<Exemption> Never() {
  return {
      {"DmaSuite.*", "moves no bytes"},
      {"SyncSuite.*", "completes at once, whatever it should wait for"},
      {"MemorySuite.*HoldBytes", "device memory is addresses only"},
      {"MemorySuite.HostMemoryOfAnyAlignmentIsReached", "moves no bytes"},
      {"QueueSuite.AQueueKeepsTheOrderOfSubmission", "moves no bytes"},
      {"QueueSuite.EveryExternalQueueCopies", "moves no bytes"},
      {"QueueSuite.EveryStreamOfEveryComputeDmaRunsABody", "runs nothing"},
      {"QueueSuite.AnUpperBufferRunsBodiesInOrder", "runs nothing"},
      {"QueueSuite.StreamsOfOneEngineShareIt", "runs nothing"},
      {"QueueSuite.ASubmissionHoldsManyChunksOfOneQueue", "moves no bytes"},
      {"ErrorSuite.*Packet*", "looks at no packet"},
      {"ErrorSuite.NothingOfARefusedSubmissionRuns", "moves no bytes"},
      {"ErrorSuite.AnUnmappedAddressFails", "runs nothing"},
      {"ErrorSuite.AFenceThatNobodyServesIsADeadlockThatNamesIt", "runs nothing"},
      {"ErrorSuite.AWrongCountIsFoundAndNamed", "runs nothing"},
      {"ErrorSuite.EventsAreTakenOnce", "runs nothing"},
  };
}

std::vector<Exemption> NotYet() { return {}; }

}  // namespace openhpu::conformance
