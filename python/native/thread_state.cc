#include "python/native/thread_state.h"

#include <c10/util/ThreadLocalDebugInfo.h>

#include <utility>

namespace openhpu::python {
namespace {

// A kind that PyTorch's desktop builds do not use.
constexpr c10::DebugInfoKind kKind = c10::DebugInfoKind::MOBILE_RUNTIME_INFO;

// What is in the debug info; it keeps the state alive in threads that outlive its owner.
struct Carrier final : public c10::DebugInfoBase {
  explicit Carrier(std::shared_ptr<ThreadState> s) : state(std::move(s)) {}
  const std::shared_ptr<ThreadState> state;
};

}  // namespace

const std::shared_ptr<ThreadState>& ThisThread() {
  if (c10::DebugInfoBase* info = c10::ThreadLocalDebugInfo::get(kKind))
    return static_cast<Carrier*>(info)->state;
  thread_local const auto own = std::make_shared<Carrier>(std::make_shared<ThreadState>());
  c10::ThreadLocalDebugInfo::_push(kKind, own);
  return own->state;
}

EagerScope::EagerScope(StreamIndex stream)
    : thread_(ThisThread()),
      stream_(std::exchange(thread_->stream, stream)),
      captures_(std::exchange(thread_->captures, {})) {}

EagerScope::~EagerScope() {
  thread_->stream = stream_;
  thread_->captures = std::move(captures_);
}

}  // namespace openhpu::python
