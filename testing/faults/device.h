// A device whose faults can be ordered: a driver, and the way behind it.
#ifndef TESTING_FAULTS_DEVICE_H_
#define TESTING_FAULTS_DEVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/base/strong_int.h"
#include "hal/driver.h"
#include "simulator/fault.h"

namespace openhpu::faults {

struct Device {
  std::unique_ptr<hal::Driver> driver;
  // These live as long as the driver.
  std::function<absl::Status(const simulator::InjectedFault&)> inject;
  std::function<Picoseconds()> now;  // host time
};

// "sim:tiny".
absl::StatusOr<Device> OpenSimulator(const std::string& spec);
// The driver of a real card over the emulated kernel's node of that card.
absl::StatusOr<Device> OpenOverNode(const std::string& spec);

}  // namespace openhpu::faults

#endif  // TESTING_FAULTS_DEVICE_H_
