// One sync manager: sync objects (SOB) of 15 bits, and monitors that watch a group of eight of
// them. Values change when a message arrives; a monitor whose condition holds, when it is armed or
// later, writes its payload once and is disarmed; arming it again replaces what it waited for, and
// a write of 0 to its status disarms it (recollected). A monitor that watches nothing (mask 0xFF)
// fires when it is armed (inferred: all that it watches holds). Arithmetic of adds is modulo 2^15.
//
// Of dialect gaudi2 besides, stated by name only and so inferred:
// * Four adjacent objects, the first one's number divisible by 4, are a long value of 60 bits, the
//   first the lowest. LONG_SOB in a message to the first adds to all of it, or sets all of it.
// * A monitor whose number is divisible by 4 and whose CONFIG has LONG_SOB watches the long value
//   of one half of its group, if the mask's bit of its first object is 0. It compares with the SOD
//   of its own ARM as the lowest 15 bits; those of the three monitors behind it are the bits above,
//   as far as their CONFIG has LONG_SOB too, which makes them hold an ARM but never wait.
// * WR_NUM: the monitors behind this one write their payloads, too, each as its own CONFIG says.
// * Users may describe the completion queues that are not the kernel driver's, by messages.
#ifndef SIMULATOR_ENGINE_SYNC_MANAGER_H_
#define SIMULATOR_ENGINE_SYNC_MANAGER_H_

#include <cstdint>
#include <string>
#include <systemc>
#include <vector>

#include "simulator/engine/block_registers.h"
#include "simulator/engine/completion_queues.h"
#include "simulator/engine/dialect.h"
#include "simulator/engine/environment.h"
#include "simulator/engine/message_network.h"

namespace openhpu::simulator {

class SyncManager : public sc_core::sc_module {
 public:
  struct Config {
    const Dialect* dialect = nullptr;
    int index = 0;
    uint32_t sobs = 0, monitors = 0;
    uint32_t queues = 0;  // completion queues
    // Those below are the kernel's.
    uint32_t first_user_sob = 0, first_user_monitor = 0, first_user_queue = 0;
  };
  struct Monitor {
    bool armed = false, equal = false, is_long = false;
    uint8_t mask = 0xFF;  // a zero bit is watched; of a long value, that of its first object
    uint16_t group = 0;
    uint64_t value = 0;
    uint32_t arm = 0;  // the word that was last written to MON_ARM
    uint32_t config = 0;
    uint64_t address = 0;
    uint32_t data = 0;
    Origin armed_by;
    SharedClock clock;
  };

  SyncManager(sc_core::sc_module_name name, Environment& environment, const Config& config);

  // A message to the block of objects, `offset` in it.
  void Write(uint32_t offset, const Message& message);
  // A register of the block of objects; zero where there is none.
  uint32_t Read(uint32_t offset) const;
  // Whether a register of the block of objects belongs to one that this chip has.
  bool Has(uint32_t offset) const;
  // Of the global block, where it lies apart.
  uint32_t ReadGlobal(uint32_t offset) const { return globals_[offset / 4]; }
  void WriteGlobal(uint32_t offset, uint32_t value) { globals_[offset / 4] = value; }
  void Reset();

  uint32_t sob(uint32_t index) const { return values_[index]; }
  const std::vector<Monitor>& monitors() const { return monitors_; }
  // "E_N", "DCORE0".
  const char* label() const { return config_.dialect->sync_label(config_.index); }
  // "monitor 80 (armed), waits for SOB 8 >= 3 (is 2)": for people.
  std::string DescribeMonitor(uint32_t index) const;

 private:
  // The watched objects of its group that do not pass its test, a bit each.
  uint32_t Missing(const Monitor& monitor) const;
  bool Satisfied(const Monitor& monitor) const;
  // Of what it watches by bit `i` of the mask.
  uint64_t Value(const Monitor& monitor, int i) const;
  void Refuse(const std::string& what, const char* why, const Message& message);
  void WriteSob(uint32_t index, const Message& message);
  void WriteLongSob(uint32_t index, const Message& message);
  uint64_t LongValue(uint32_t index) const;
  void FireSatisfied(uint32_t group);
  void WriteGlobalWord(uint32_t word, const Message& message);
  void Arm(uint32_t index, const Message& message);
  void Disarm(uint32_t index);
  void Fire(uint32_t index);
  // Of monitor `index`, for one that fires and whose `message` lacks but address and value.
  void WritePayload(uint32_t index, Message message);
  bool Post(uint32_t index, const QueueWrite& write, Message message);
  // Faults when the object is the kernel's or is not there.
  bool Allowed(const char* what, uint32_t index, uint32_t first, uint32_t count,
               const Message& message);

  Environment& environment_;
  const Config config_;
  std::vector<uint16_t> values_;
  std::vector<SharedClock> clocks_;  // of each SOB; empty when hazards are off
  std::vector<Monitor> monitors_;
  std::vector<std::vector<uint16_t>> armed_;  // of each group, in order of arming
  std::vector<uint32_t> security_;            // SM_SEC and the like, which nothing here reads
  RegisterValues globals_;
};

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_SYNC_MANAGER_H_
