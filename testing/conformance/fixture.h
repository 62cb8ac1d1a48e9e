// ConformanceTest: a fresh device and the few words in which the suites speak: memory with values,
// and jobs, which are commands for queues submitted together.
#ifndef TESTING_CONFORMANCE_FIXTURE_H_
#define TESTING_CONFORMANCE_FIXTURE_H_

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "hal/bank.h"
#include "hal/buffer.h"
#include "hal/command_writer.h"
#include "hal/commands.h"
#include "hal/device.h"
#include "hal/driver.h"
#include "testing/conformance/driver_under_test.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {

inline constexpr hal::Engine kHostIn = {hal::EngineKind::kHostDma, 0};
inline constexpr hal::Engine kHostOut = {hal::EngineKind::kHostDma, 1};
constexpr hal::Engine ComputeDma(int index) {
  return {hal::EngineKind::kDma, static_cast<uint8_t>(index)};
}

class ConformanceTest : public testing::Test {
 protected:
  using Write = std::function<void(hal::CommandWriter&)>;

  void SetUp() override;

  hal::Driver& driver() { return device_->driver(); }
  hal::Device& device() { return *device_; }
  const hal::Chip& chip() { return device_->chip(); }
  int Count(hal::EngineKind kind) { return hal::CountEngines(chip(), kind); }

  // Symbols 0, 1, ... of all commands of a test are these addresses, in the order of their making.
  struct Memory {
    hal::Buffer buffer;
    uint32_t symbol = 0;
    hal::SymbolicAddress at(uint64_t offset) const { return {symbol, offset}; }
  };
  Memory Allocate(uint64_t bytes, hal::MemoryKind kind = hal::MemoryKind::kDram);
  // A symbol for any address, also one that is not ours.
  uint32_t Symbol(DeviceAddress address);
  template <typename T>
  void Write_(const Memory& memory, const std::vector<T>& values) {
    EXPECT_THAT(device().CopyToDevice(
                    {reinterpret_cast<const std::byte*>(values.data()), sizeof(T) * values.size()},
                    memory.buffer.address()),
                IsOk());
  }
  template <typename T>
  Memory Upload(const std::vector<T>& values, hal::MemoryKind kind = hal::MemoryKind::kDram) {
    Memory memory = Allocate(sizeof(T) * values.size(), kind);
    Write_(memory, values);
    return memory;
  }
  template <typename T = uint8_t>
  std::vector<T> Download(const Memory& memory) {
    std::vector<T> values(memory.buffer.bytes() / sizeof(T));
    EXPECT_THAT(device().CopyFromDevice(
                    memory.buffer.address(),
                    {reinterpret_cast<std::byte*>(values.data()), sizeof(T) * values.size()}),
                IsOk());
    return values;
  }

  // Commands for one queue, kept until the test ends.
  hal::Chunk External(hal::Engine engine, uint32_t stream, const Write& write);
  hal::Chunk Upper(hal::Engine engine, uint32_t stream, const Write& write);
  // A body in device memory; its Run() argument and length.
  struct Body {
    hal::SymbolicAddress address;
    uint32_t bytes = 0;
  };
  Body MakeBody(hal::Engine engine, const Write& write);
  // Raw commands, for what no writer writes.
  hal::Chunk RawExternal(uint32_t stream, const std::vector<uint32_t>& words);
  hal::Chunk RawUpper(hal::Engine engine, uint32_t stream, const std::vector<uint32_t>& words);

  absl::StatusOr<Sequence> Submit(const std::vector<hal::Chunk>& chunks) {
    return driver().Submit(chunks);
  }
  absl::Status Wait(Sequence sequence, absl::Duration timeout = absl::InfiniteDuration()) {
    return driver().Wait({sequence}, hal::WaitFor::kAll, timeout);
  }
  absl::Status Run(const std::vector<hal::Chunk>& chunks);
  // A chunk that waits until sob 0.. of `groups` ... reach what they should, then resets them: what
  // completes a job of internal queues.
  hal::Chunk Finish(uint32_t stream, const std::vector<hal::SyncCondition>& conditions);
  // Runs `write` as a body of `engine`, which adds `signals` to sob 0 (an MME to sobs 0 and 1), and
  // waits for it.
  absl::Status RunBody(hal::Engine engine, uint32_t stream, uint32_t signals, const Write& write);

 private:
  hal::CommandBlob Relocated(hal::CommandBlob blob, uint32_t stream);
  hal::Chunk ExternalBytes(hal::Engine engine, uint32_t stream, absl::Span<const std::byte> bytes);
  DeviceAddress Code(absl::Span<const std::byte> bytes);

  std::unique_ptr<hal::Device> device_;
  std::vector<uint64_t> symbols_;
  std::vector<hal::CommandBuffer> commands_;
  std::vector<hal::Buffer> code_;
  hal::Bank bank_;
};

}  // namespace openhpu::conformance

#endif  // TESTING_CONFORMANCE_FIXTURE_H_
