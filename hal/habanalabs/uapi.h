// What two kernel interfaces call the same: /dev/hl* of Linux 6.1 (<misc/habanalabs.h>) and
// /dev/accel/accel* of later ones. The structures are those of <misc/habanalabs.h>; of what a
// driver uses, both have members of equal size and place, and only INFO's answers grow, which
// return_size bounds. uapi_test compares with the header and with rows of both.
#ifndef HAL_HABANALABS_UAPI_H_
#define HAL_HABANALABS_UAPI_H_

#include <misc/habanalabs.h>

#include <cstdint>

namespace openhpu::hal::habanalabs {

enum class Api : uint8_t { kMisc, kAccel };

// The requests of ioctl(2): _IOWR(type, number, argument).
struct Requests {
  unsigned long info, command_buffer, command_submission, wait, memory, debug;
};
inline constexpr Requests kMiscRequests = {0xC0184801, 0xC0184802, 0xC0304803,
                                           0xC0384804, 0xC0284805, 0xC0284806};
// 'd' of DRM, from its first driver-private number 0x40.
inline constexpr Requests kAccelRequests = {0xC0186440, 0xC0186441, 0xC0306442,
                                            0xC0386443, 0xC0286444, 0xC0286445};

constexpr const Requests& RequestsOf(Api api) {
  return api == Api::kMisc ? kMiscRequests : kAccelRequests;
}

// Bits of HL_INFO_GET_EVENTS that the later interface has beside those of <misc/habanalabs.h>.
inline constexpr uint64_t kEventRazwi = uint64_t{1} << 7;
inline constexpr uint64_t kEventPageFault = uint64_t{1} << 8;
inline constexpr uint64_t kEventCriticalHardware = uint64_t{1} << 9;
inline constexpr uint64_t kEventCriticalFirmware = uint64_t{1} << 10;

// The answer to HL_INFO_HW_IDLE of the later interface; the earlier's is its beginning.
struct HwIdle {
  uint32_t is_idle, busy_engines_mask;
  uint64_t busy_engines_mask_ext[4];
};
static_assert(sizeof(HwIdle) == 40);

// PCI device ids, of vendor 0x1da3: hl_info_hw_ip_info.device_id.
inline constexpr uint32_t kGaudiId = 0x1000;
inline constexpr uint32_t kGaudiSecuredId = 0x1010;
inline constexpr uint32_t kGaudi2Id = 0x1020;
inline constexpr uint32_t kGaudi3Id = 0x1060;

}  // namespace openhpu::hal::habanalabs

#endif  // HAL_HABANALABS_UAPI_H_
