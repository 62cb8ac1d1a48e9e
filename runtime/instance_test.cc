#include "runtime/instance.h"

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "hal/driver.h"
#include "hal/habanalabs/driver.h"
#include "hal/null/driver.h"
#include "runtime/context.h"
#include "runtime/stream.h"
#include "runtime/testing_programs.h"
#include "simulator/device_node/fresh_node.h"
#include "simulator/driver.h"
#include "testing/allocations.h"

namespace openhpu::runtime {
namespace {

using absl::StatusCode;

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    ADD_FAILURE() << value.status();
    std::abort();
  }
  return *std::move(value);
}

// A spec of a simulated card, or "node of" one: the driver of a real card over the emulated kernel.
std::unique_ptr<hal::Driver> OpenDriver(const std::string& spec) {
  constexpr absl::string_view kNodeOf = "node of ";
  if (!absl::StartsWith(spec, kNodeOf)) return Must(simulator::Simulator::Open(spec));
  return Must(hal::habanalabs::Driver::Open(
      "habanalabs:0", Must(simulator::OpenFreshNode(spec.substr(kNodeOf.size())))));
}

class SimulatedInstanceTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    context_ = Must(Context::Create(OpenDriver(GetParam())));
    stream_ = Must(context_->CreateStream());
  }
  std::unique_ptr<DeviceMemory> Memory(uint64_t bytes, uint8_t fill) {
    auto memory = Must(context_->Allocate(bytes));
    const std::vector<uint8_t> values(bytes, fill);
    EXPECT_TRUE(stream_->CopyToDevice(values.data(), bytes, memory->address()).ok());
    return memory;
  }
  std::vector<uint8_t> Read(const DeviceMemory& memory) {
    std::vector<uint8_t> values(memory.bytes());
    const absl::Status status =
        stream_->CopyFromDevice(memory.address(), values.size(), values.data());
    EXPECT_TRUE(status.ok()) << status;
    return values;
  }
  std::unique_ptr<Context> context_;
  std::unique_ptr<Stream> stream_;
};

TEST_P(SimulatedInstanceTest, RunsAndReplaysWithTheDataThatIsThere) {
  constexpr uint32_t kBytes = 4096;
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), kBytes, 2)));
  EXPECT_EQ(instance->chunks(), 3u);
  auto from = Memory(kBytes, 7), to = Memory(kBytes, 0);
  const std::vector<DeviceAddress> bindings = {from->address(), to->address()};
  ASSERT_TRUE(instance->Launch(bindings).ok());
  EXPECT_EQ(Read(*to), std::vector<uint8_t>(kBytes, 7));
  for (uint8_t i = 1; i < 20; ++i) {
    const std::vector<uint8_t> values(kBytes, i);
    ASSERT_TRUE(stream_->CopyToDevice(values.data(), kBytes, from->address()).ok());
    ASSERT_TRUE(instance->Relaunch().ok());
    EXPECT_EQ(Read(*to), values);
  }
  EXPECT_EQ(instance->launches(), 20u);
  EXPECT_EQ(instance->patched_words(), 0u);
}

TEST_P(SimulatedInstanceTest, ChainedLaunchesRunInOrder) {
  constexpr uint32_t kBytes = 1024;
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), kBytes, 1)));
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  for (int i = 0; i < 6; ++i) memory.push_back(Memory(kBytes, static_cast<uint8_t>(10 + i)));
  // Each launch moves a value one place on; only the bindings change, and nothing is waited for in
  // between.
  for (int i = 0; i + 1 < 6; ++i) {
    ASSERT_TRUE(instance->Launch({memory[i]->address(), memory[i + 1]->address()}).ok());
  }
  for (const auto& m : memory) EXPECT_EQ(Read(*m), std::vector<uint8_t>(kBytes, 10));
  // Two addresses of two words, a launch; the first launch only loaded.
  EXPECT_EQ(instance->patched_words(), 4u * 4);
}

// A device may read them until the launch is over.
TEST_P(SimulatedInstanceTest, ExternalCommandsThatChangeWaitForTheLastLaunch) {
  constexpr uint32_t kBytes = 256 << 10;
  auto instance = Must(Instance::Load(*stream_, ExternalCopyProgram(context_->chip(), kBytes)));
  std::vector<std::unique_ptr<DeviceMemory>> memory;
  for (int i = 0; i < 6; ++i) memory.push_back(Memory(kBytes, static_cast<uint8_t>(10 + i)));
  for (int i = 0; i + 1 < 5; ++i) {
    ASSERT_TRUE(instance->Launch({memory[i]->address(), memory[i + 1]->address()}).ok());
  }
  // The workspace moves, and nothing else.
  auto large =
      Must(Instance::Load(*stream_, ExternalCopyProgram(context_->chip(), kBytes, 8 << 20)));
  ASSERT_TRUE(instance->Relaunch().ok());
  ASSERT_TRUE(large->Launch({memory[4]->address(), memory[5]->address()}).ok());
  for (const auto& m : memory) EXPECT_EQ(Read(*m), std::vector<uint8_t>(kBytes, 10));
  // Two addresses of two words a launch, and the workspace's, which is named twice.
  EXPECT_EQ(instance->patched_words(), 3u * 4 + 4);
}

TEST_P(SimulatedInstanceTest, AProgramThatNeedsMoreMovesTheOthersWorkspaceAndBank) {
  constexpr uint32_t kBytes = 1024;
  auto small = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), kBytes, 1)));
  auto from = Memory(kBytes, 1), to = Memory(kBytes, 0);
  const std::vector<DeviceAddress> bindings = {from->address(), to->address()};
  ASSERT_TRUE(small->Launch(bindings).ok());
  auto large = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), kBytes, 2, 8 << 20)));
  auto other = Memory(kBytes, 0);
  ASSERT_TRUE(large->Launch({from->address(), other->address()}).ok());
  EXPECT_EQ(Read(*other), std::vector<uint8_t>(kBytes, 1));
  const std::vector<uint8_t> values(kBytes, 2);
  ASSERT_TRUE(stream_->CopyToDevice(values.data(), kBytes, from->address()).ok());
  ASSERT_TRUE(small->Relaunch().ok());
  EXPECT_EQ(Read(*to), values);
  EXPECT_GT(small->patched_words(), 0u);
  const uint64_t patched = small->patched_words();
  ASSERT_TRUE(small->Relaunch().ok());
  EXPECT_EQ(small->patched_words(), patched);
}

TEST_P(SimulatedInstanceTest, TwoStreamsRunTheirOwnInstances) {
  constexpr uint32_t kBytes = 65536;
  auto other = Must(context_->CreateStream());
  EXPECT_NE(other->hardware_stream(), stream_->hardware_stream());
  const Program program = CopyProgram(context_->chip(), kBytes, 2);
  auto a = Must(Instance::Load(*stream_, program)), b = Must(Instance::Load(*other, program));
  auto from = Memory(kBytes, 5), to_a = Memory(kBytes, 0), to_b = Memory(kBytes, 0);
  ASSERT_TRUE(stream_->Synchronize().ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(a->Launch({from->address(), to_a->address()}).ok());
    ASSERT_TRUE(b->Launch({from->address(), to_b->address()}).ok());
  }
  ASSERT_TRUE(context_->Synchronize().ok());
  EXPECT_EQ(Read(*to_a), Read(*from));
  EXPECT_EQ(Read(*to_b), Read(*from));
}

INSTANTIATE_TEST_SUITE_P(Machines, SimulatedInstanceTest,
                         testing::Values("sim:tiny,hazards=on", "sim:tiny,mode=functional",
                                         "sim:gaudi", "sim:gaudi2", "sim:gaudi2,hazards=on",
                                         "sim:gaudi2,mode=functional",
                                         "node of sim:gaudi2,hazards=on"));

class InstanceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto driver = Must(hal::NullDriver::Open("null:gaudi"));
    null_ = driver.get();
    context_ = Must(Context::Create(std::move(driver)));
    stream_ = Must(context_->CreateStream());
  }
  hal::NullDriver* null_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(InstanceTest, AReplayIsOneSubmissionAndAllocatesNothing) {
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), 5000, 5)));
  const std::vector<DeviceAddress> bindings = {DeviceAddress(0x30000000),
                                               DeviceAddress(0x40000000)};
  ASSERT_TRUE(instance->Launch(bindings).ok());
  const uint64_t submissions = null_->submissions(), chunks = null_->chunks();
  const uint64_t before = ThreadAllocations();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(instance->Relaunch().ok());
    ASSERT_TRUE(instance->Launch(bindings).ok());
  }
  EXPECT_EQ(ThreadAllocations(), before);
  EXPECT_EQ(null_->submissions() - submissions, 2000u);
  EXPECT_EQ(null_->chunks() - chunks, 2000u * 6);
  EXPECT_EQ(instance->patched_words(), 0u);
  EXPECT_EQ(instance->launches(), 2001u);
}

TEST_F(InstanceTest, AChangedBindingPatchesItsWordsOnly) {
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), 5000, 5)));
  ASSERT_TRUE(instance->Launch({DeviceAddress(0x30000000), DeviceAddress(0x40000000)}).ok());
  const uint64_t submissions = null_->submissions();
  ASSERT_TRUE(instance->Launch({DeviceAddress(0x30000000), DeviceAddress(0x50000000)}).ok());
  EXPECT_EQ(instance->patched_words(), 5u * 2);
  EXPECT_EQ(null_->submissions() - submissions, 2u);  // one that patches, one that launches
}

TEST_F(InstanceTest, WrongUseIsRefusedByName) {
  auto instance = Must(Instance::Load(*stream_, CopyProgram(context_->chip(), 5000, 5)));
  EXPECT_EQ(instance->Relaunch().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(instance->Launch({DeviceAddress(1)}).code(), StatusCode::kInvalidArgument);
}

TEST_F(InstanceTest, AResetMakesInstancesStale) {
  const Program program = CopyProgram(context_->chip(), 5000, 5);
  const std::vector<DeviceAddress> bindings = {DeviceAddress(0x30000000),
                                               DeviceAddress(0x40000000)};
  auto instance = Must(Instance::Load(*stream_, program));
  ASSERT_TRUE(instance->Launch(bindings).ok());
  ASSERT_TRUE(context_->Reset().ok());
  EXPECT_EQ(instance->Relaunch().code(), StatusCode::kFailedPrecondition);
  instance = Must(Instance::Load(*stream_, program));
  EXPECT_TRUE(instance->Launch(bindings).ok());
}

TEST_F(InstanceTest, AProgramThatContradictsItselfOrTheChipIsRefused) {
  const Program good = CopyProgram(context_->chip(), 5000, 2);
  const auto refuse = [&](const std::function<void(Program&)>& spoil, const char* what) {
    Program program = good;
    spoil(program);
    const absl::Status status = Instance::Load(*stream_, program).status();
    EXPECT_FALSE(status.ok()) << what;
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status.message();
  };
  refuse([](Program& p) { p.chip = "tiny"; }, "compiled for chip tiny, the device is gaudi");
  refuse([](Program& p) { p.external.bytes.clear(); }, "no external commands");
  refuse([](Program& p) { p.sobs = 9; }, "9 sync objects");
  refuse([](Program& p) { p.sobs = 4096; }, "sync objects: 4096 asked");
  refuse([](Program& p) { p.queues[1].engine = p.queues[0].engine; }, "queue 1: engines");
  refuse([](Program& p) { p.queues[0].engine = {hal::EngineKind::kHostDma, 0}; }, "host-facing");
  refuse([](Program& p) { p.queues[1].engine.index = 9; }, "asked for number 9");
  refuse([](Program& p) { p.queues[0].upper.bytes.resize(12); }, "queue 0: upper: 12 bytes");
  refuse([](Program& p) { p.queues[0].body.relocations[0].word = 1 << 20; }, "relocation of word");
  refuse(
      [](Program& p) {
        p.queues[0].body.relocations[0] = {0, hal::RelocationKind::kSymbol, 0, 32, 0, 1, 77};
      },
      "symbol 77 of 7");
  refuse([](Program& p) { p.images.resize(1); }, "0 code offsets for 1 images");
  refuse(
      [](Program& p) {
        p.images.resize(1);
        p.images[0].guid = "k";
        p.image_code_offsets = {100};
      },
      "image 0 (k): code at 100");
  refuse([](Program& p) { p.workspace_bytes = uint64_t{1} << 40; }, "workspace of");
  EXPECT_TRUE(Instance::Load(*stream_, good).ok());
}

}  // namespace
}  // namespace openhpu::runtime
