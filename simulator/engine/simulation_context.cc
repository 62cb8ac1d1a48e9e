#include "simulator/engine/simulation_context.h"

namespace openhpu::simulator {
namespace {

// Guards sc_core::sc_curr_simcontext.
std::mutex& KernelMutex() {
  static std::mutex* const mutex = new std::mutex;  // never destroyed: machines may outlive statics
  return *mutex;
}

}  // namespace

SimulationContext::Door::Door(SimulationContext& context)
    : lock_(KernelMutex()), previous_(sc_core::sc_curr_simcontext) {
  sc_core::sc_curr_simcontext = context.context_;
}

SimulationContext::Door::~Door() { sc_core::sc_curr_simcontext = previous_; }

SimulationContext::SimulationContext() {
  const std::lock_guard<std::mutex> lock(KernelMutex());
  // A run in which nothing happens is nothing to warn of: polls do it.
  sc_core::sc_report_handler::set_actions(sc_core::SC_ID_NO_SC_START_ACTIVITY_,
                                          sc_core::SC_DO_NOTHING);
  // The constructor of a context wants no current one of another's.
  sc_core::sc_simcontext* const previous = sc_core::sc_curr_simcontext;
  context_ = new sc_core::sc_simcontext;
  sc_core::sc_curr_simcontext = previous;
}

SimulationContext::~SimulationContext() {
  const std::lock_guard<std::mutex> lock(KernelMutex());
  sc_core::sc_simcontext* const previous = sc_core::sc_curr_simcontext;
  sc_core::sc_curr_simcontext = context_;
  // What the modules had ordered was cancelled with them, and stays in a queue that the context
  // would forget: who asks for the next event drops it.
  (void)sc_core::sc_pending_activity_at_future_time();
  delete context_;
  sc_core::sc_curr_simcontext = previous == context_ ? nullptr : previous;
}

Picoseconds SimulationContext::now() const { return Now(); }

void SimulationContext::RunUntilIdleOrStopped() {
  sc_core::sc_start(sc_core::sc_max_time() - sc_core::sc_time_stamp(),
                    sc_core::SC_EXIT_ON_STARVATION);
}

void SimulationContext::RunUntilIdleOrStopped(Picoseconds until) {
  if (until <= now()) return;
  sc_core::sc_start(sc_core::sc_time::from_value((until - now()).value()),
                    sc_core::SC_EXIT_ON_STARVATION);
}

void SimulationContext::RunUntil(Picoseconds until) {
  if (until <= now()) return;
  sc_core::sc_start(sc_core::sc_time::from_value((until - now()).value()), sc_core::SC_RUN_TO_TIME);
}

bool SimulationContext::pending() const { return sc_core::sc_pending_activity(); }

void SimulationContext::StopRun() { sc_core::sc_pause(); }

void NotifyAt(sc_core::sc_event& event, Picoseconds at) {
  const Picoseconds now = Now();
  event.notify(at > now ? sc_core::sc_time::from_value((at - now).value()) : sc_core::SC_ZERO_TIME);
}

}  // namespace openhpu::simulator
