// A program that is linked with the simulator itself, run under LD_PRELOAD with another copy of it:
// the two share neither protobuf's registry nor SystemC's current machine.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "simulator/driver.h"
#include "testing/status_matchers.h"

namespace openhpu::simulator {
namespace {

TEST(BesideTest, AProgramThatHasOpenhpuInItUsesItAndTheNode) {
  std::atomic<bool> stop{false};
  std::atomic<int> machines{0};
  std::thread simulating([&] {
    do {
      EXPECT_THAT(Simulator::Open("sim:tiny"), IsOk());
      ++machines;
    } while (!stop);
  });
  while (machines == 0) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
    const int fd = open("/dev/hl0", O_RDWR);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(close(fd), 0);  // which resets the card: another machine
  }
  stop = true;
  simulating.join();
  EXPECT_GT(machines, 1) << "the node's were made while machines were";
  EXPECT_THAT(Simulator::Open("sim:gaudi"), IsOk());
}

}  // namespace
}  // namespace openhpu::simulator
