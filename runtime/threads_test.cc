// Threads on one hardware stream: launches beside loads that move its workspace and bank.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "hal/null/driver.h"
#include "runtime/context.h"
#include "runtime/event.h"
#include "runtime/instance.h"
#include "runtime/stream.h"
#include "runtime/testing_programs.h"

namespace openhpu::runtime {
namespace {

class ThreadsTest : public testing::Test {
 protected:
  ThreadsTest() : context_(*Context::Create(*hal::NullDriver::Open("null:gaudi"))) {
    for (int i = 0; i < 8; ++i) streams_.push_back(*context_->CreateStream());
  }
  const std::vector<DeviceAddress> bindings_ = {DeviceAddress(0x30000000),
                                                DeviceAddress(0x40000000)};
  std::unique_ptr<Context> context_;
  std::vector<std::unique_ptr<Stream>> streams_;  // 0 and 4 share a hardware stream
};

TEST_F(ThreadsTest, LaunchesGoOnWhileOthersMakeTheStreamsShareGrow) {
  auto instance = *Instance::Load(*streams_[0], CopyProgram(context_->chip(), 5000, 5));
  ASSERT_TRUE(instance->Launch(bindings_).ok());
  std::atomic<bool> stop{false};
  std::thread launcher([&] {
    while (!stop.load()) {
      if (!instance->Relaunch().ok()) {
        ADD_FAILURE();
        break;
      }
    }
  });
  for (uint64_t i = 1; i <= 20; ++i) {
    auto other = Instance::Load(*streams_[4], CopyProgram(context_->chip(), 5000, 2, i << 20));
    EXPECT_TRUE(other.ok()) << other.status();
    EXPECT_TRUE((*other)->Launch(bindings_).ok());
  }
  stop.store(true);
  launcher.join();
  EXPECT_TRUE(instance->Relaunch().ok());
  EXPECT_TRUE(context_->Synchronize().ok());
  EXPECT_GT(instance->patched_words(), 0u);
}

TEST_F(ThreadsTest, StreamsOfDifferentThreadsCopyAllocateAndWait) {
  std::vector<std::thread> threads;
  auto shared = *Event::Create(*context_, false);
  ASSERT_TRUE(streams_[0]->Record(*shared).ok());
  for (int t = 1; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Stream& stream = *streams_[t];
      auto event = *Event::Create(*context_, true);
      std::vector<std::byte> host(3000);
      for (int i = 0; i < 50; ++i) {
        auto memory = context_->Allocate(3000 + 100 * i);
        EXPECT_TRUE(memory.ok());
        EXPECT_TRUE(stream.CopyToDevice(host.data(), 3000, (*memory)->address()).ok());
        (*memory)->RecordUse(stream);
        EXPECT_TRUE(stream.WaitFor(*shared).ok());
        EXPECT_TRUE(stream.Record(*event).ok());
        EXPECT_TRUE(event->Synchronize().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(context_->memory_statistics().allocated, 0u);
}

}  // namespace
}  // namespace openhpu::runtime
