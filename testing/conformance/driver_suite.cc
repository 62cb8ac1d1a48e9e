#include "testing/conformance/driver_suite.h"

#include <algorithm>
#include <cstring>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/packets.h"
#include "hal/base/status_macros.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

constexpr uint32_t kTransferStream = 3;

std::string CurrentTest() {
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  return absl::StrCat(test->test_suite_name(), ".", test->name());
}

}  // namespace

Bytes Pattern(size_t bytes, uint64_t seed) {
  Bytes pattern(bytes);
  uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  for (std::byte& byte : pattern) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  return pattern;
}

void DriverSuite::SetUp() {
  name_ = CurrentTest();
  const Exemptions exemptions = ExemptionsUnderTest();
  if (const Exemption* never = Find(exemptions.never, name_); never != nullptr) {
    GTEST_SKIP() << "never: " << never->reason;
  }
  knows_why_ = exemptions.knows_why;
  not_yet_ = Find(exemptions.not_yet, name_);
  if (not_yet_ != nullptr) {
    reporter_ = std::make_unique<testing::ScopedFakeTestPartResultReporter>(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures_);
  }
  auto driver = MakeDriverUnderTest();
  if (driver.status().code() == absl::StatusCode::kUnavailable) {
    GTEST_SKIP() << driver.status().message();
  }
  ASSERT_OK(driver);
  driver_ = *std::move(driver);
  ASSERT_OK_AND_ASSIGN(
      const hal::SyncManagerInfo sync,
      driver_->GetSyncManagerInfo(static_cast<int>(chip().sync().user_manager().value())));
  constexpr uint32_t kGroup = 8;
  first_sob_ = (sync.first_sob + kGroup - 1) / kGroup * kGroup;
  first_monitor_ = sync.first_monitor;
  monitors_ = sync.num_monitors;
}

void DriverSuite::TearDown() {
  driver_.reset();
  host_memory_.clear();
  if (reporter_ == nullptr) return;
  reporter_.reset();
  int failed = 0;
  for (int i = 0; i < failures_.size(); ++i) {
    const testing::TestPartResult& part = failures_.GetTestPartResult(i);
    if (part.skipped()) GTEST_SKIP() << part.message();
    if (!part.failed()) continue;
    ++failed;
    std::cout << "not yet: " << part.file_name() << ":" << part.line_number() << ": "
              << part.message() << "\n";
  }
  if (failed == 0) {
    ADD_FAILURE() << name_ << " passes: take it off the list of what is not done yet ("
                  << not_yet_->reason << ")";
    return;
  }
  GTEST_SKIP() << "not yet: " << not_yet_->reason;
}

absl::StatusOr<DriverSuite::HostMemory*> DriverSuite::MapHost(Bytes bytes) {
  host_memory_.push_back({std::move(bytes), DeviceAddress(0)});
  HostMemory& memory = host_memory_.back();
  ASSIGN_OR_RETURN(memory.address, driver_->MapHost(memory.bytes.data(), memory.bytes.size()));
  return &memory;
}

absl::StatusOr<DeviceAddress> DriverSuite::Dram(uint64_t bytes) {
  return driver_->Allocate(hal::MemoryKind::kDram, bytes);
}

absl::StatusOr<DeviceAddress> DriverSuite::Sram(uint64_t bytes) {
  return driver_->Allocate(hal::MemoryKind::kSram, bytes);
}

absl::Status DriverSuite::Upload(const Bytes& bytes, DeviceAddress to) {
  ASSIGN_OR_RETURN(HostMemory* const staging, MapHost(bytes));
  Job job = NewJob(HostDma(0), kTransferStream);
  job.HostCopy(staging->address, to, bytes.size());
  RETURN_IF_ERROR(Run({&job}));
  RETURN_IF_ERROR(driver_->UnmapHost(staging->address));
  if (staging == &host_memory_.back()) host_memory_.pop_back();
  return absl::OkStatus();
}

absl::StatusOr<Bytes> DriverSuite::Download(DeviceAddress from, uint64_t bytes) {
  ASSIGN_OR_RETURN(HostMemory* const staging, MapHost(Bytes(bytes)));
  Job job = NewJob(HostDma(host_dmas() - 1), kTransferStream);
  job.HostCopy(from, staging->address, bytes);
  RETURN_IF_ERROR(Run({&job}));
  RETURN_IF_ERROR(driver_->UnmapHost(staging->address));
  return std::move(staging->bytes);
}

absl::StatusOr<DeviceAddress> DriverSuite::DramWith(const Bytes& bytes) {
  ASSIGN_OR_RETURN(const DeviceAddress address, Dram(bytes.size()));
  RETURN_IF_ERROR(Upload(bytes, address));
  return address;
}

absl::StatusOr<QueueId> DriverSuite::Queue(hal::Engine engine, uint32_t stream) {
  ASSIGN_OR_RETURN(const uint32_t queue, hal::QueueOf(chip(), engine, stream));
  return QueueId(queue);
}

Job DriverSuite::LongJob(hal::Engine engine, uint32_t stream, absl::Duration time) {
  constexpr uint64_t kBytes = 1 << 20;
  const double bus = static_cast<double>(chip().memory().pcie_bytes_per_second().value());
  const auto copies = static_cast<uint64_t>(absl::ToDoubleSeconds(time) * bus / kBytes) + 1;
  Job job = NewJob(engine, stream);
  auto host = MapHost(Bytes(kBytes));
  auto dram = Dram(kBytes);
  EXPECT_OK(host);
  EXPECT_OK(dram);
  if (!host.ok() || !dram.ok()) return job;
  for (uint64_t i = 0; i < copies; ++i) job.HostCopy((*host)->address, *dram, kBytes);
  return job;
}

absl::StatusOr<hal::Chunk> DriverSuite::Place(Job& job) {
  hal::Chunk chunk;
  ASSIGN_OR_RETURN(chunk.queue, Queue(job.engine(), job.stream()));
  DeviceAddress body(0);
  if (job.body_bytes() > 0) {
    ASSIGN_OR_RETURN(const Bytes bytes, job.LinkBody(first_sob_, first_monitor_));
    ASSIGN_OR_RETURN(body, DramWith(bytes));
  }
  ASSIGN_OR_RETURN(const Bytes bytes, job.Link(first_sob_, first_monitor_, body));
  chunk.bytes = static_cast<uint32_t>(bytes.size());
  if (job.external()) {
    ASSIGN_OR_RETURN(const hal::CommandMemory memory, driver_->CreateCommandMemory(bytes.size()));
    std::memcpy(memory.bytes.data(), bytes.data(), bytes.size());
    chunk.commands = memory.handle;
  } else {
    ASSIGN_OR_RETURN(const DeviceAddress address, DramWith(bytes));
    chunk.commands = address.value();
  }
  return chunk;
}

absl::StatusOr<hal::Chunk> DriverSuite::PlaceNop(int host_dma, uint32_t stream) {
  return Place(NewJob(HostDma(host_dma), stream).Raw(hal::abi::gaudi::PacketNop()));
}

absl::StatusOr<Sequence> DriverSuite::Submit(const std::vector<Job*>& jobs) {
  std::vector<hal::Chunk> chunks;
  for (Job* job : jobs) {
    ASSIGN_OR_RETURN(const hal::Chunk chunk, Place(*job));
    chunks.push_back(chunk);
  }
  return driver_->Submit(chunks);
}

absl::Status DriverSuite::Wait(Sequence sequence, absl::Duration timeout) {
  return driver_->Wait({&sequence, 1}, hal::WaitFor::kAll, timeout);
}

absl::Status DriverSuite::Run(const std::vector<Job*>& jobs) {
  ASSIGN_OR_RETURN(const Sequence sequence, Submit(jobs));
  return Wait(sequence);
}

std::vector<hal::HealthEvent::Kind> DriverSuite::TakeEventKinds(std::string* messages) {
  std::vector<hal::HealthEvent::Kind> kinds;
  for (const hal::HealthEvent& event : driver_->TakeEvents()) {
    kinds.push_back(event.kind);
    if (messages != nullptr) absl::StrAppend(messages, event.message, "\n");
  }
  return kinds;
}

}  // namespace openhpu::conformance
