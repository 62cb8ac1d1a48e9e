// Faults x devices: each is told of by its event and its Status, work in flight is lost or is not,
// and after a reset the device is as new: the same cycles, nothing leaked.
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hal/command_writer.h"
#include "hal/commands.h"
#include "hal/driver.h"
#include "simulator/fault.h"
#include "testing/faults/device.h"
#include "testing/status_matchers.h"

namespace openhpu::faults {
namespace {

using absl::StatusCode;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using Event = hal::HealthEvent::Kind;

struct DeviceCase {
  const char* name;
  const char* spec;
  bool kernel;  // behind the node: a kernel knows less of why
  const char *dma, *tpc;
};

constexpr DeviceCase kDevices[] = {
    {"sim_tiny", "sim:tiny,hazards=on", false, "DMA0", "TPC0"},
    {"sim_gaudi", "sim:gaudi,hazards=on", false, "DMA0", "TPC0"},
    {"sim_gaudi2", "sim:gaudi2,hazards=on", false, "PDMA0", "DCORE0_TPC0"},
    {"habanalabs_node", "sim:gaudi,hazards=on", true, "DMA0", "TPC0"},
    {"habanalabs_gaudi2_node", "sim:gaudi2,hazards=on", true, "PDMA0", "DCORE0_TPC0"},
};

struct FaultCase {
  const char* name;
  const char* text;  // $dma and $tpc are the device's
  bool stops;        // work in flight is lost, and all is refused until a reset
  bool spares_next;  // what was submitted behind it is done
  Event event;
  Event kernels;  // kUnavailable: none
};

constexpr FaultCase kFaults[] = {
    {"EngineHang", "engine_hang:$dma", true, false, Event::kHang, Event::kTimeout},
    {"LostCompletion", "lost_completion:$dma", true, true, Event::kTimeout, Event::kTimeout},
    {"EccCorrected", "ecc_corrected:HBM:0x20000040", false, true, Event::kEcc, Event::kUnavailable},
    {"EccUncorrected", "ecc_uncorrected:HBM:0x20000040", true, false, Event::kEcc,
     Event::kHardwareError},
    {"EccUncorrectedInSram", "ecc_uncorrected:SRAM", true, false, Event::kEcc,
     Event::kHardwareError},
    {"PageFault", "page_fault:$dma:0x20001234", true, false, Event::kPageFault, Event::kPageFault},
    {"Razwi", "razwi:$dma:0x20001234", true, false, Event::kRazwi, Event::kRazwi},
    {"TpcAssert", "tpc_assert:$tpc", true, false, Event::kTpcAssert, Event::kTpcAssert},
    {"Throttle", "throttle:100", false, true, Event::kThrottle, Event::kThrottle},
    {"HardReset", "hard_reset", true, false, Event::kReset, Event::kReset},
};

// A copy from the host, and what the device has for it.
constexpr uint32_t kBytes = 1 << 20;

class Bench {
 public:
  explicit Bench(const DeviceCase& of) : of_(of) {
    absl::StatusOr<Device> opened = of.kernel ? OpenOverNode(of.spec) : OpenSimulator(of.spec);
    EXPECT_OK(opened);
    if (!opened.ok()) return;
    device_ = *std::move(opened);
    for (size_t i = 0; i < host_.size(); ++i) host_[i] = static_cast<uint8_t>(i * 7 + i / 251);
    mapped_ = Must(driver().MapHost(host_.data(), kBytes));
    back_mapped_ = Must(driver().MapHost(back_.data(), kBytes));
    dram_ = Must(driver().Allocate(hal::MemoryKind::kDram, kBytes));
    in_ = Command(mapped_, dram_);
    out_ = Command(dram_, back_mapped_);
  }

  hal::Driver& driver() { return *device_.driver; }
  uint64_t now() { return device_.now().value(); }

  void Order(const FaultCase& fault, uint64_t picoseconds) {
    const std::string text =
        absl::StrReplaceAll(fault.text, {{"$dma", of_.dma}, {"$tpc", of_.tpc}});
    ASSERT_OK_AND_ASSIGN(
        const simulator::InjectedFault ordered,
        simulator::ParseFault(absl::StrCat(text, "@", (now() + picoseconds) / 1000 + 1)));
    ASSERT_OK(device_.inject(ordered));
  }

  absl::StatusOr<Sequence> Start() { return driver().Submit({&in_, 1}); }
  absl::Status Wait(Sequence s, absl::Duration timeout = absl::InfiniteDuration()) {
    return driver().Wait({&s, 1}, hal::WaitFor::kAll, timeout);
  }
  // How long a copy takes.
  uint64_t Work() {
    const uint64_t begin = now();
    const absl::StatusOr<Sequence> sequence = Start();
    EXPECT_OK(sequence);
    if (sequence.ok()) {
      EXPECT_OK(Wait(*sequence));
    }
    return now() - begin;
  }
  // Some microseconds of the host, without work. A device that is lost refuses it.
  void PassTime() {
    const absl::StatusOr<DeviceAddress> mapped = driver().MapHost(idle_.data(), idle_.size());
    if (mapped.ok()) driver().UnmapHost(*mapped).IgnoreError();
  }
  // The bytes come back, through mappings that were made at the beginning.
  void ExpectRightBytes() {
    back_.assign(kBytes, 0);
    Work();
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, driver().Submit({&out_, 1}));
    ASSERT_OK(Wait(sequence));
    EXPECT_TRUE(back_ == host_);
  }
  std::vector<Event> Events() {
    std::vector<Event> kinds;
    for (const hal::HealthEvent& event : driver().TakeEvents()) {
      EXPECT_FALSE(event.message.empty());
      kinds.push_back(event.kind);
    }
    return kinds;
  }
  // All that was taken is given back, and then all there is can be had.
  void ExpectNothingLeaked() {
    EXPECT_OK(driver().Free(dram_));
    EXPECT_OK(driver().UnmapHost(mapped_));
    EXPECT_OK(driver().UnmapHost(back_mapped_));
    EXPECT_OK(driver().DestroyCommandMemory(in_.commands));
    EXPECT_OK(driver().DestroyCommandMemory(out_.commands));
    const hal::DeviceInfo& info = driver().info();
    EXPECT_OK(driver().Allocate(hal::MemoryKind::kDram, info.dram_user_bytes));
    EXPECT_THAT(driver().Allocate(hal::MemoryKind::kDram, 128),
                StatusIs(StatusCode::kResourceExhausted));
    EXPECT_THAT(driver().UnmapHost(mapped_), Not(IsOk()));
    EXPECT_THAT(driver().DestroyCommandMemory(in_.commands), Not(IsOk()));
  }

 private:
  template <typename T>
  static T Must(absl::StatusOr<T> value) {
    EXPECT_OK(value);
    return value.ok() ? *std::move(value) : T();
  }
  hal::Chunk Command(DeviceAddress from, DeviceAddress to) {
    const hal::Chip& chip = driver().info().chip;
    const hal::Engine engine{hal::EngineKind::kHostDma, 0};
    const auto writer =
        Must(hal::CommandWriter::Create(chip, engine, hal::CommandWriter::Role::kExternal));
    EXPECT_OK(writer->HostCopy({0, from.value()}, {0, to.value()}, kBytes));
    hal::CommandBlob blob = writer->Take();
    const uint64_t zero = 0;
    EXPECT_OK(hal::Relocate(blob.relocations, {{&zero, 1}}, absl::MakeSpan(blob.bytes)));
    const hal::CommandMemory memory = Must(driver().CreateCommandMemory(blob.bytes.size()));
    std::memcpy(memory.bytes.data(), blob.bytes.data(), blob.bytes.size());
    return {QueueId(Must(hal::QueueOf(chip, engine, 0))), memory.handle,
            static_cast<uint32_t>(blob.bytes.size())};
  }

  const DeviceCase& of_;
  std::vector<uint8_t> idle_ = std::vector<uint8_t>(4096);
  std::vector<uint8_t> host_ = std::vector<uint8_t>(kBytes), back_ = host_;  // outlive the device
  Device device_;
  DeviceAddress mapped_, back_mapped_, dram_;
  hal::Chunk in_, out_;
};

class FaultsTest : public ::testing::TestWithParam<std::tuple<DeviceCase, FaultCase>> {
 protected:
  const DeviceCase& device() { return std::get<0>(GetParam()); }
  const FaultCase& fault() { return std::get<1>(GetParam()); }
  Event expected() { return device().kernel ? fault().kernels : fault().event; }
};

TEST_P(FaultsTest, IsToldOfAndAResetMendsIt) {
  Bench bench(device());
  const std::vector<uint64_t> fresh = {bench.Work(), bench.Work()};
  EXPECT_THAT(bench.Events(), IsEmpty());

  bench.Order(fault(), fresh[1] / 2);
  ASSERT_OK_AND_ASSIGN(const Sequence hit, bench.Start());
  ASSERT_OK_AND_ASSIGN(const Sequence behind, bench.Start());
  const absl::Status status = bench.Wait(hit);
  if (fault().stops) {
    EXPECT_THAT(status, StatusIs(StatusCode::kAborted));
    EXPECT_FALSE(status.message().empty());
  } else {
    EXPECT_OK(status);
  }
  const absl::Status next = bench.Wait(behind);
  if (fault().spares_next) {
    EXPECT_OK(next);
  } else {
    EXPECT_THAT(next,
                AnyOf(StatusIs(StatusCode::kAborted), StatusIs(StatusCode::kFailedPrecondition)));
  }
  EXPECT_EQ(bench.Wait(hit, absl::ZeroDuration()), status);
  const std::vector<Event> events = bench.Events();
  if (expected() == Event::kUnavailable) {
    EXPECT_THAT(events, IsEmpty());
  } else {
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0], expected());
    // A kernel has more to say: of the timeout, and of its reset.
    EXPECT_TRUE(device().kernel || events.size() == 1);
  }
  if (fault().stops) {
    EXPECT_THAT(bench.Start(), StatusIs(StatusCode::kFailedPrecondition));
  } else {
    bench.ExpectRightBytes();
  }

  EXPECT_OK(bench.driver().Reset());
  EXPECT_THAT(bench.Events(), Contains(Event::kReset));
  EXPECT_EQ(bench.Wait(hit), status);
  EXPECT_EQ(bench.Wait(behind).ok(), fault().spares_next);
  EXPECT_THAT((std::vector<uint64_t>{bench.Work(), bench.Work()}), ElementsAre(fresh[0], fresh[1]));
  bench.ExpectRightBytes();
  EXPECT_THAT(bench.Events(), IsEmpty());
  bench.ExpectNothingLeaked();
}

TEST_P(FaultsTest, IsTheSameTwice) {
  const auto run = [&] {
    Bench bench(device());
    std::string story = absl::StrCat(bench.Work(), "\n");
    bench.Order(fault(), 20000000);
    const absl::StatusOr<Sequence> hit = bench.Start(), behind = bench.Start();
    EXPECT_OK(hit);
    EXPECT_OK(behind);
    if (!hit.ok() || !behind.ok()) return story;
    for (const Sequence s : {*hit, *behind}) {
      absl::StrAppend(&story, bench.Wait(s).ToString(), " at ", bench.now(), "\n");
    }
    for (const hal::HealthEvent& event : bench.driver().TakeEvents()) {
      absl::StrAppend(&story, static_cast<int>(event.kind), " ", event.message, "\n");
    }
    EXPECT_OK(bench.driver().Reset());
    absl::StrAppend(&story, bench.Work(), " at ", bench.now());
    return story;
  };
  EXPECT_EQ(run(), run());
}

INSTANTIATE_TEST_SUITE_P(All, FaultsTest,
                         ::testing::Combine(::testing::ValuesIn(kDevices),
                                            ::testing::ValuesIn(kFaults)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param).name, "_",
                                               std::get<1>(info.param).name);
                         });

class ResetTest : public ::testing::TestWithParam<DeviceCase> {};

TEST_P(ResetTest, InFlightLosesTheWorkAndNothingElse) {
  Bench bench(GetParam());
  const std::vector<uint64_t> fresh = {bench.Work(), bench.Work()};
  ASSERT_OK_AND_ASSIGN(const Sequence one, bench.Start());
  ASSERT_OK_AND_ASSIGN(const Sequence two, bench.Start());
  EXPECT_OK(bench.driver().Reset());
  EXPECT_THAT(bench.Wait(one), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(bench.Wait(two), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(bench.Events(), Contains(Event::kReset));
  EXPECT_THAT((std::vector<uint64_t>{bench.Work(), bench.Work()}), ElementsAre(fresh[0], fresh[1]));
  bench.ExpectRightBytes();
  bench.ExpectNothingLeaked();
}

TEST_P(ResetTest, AnIdleDeviceTellsOfItToo) {
  Bench bench(GetParam());
  const std::vector<uint64_t> fresh = {bench.Work(), bench.Work()};
  constexpr FaultCase kFault = {"EccUncorrected", "ecc_uncorrected:HBM", true, false,
                                Event::kEcc,      Event::kHardwareError};
  bench.Order(kFault, 5000000);
  std::vector<Event> events;
  for (int i = 0; i < 1000 && events.empty(); ++i) {
    bench.PassTime();
    events = bench.Events();
  }
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0], GetParam().kernel ? kFault.kernels : kFault.event);
  EXPECT_THAT(bench.Start(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(bench.driver().Reset());
  EXPECT_THAT((std::vector<uint64_t>{bench.Work(), bench.Work()}), ElementsAre(fresh[0], fresh[1]));
  bench.ExpectNothingLeaked();
}

TEST_P(ResetTest, FaultAfterFaultIsMended) {
  Bench bench(GetParam());
  const uint64_t fresh = (bench.Work(), bench.Work());
  for (int round = 0; round < 3; ++round) {
    for (const FaultCase& fault : kFaults) {
      SCOPED_TRACE(fault.name);
      bench.Order(fault, fresh / 2);
      ASSERT_OK_AND_ASSIGN(const Sequence hit, bench.Start());
      EXPECT_EQ(bench.Wait(hit).ok(), !fault.stops);
      ASSERT_OK(bench.driver().Reset());
      bench.Work();
      ASSERT_EQ(bench.Work(), fresh);
    }
  }
  bench.ExpectRightBytes();
  bench.ExpectNothingLeaked();
}

INSTANTIATE_TEST_SUITE_P(All, ResetTest, ::testing::ValuesIn(kDevices),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace openhpu::faults
