// A call of the host on its timeline.
#ifndef SIMULATOR_CARD_CALL_H_
#define SIMULATOR_CARD_CALL_H_

#include <cstdint>
#include <string>

#include "simulator/card.h"

namespace openhpu::simulator {

// Charges the cost of a call when it begins; shows the call in the trace when it ends (or is
// destroyed).
class Card::Call {
 public:
  Call(Card& card, const char* what, Picoseconds cost);
  ~Call() { End(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void set_detail(Sequence sequence, size_t chunks) {
    sequence_ = sequence;
    chunks_ = chunks;
  }
  void End();

 private:
  Card* card_;  // null when ended
  const char* what_;
  Picoseconds begin_;
  Sequence sequence_;
  size_t chunks_ = 0;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_CARD_CALL_H_
