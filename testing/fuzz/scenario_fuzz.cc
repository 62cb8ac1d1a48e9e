// Any text as a scenario file; it is not run.
#include <cstdint>
#include <string_view>

#include "simulator/scenario/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)openhpu::simulator::ParseScenario(text, "input");
  return 0;
}
