// The device guard: how PyTorch asks for the current device and stream. One process has one device.
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "python/native/device.h"
#include "python/native/tensor.h"

namespace openhpu::python {
namespace {

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::DeviceType::HPU; }
  c10::Device exchangeDevice(c10::Device device) const override {
    setDevice(device);
    return getDevice();
  }
  c10::Device getDevice() const override { return {c10::DeviceType::HPU, 0}; }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() <= 0, "Invalid device id: hpu:", static_cast<int>(device.index()),
                "; this process has one hpu");
  }
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const noexcept override {
    return c10::Stream(c10::Stream::UNSAFE, {device.type(), 0}, Device::CurrentStream());
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    const c10::Stream previous = getStream(stream.device());
    // A failing flush surfaces at the stream's next use: this call may not throw.
    if (Device::IsOpen()) (*Device::Get())->SetCurrentStream(stream.id()).IgnoreError();
    return previous;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};

C10_REGISTER_GUARD_IMPL(HPU, Guard);

}  // namespace
}  // namespace openhpu::python
