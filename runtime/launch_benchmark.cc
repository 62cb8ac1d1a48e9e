// What a replay costs the host: Instance::Relaunch on the null driver. The program has five queues.
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "hal/base/status_macros.h"
#include "hal/null/driver.h"
#include "runtime/context.h"
#include "runtime/instance.h"
#include "runtime/stream.h"
#include "runtime/testing_programs.h"

namespace openhpu::runtime {
namespace {

void Relaunch(benchmark::State& state) {
  auto driver = *hal::NullDriver::Open("null:gaudi2");
  hal::NullDriver* null = driver.get();
  auto context = *Context::Create(std::move(driver));
  auto stream = *context->CreateStream();
  auto instance = *Instance::Load(*stream, CopyProgram(context->chip(), 5000, 5));
  OPENHPU_CHECK(instance->Launch({DeviceAddress(0x30000000), DeviceAddress(0x40000000)}).ok());
  const uint64_t submissions = null->submissions(), chunks = null->chunks();
  for (auto _ : state) OPENHPU_CHECK(instance->Relaunch().ok());
  const uint64_t launches = state.iterations();
  OPENHPU_CHECK(null->submissions() - submissions == launches);
  OPENHPU_CHECK(null->chunks() - chunks == launches * instance->chunks());
  OPENHPU_CHECK(instance->patched_words() == 0);
}
BENCHMARK(Relaunch);

void LaunchWithAnotherBinding(benchmark::State& state) {
  auto context = *Context::Create(*hal::NullDriver::Open("null:gaudi2"));
  auto stream = *context->CreateStream();
  auto instance = *Instance::Load(*stream, CopyProgram(context->chip(), 5000, 5));
  uint64_t to = 0x40000000;
  for (auto _ : state) {
    OPENHPU_CHECK(instance->Launch({DeviceAddress(0x30000000), DeviceAddress(to)}).ok());
    to ^= 0x1000000;
  }
}
BENCHMARK(LaunchWithAnotherBinding);

}  // namespace
}  // namespace openhpu::runtime
