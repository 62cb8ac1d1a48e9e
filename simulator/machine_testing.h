// Support for tests of the machine below the seam: jobs are put into its queues, its memory and its
// registers are looked at, and it is run step by step.
#ifndef SIMULATOR_MACHINE_TESTING_H_
#define SIMULATOR_MACHINE_TESTING_H_

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/card_testing.h"
#include "simulator/engine/machine.h"
#include "simulator/spec.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {

class TestMachine : private CompletionListener {
 public:
  // As simulator::Simulator::Open reads it. Fails the test when there is no such machine.
  explicit TestMachine(const std::string& spec) {
    const absl::StatusOr<Spec> parsed = ParseSpec(spec);
    EXPECT_THAT(parsed, IsOk());
    timed_ = parsed->options.timed;
    chip_ = parsed->chip;
    absl::StatusOr<std::unique_ptr<Machine>> machine =
        Machine::Create(parsed->chip, parsed->options, *this);
    EXPECT_THAT(machine, IsOk());
    machine_ = *std::move(machine);
    next_ = chip_.address_map().dram_user_base().value();
  }
  Machine& operator*() { return *machine_; }
  const hal::Chip& chip() const { return chip_; }
  bool timed() const { return timed_; }

  // Memory: addresses are handed out upwards and never again.
  DeviceAddress Allocate(uint64_t bytes) {
    const DeviceAddress address(next_);
    next_ += (bytes + 255) / 256 * 256;
    return address;
  }
  std::byte* At(DeviceAddress address, uint64_t bytes) {
    const SimulationContext::Door door(machine_->context());
    const absl::StatusOr<std::byte*> host = machine_->environment().memory->Resolve(address, bytes);
    EXPECT_THAT(host, IsOk());
    machine_->environment().memory->Touch(address, bytes);
    return *host;
  }
  template <typename T>
  DeviceAddress Upload(const std::vector<T>& values) {
    const DeviceAddress address = Allocate(values.size() * sizeof(T));
    std::memcpy(At(address, values.size() * sizeof(T)), values.data(), values.size() * sizeof(T));
    return address;
  }
  uint32_t Word(DeviceAddress address) {
    uint32_t word;
    std::memcpy(&word, At(address, sizeof word), sizeof word);
    return word;
  }

  // Puts a job into a queue; returns its submission, numbered from 1.
  uint64_t Start(uint32_t queue, const Packets& packets, uint32_t ctl = 0) {
    Job job;
    job.submission = ++submissions_;
    job.ctl = ctl;
    job.bytes = static_cast<uint32_t>(packets.bytes().size());
    if (abi::IsExternalQueue(queue)) {
      job.external = job.uses_engine = true;
      job.copy = packets.bytes();
    } else {
      job.address = Upload(packets.bytes());
    }
    const SimulationContext::Door door(machine_->context());
    job.arrival = machine_->context().now();
    const absl::StatusOr<Machine::Stream> stream = machine_->FindStream(queue);
    EXPECT_THAT(stream, IsOk());
    stream->queue->cp(stream->index).Enqueue(std::move(job));
    return submissions_;
  }
  // Runs until nothing is left to happen, or an error.
  void Run() {
    const SimulationContext::Door door(machine_->context());
    do {
      machine_->context().RunUntilIdleOrStopped();
    } while (machine_->context().pending() && !machine_->environment().faults.failed());
  }
  void RunFor(uint64_t nanoseconds) {
    const SimulationContext::Door door(machine_->context());
    machine_->context().RunUntil(machine_->context().now() + Picoseconds(1000 * nanoseconds));
  }
  Picoseconds now() {
    const SimulationContext::Door door(machine_->context());
    return machine_->context().now();
  }
  // The error that stopped it, or "".
  std::string error() {
    const Faults& faults = machine_->environment().faults;
    return faults.failed() ? faults.fault().message : "";
  }
  // Submissions of external queues, in the order of their completion.
  const std::vector<uint64_t>& completed() const { return completed_; }

  uint32_t Read(uint64_t address) {
    const SimulationContext::Door door(machine_->context());
    const absl::StatusOr<uint32_t> value = machine_->ReadRegister(address);
    EXPECT_THAT(value, IsOk());
    return value.value_or(0xDEADBEEF);
  }
  absl::Status Write(uint64_t address, uint32_t value) {
    const SimulationContext::Door door(machine_->context());
    return machine_->WriteRegister(address, value);
  }
  std::vector<bool> Busy() {
    const SimulationContext::Door door(machine_->context());
    return machine_->BusyEngines();
  }
  absl::Status Inject(const InjectedFault& fault) {
    const SimulationContext::Door door(machine_->context());
    return machine_->Inject(fault);
  }
  void Reset() {
    const SimulationContext::Door door(machine_->context());
    machine_->Reset();
  }
  std::string Stuck() {
    const SimulationContext::Door door(machine_->context());
    return machine_->DescribeStuck();
  }

  // Addresses of objects of the user's manager, and what is in them.
  static uint64_t SobAddress(uint32_t sob) {
    return abi::SyncManagerObjsBase(abi::kEastNorth) + abi::sync_manager::SOB_OBJ::At(sob);
  }
  template <typename Register>
  static uint64_t MonitorAddress(uint32_t monitor) {
    return abi::SyncManagerObjsBase(abi::kEastNorth) + Register::At(monitor);
  }
  uint32_t Sob(uint32_t sob) { return Read(SobAddress(sob)); }

 private:
  void JobCompleted(uint64_t submission, const SharedClock& /*clock*/) override {
    completed_.push_back(submission);
  }

  hal::Chip chip_;
  bool timed_ = true;
  std::vector<uint64_t> completed_;
  uint64_t submissions_ = 0, next_ = 0;
  std::unique_ptr<Machine> machine_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_MACHINE_TESTING_H_
