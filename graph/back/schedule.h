// The schedule of a program: for every queue what it waits for, what it signals and what it runs,
// before packets.
//
// Sync is in lockstep. Engines of one kind count together: every step of the kind adds 1 to *every*
// sob of that kind, by the engine's own signal where it has a share, and by an AddSob of its queue
// where it has none (such adds are given early, in one message: nothing of the step is waited for
// there). So "step number v of the kind, and all before it, are complete" is "all sobs of the kind
// are at least v": one monitor a group of eight. Waits are reduced by vector clocks: a queue never
// waits for what an earlier wait of its own implies, nor for what another condition of the same
// wait implies.
//
// A queue starts when the external queue sets its `go` sob, so that work in the same bank, and
// copies before it on the stream, are done. The external queue then waits for the final counts and
// sets all counts to 0. When a count would pass `max_count` all queues join in the same way and a
// new epoch starts at 0.
//
// A queue may come to its `go` while another program of the bank still runs. So an engine's go sob
// and the monitor that watches it are the same in all programs of a chip, at the start of the bank,
// and no other monitor of the bank is touched before it.
#ifndef GRAPH_BACK_SCHEDULE_H_
#define GRAPH_BACK_SCHEDULE_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "graph/back/split.h"
#include "graph/plan.h"
#include "hal/command_writer.h"
#include "hal/commands.h"

namespace openhpu::graph {

struct AwaitOp {
  std::vector<hal::SyncCondition> conditions;
  bool go = false;  // by the queue's go monitor
};
struct SobOp {
  uint32_t sob = 0, value = 0;
  bool after_engine = false;  // sets; first waits for the queue's engine
};
struct RunOp {
  uint32_t begin = 0, end = 0;  // body items
};
using UpperOp = std::variant<AwaitOp, SobOp, RunOp>;

// Share `share` of step `step`, which signals the queue's sobs; or, when `skipped` is not 0, that
// many added to them.
struct BodyItem {
  uint32_t step = 0, share = 0;
  uint32_t skipped = 0;
};

struct QueueSchedule {
  hal::Engine engine;
  uint32_t sob = 0, sobs = 1;  // its counts: [sob, sob + sobs)
  uint32_t go = 0;             // the sob it starts by, and the monitor that watches it
  uint32_t first_monitor = 0, monitors = 0;
  std::vector<UpperOp> upper;
  std::vector<BodyItem> body;
};

struct Schedule {
  std::vector<QueueSchedule> queues;  // ordered by engine
  std::vector<UpperOp> external;      // AwaitOp and SobOp
  uint32_t first_external_monitor = 0, external_monitors = 0;
  uint32_t sobs = 0, monitors = 0;  // of the bank
};

inline constexpr uint32_t kMaxSobCount = 32767;

// How many engines of each kind a chip has.
struct EngineCounts {
  uint32_t dma = 8, mme = 8, tpc = 16;
};

// shares[i] are the shares of plan.steps[i]. Requires valid `after` lists.
Schedule MakeSchedule(const Plan& plan, const std::vector<std::vector<Share>>& shares,
                      uint32_t max_count = kMaxSobCount, EngineCounts engines = {});

}  // namespace openhpu::graph

#endif  // GRAPH_BACK_SCHEDULE_H_
