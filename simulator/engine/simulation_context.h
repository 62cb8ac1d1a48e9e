// SimulationContext: one SystemC kernel of its own, and the one door between host threads and its
// simulated time.
//
// SystemC keeps its kernel in a global pointer. Several kernels live side by side when the pointer
// is switched, under one lock of the process, before a module is made, destroyed or run. This is
// the only file that does so: hold a Door while touching any module or event of the context.
#ifndef SIMULATOR_ENGINE_SIMULATION_CONTEXT_H_
#define SIMULATOR_ENGINE_SIMULATION_CONTEXT_H_

#include <mutex>
#include <systemc>

#include "hal/base/strong_int.h"

namespace openhpu::simulator {

class SimulationContext {
 public:
  SimulationContext();
  // Its modules are gone by now.
  ~SimulationContext();
  SimulationContext(const SimulationContext&) = delete;
  SimulationContext& operator=(const SimulationContext&) = delete;

  class Door {
   public:
    explicit Door(SimulationContext& context);
    ~Door();
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

   private:
    std::unique_lock<std::mutex> lock_;
    sc_core::sc_simcontext* previous_;
  };

  // The following need a Door.
  Picoseconds now() const;
  // Runs until nothing is left to happen or a process called StopRun().
  void RunUntilIdleOrStopped();
  // The same, but not past `until`; idle, it stays at what happened last.
  void RunUntilIdleOrStopped(Picoseconds until);
  // Runs what happens before `until`, and moves to it; earlier when a process called StopRun().
  void RunUntil(Picoseconds until);
  // Whether something will happen by itself.
  bool pending() const;

  // Called by a process: the run returns at the end of this delta cycle.
  static void StopRun();

 private:
  sc_core::sc_simcontext* context_;
};

// Simulated time, inside a process or under a Door.
inline Picoseconds Now() { return Picoseconds(sc_core::sc_time_stamp().value()); }
// Wakes `event` at `at`, or in the next delta cycle if that is not later than now. Immediate
// notification wakes others in the order of the calls, but is lost on the process that runs.
void NotifyAt(sc_core::sc_event& event, Picoseconds at);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_ENGINE_SIMULATION_CONTEXT_H_
