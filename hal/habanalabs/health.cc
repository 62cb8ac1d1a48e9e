#include "hal/habanalabs/health.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/habanalabs/uapi.h"

namespace openhpu::hal::habanalabs {
namespace {

using Kind = HealthEvent::Kind;

constexpr uint16_t kNoEngine = 0xFFFF;  // in hl_info_razwi_event

// The answer, when it is of an event that is not the one of `last`, which becomes its time.
template <typename Answer>
bool IsNews(const Connection& connection, uint32_t op, Answer* answer, int64_t* last) {
  if (connection.Info(op, answer) < 0) *answer = Answer();
  const int64_t before = std::exchange(*last, answer->timestamp);
  return answer->timestamp != 0 && answer->timestamp != before;
}

std::string Describe(const hl_info_undefined_opcode_event& event, Health::EngineName name) {
  std::string text = name(event.engine_id);
  // A stream behind the last one is the lower command processor, which all four share.
  if (event.stream_id < MAX_QMAN_STREAMS_INFO) {
    absl::StrAppend(&text, " stream ", event.stream_id);
  } else {
    absl::StrAppend(&text, " in a body");
  }
  absl::StrAppend(&text, ": undefined opcode in the ", event.cq_size, " bytes of commands at 0x",
                  absl::Hex(event.cq_addr));
  return text;
}

std::string Describe(const hl_info_razwi_event& event, Health::EngineName name) {
  std::string text;
  if (event.no_engine_id != 0 || event.engine_id_1 == kNoEngine) {
    text = "an initiator that is no engine";
  } else {
    text = name(event.engine_id_1);
    if (event.engine_id_2 != kNoEngine) {
      absl::StrAppend(&text, " or ", name(event.engine_id_2));
    }
  }
  absl::StrAppend(&text,
                  event.error_type == HL_RAZWI_PAGE_FAULT ? ": page fault" : ": access error",
                  " at 0x", absl::Hex(event.addr));
  return text;
}

}  // namespace

void Health::Attach(const Connection& connection) {
  MutexLock lock(&mutex_);
  hl_info_undefined_opcode_event opcode;
  hl_info_razwi_event razwi;
  hl_info_cs_timeout_event timeout;
  IsNews(connection, HL_INFO_UNDEFINED_OPCODE_EVENT, &opcode, &opcode_time_);
  IsNews(connection, HL_INFO_RAZWI_EVENT, &razwi, &razwi_time_);
  IsNews(connection, HL_INFO_CS_TIMEOUT_EVENT, &timeout, &timeout_time_);
}

Health::News Health::Collect(const Connection& connection, const FindSubmission& find) {
  MutexLock lock(&mutex_);
  News news;
  const auto add = [&](Kind kind, const std::string& text) {
    events_.push_back({kind, text});
    absl::StrAppend(&news.text, news.text.empty() ? "" : "; ", text);
  };
  uint64_t bits = 0;
  if (connection.Info(HL_INFO_GET_EVENTS, &bits) < 0) bits = 0;

  // Causes first. Older kernels keep the detail of what they have no bit for.
  hl_info_undefined_opcode_event opcode;
  if (IsNews(connection, HL_INFO_UNDEFINED_OPCODE_EVENT, &opcode, &opcode_time_)) {
    add(Kind::kUndefinedOpcode, Describe(opcode, engine_name_));
  } else if (bits & HL_NOTIFIER_EVENT_UNDEFINED_OPCODE) {
    add(Kind::kUndefinedOpcode, "undefined opcode");
  }
  hl_info_razwi_event razwi;
  if (IsNews(connection, HL_INFO_RAZWI_EVENT, &razwi, &razwi_time_)) {
    add(razwi.error_type == HL_RAZWI_PAGE_FAULT ? Kind::kPageFault : Kind::kRazwi,
        Describe(razwi, engine_name_));
  } else if (bits & kEventPageFault) {
    add(Kind::kPageFault, "page fault");
  } else if (bits & kEventRazwi) {
    add(Kind::kRazwi, "access error");
  }
  if (bits & HL_NOTIFIER_EVENT_TPC_ASSERT) add(Kind::kTpcAssert, "a TPC kernel's assertion failed");
  // The kernel says this beside whatever was wrong.
  if ((bits & HL_NOTIFIER_EVENT_USER_ENGINE_ERR) && news.text.empty()) {
    add(Kind::kEngineError, "error of an engine in the user's work");
  }
  if (bits & HL_NOTIFIER_EVENT_GENERAL_HW_ERR) add(Kind::kHardwareError, "error of the hardware");
  if (bits & kEventCriticalHardware) add(Kind::kHardwareError, "critical error of the hardware");
  if (bits & kEventCriticalFirmware) add(Kind::kHardwareError, "critical error of the firmware");
  hl_info_cs_timeout_event timeout;
  if (IsNews(connection, HL_INFO_CS_TIMEOUT_EVENT, &timeout, &timeout_time_)) {
    const Sequence first = find(timeout.seq);
    add(Kind::kTimeout,
        first.value() == 0 ? absl::StrCat("a submission timed out (the kernel's ", timeout.seq, ")")
                           : absl::StrCat("submission ", first.value(), " timed out"));
  } else if (bits & HL_NOTIFIER_EVENT_CS_TIMEOUT) {
    add(Kind::kTimeout, "a submission timed out");
  }
  if (bits & HL_NOTIFIER_EVENT_DEVICE_RESET) add(Kind::kReset, "the kernel resets the device");
  if (bits & HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE) {
    add(Kind::kUnavailable, "the device is unavailable");
  }
  news.needs_reset =
      (bits & (HL_NOTIFIER_EVENT_DEVICE_RESET | HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE)) != 0;
  return news;
}

void Health::CollectThrottling(const Connection& connection) {
  MutexLock lock(&mutex_);
  hl_info_clk_throttle answer;
  if (connection.Info(HL_INFO_CLK_THROTTLE_REASON, &answer) < 0) return;
  const uint32_t began = answer.clk_throttling_reason & ~throttling_;
  throttling_ = answer.clk_throttling_reason;
  if (began & HL_CLK_THROTTLE_POWER) {
    events_.push_back({Kind::kThrottle, "the clocks are slowed down: power"});
  }
  if (began & HL_CLK_THROTTLE_THERMAL) {
    events_.push_back({Kind::kThrottle, "the clocks are slowed down: temperature"});
  }
}

void Health::Add(HealthEvent::Kind kind, std::string message) {
  MutexLock lock(&mutex_);
  events_.push_back({kind, std::move(message)});
}

std::vector<HealthEvent> Health::Take() {
  MutexLock lock(&mutex_);
  return std::exchange(events_, {});
}

}  // namespace openhpu::hal::habanalabs
