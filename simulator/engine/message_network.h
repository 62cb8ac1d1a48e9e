// The low-bandwidth network: small writes (to sync objects, monitors, fence counters, memory),
// delivered in order of time, ties in order of posting.
#ifndef SIMULATOR_ENGINE_MESSAGE_NETWORK_H_
#define SIMULATOR_ENGINE_MESSAGE_NETWORK_H_

#include <cstdint>
#include <systemc>
#include <vector>

#include "simulator/engine/environment.h"

namespace openhpu::simulator {

struct Message {
  Picoseconds at, sent;  // when it is delivered, and was issued
  uint64_t address = 0;
  uint32_t value = 0;
  bool from_monitor = false;
  bool timestamp = false;   // writes the device's time, nanoseconds, instead: 64 bits to memory
  bool privileged = false;  // the kernel driver's own
  Origin origin;
  SharedClock clock;
};

// Where messages end.
class MessageTarget {
 public:
  virtual ~MessageTarget() = default;
  virtual void Deliver(const Message& message) = 0;
};

class MessageNetwork : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(MessageNetwork);
  MessageNetwork(sc_core::sc_module_name name, Environment& environment, MessageTarget& target);

  // `message.at` is not before now.
  void Post(Message message);
  void Clear();
  bool idle() const { return count() == 0; }
  // Whether all that is due by now has been delivered.
  bool settled() const;
  // How many messages of that stream, or body, are on their way. Slow: for status registers.
  uint32_t CountFrom(const Origin& origin) const;

 private:
  struct Entry {
    uint64_t order;
    Message message;
  };
  static bool Later(const Entry& a, const Entry& b);
  size_t count() const { return timed_.size() + (fifo_.size() - fifo_head_); }
  void Run();
  void Deliver(const Message& message);

  Environment& environment_;
  MessageTarget& target_;
  sc_core::sc_event wake_;
  std::vector<Entry> timed_;  // a heap, earliest first
  // At zero latency order of posting is order of time.
  std::vector<Message> fifo_;
  size_t fifo_head_ = 0;
  uint64_t posted_ = 0;
  bool running_ = false;
  uint64_t monitors_in_a_row_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_MESSAGE_NETWORK_H_
