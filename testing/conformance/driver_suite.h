// DriverSuite: the fixture of every suite. Each test has a driver of its own, opened for it; what a
// test maps, allocates and places lives until the test ends.
//
// Moving bytes and placing commands use stream 3 of the first and last host DMA: a test that blocks
// queues takes streams 0 to 2 of them.
#ifndef TESTING_CONFORMANCE_DRIVER_SUITE_H_
#define TESTING_CONFORMANCE_DRIVER_SUITE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "hal/driver.h"
#include "testing/conformance/exemptions.h"
#include "testing/conformance/job.h"

namespace openhpu::conformance {

using Bytes = std::vector<std::byte>;

// The same bytes for the same arguments, without a visible period.
Bytes Pattern(size_t bytes, uint64_t seed);

class DriverSuite : public testing::Test {
 protected:
  // Host memory that the device reaches.
  struct HostMemory {
    Bytes bytes;
    DeviceAddress address;
  };

  void SetUp() override;
  void TearDown() override;

  hal::Driver& driver() { return *driver_; }
  const hal::Chip& chip() { return driver_->info().chip; }
  int host_dmas() { return hal::CountEngines(chip(), hal::EngineKind::kHostDma); }
  int compute_dmas() { return hal::CountEngines(chip(), hal::EngineKind::kDma); }

  // Mapped memory with these bytes.
  absl::StatusOr<HostMemory*> MapHost(Bytes bytes);
  absl::StatusOr<DeviceAddress> Dram(uint64_t bytes);
  absl::StatusOr<DeviceAddress> Sram(uint64_t bytes);
  // By the host DMAs; both wait.
  absl::Status Upload(const Bytes& bytes, DeviceAddress to);
  absl::StatusOr<Bytes> Download(DeviceAddress from, uint64_t bytes);
  // Device memory with these bytes.
  absl::StatusOr<DeviceAddress> DramWith(const Bytes& bytes);

  Job NewJob(hal::Engine engine, uint32_t stream = 0) {
    return Job(chip(), engine, stream, &next_monitor_);
  }
  // A job of an external queue that takes the device at least `time`: copies, over and over, of a
  // mebibyte at the speed of the bus.
  Job LongJob(hal::Engine engine, uint32_t stream, absl::Duration time);
  // The job's queue, and its commands where the queue takes them from: command memory, or device
  // memory, uploaded.
  absl::StatusOr<hal::Chunk> Place(Job& job);
  absl::StatusOr<hal::Chunk> Place(Job&& job) { return Place(job); }
  // Commands of an external queue that are a packet that does nothing.
  absl::StatusOr<hal::Chunk> PlaceNop(int host_dma = 0, uint32_t stream = 0);
  absl::StatusOr<QueueId> Queue(hal::Engine engine, uint32_t stream);

  // Places all, then submits them together.
  absl::StatusOr<Sequence> Submit(const std::vector<Job*>& jobs);
  absl::Status Wait(Sequence sequence, absl::Duration timeout = absl::InfiniteDuration());
  // Submits and waits.
  absl::Status Run(const std::vector<Job*>& jobs);

  // The bank.
  uint32_t first_sob() const { return first_sob_; }
  uint32_t first_monitor() const { return first_monitor_; }
  // How many monitors the tests of a suite may use.
  uint32_t monitors() const { return monitors_; }

  bool knows_why() const { return knows_why_; }

  // Takes the events; their kinds in order, and all messages as one text.
  std::vector<hal::HealthEvent::Kind> TakeEventKinds(std::string* messages = nullptr);

 private:
  std::string name_;
  bool knows_why_ = true;
  // Collects the failures of a test on the "not yet" list.
  const Exemption* not_yet_ = nullptr;
  testing::TestPartResultArray failures_;
  std::unique_ptr<testing::ScopedFakeTestPartResultReporter> reporter_;

  std::deque<HostMemory> host_memory_;  // outlives the driver
  std::unique_ptr<hal::Driver> driver_;
  uint32_t first_sob_ = 0, first_monitor_ = 0, monitors_ = 0, next_monitor_ = 0;
};

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_DRIVER_SUITE_H_
