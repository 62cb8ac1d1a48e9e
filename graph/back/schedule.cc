#include "graph/back/schedule.h"

#include <algorithm>
#include <array>
#include <utility>

#include "graph/back/lanes.h"
#include "hal/base/status_macros.h"

namespace openhpu::graph {
namespace {

constexpr int kKinds = 3;
constexpr std::array<hal::EngineKind, kKinds> kEngineKinds = {
    hal::EngineKind::kDma, hal::EngineKind::kMme, hal::EngineKind::kTpc};
int KindIndex(hal::EngineKind kind) {
  return static_cast<int>(std::find(kEngineKinds.begin(), kEngineKinds.end(), kind) -
                          kEngineKinds.begin());
}
// An MME signals once for each of its two arrays.
uint32_t SobsOf(hal::EngineKind kind) { return kind == hal::EngineKind::kMme ? 2 : 1; }

// How far steps of the same lanes are followed before one is waited for after all.
constexpr size_t kMaxLanes = 32;

// How many steps of each kind are known to be complete.
using Counts = std::array<uint32_t, kKinds>;
void Join(Counts& a, const Counts& b) {
  for (int kind = 0; kind < kKinds; ++kind) a[kind] = std::max(a[kind], b[kind]);
}

class Scheduler {
 public:
  Scheduler(const Plan& plan, const std::vector<std::vector<Share>>& shares, uint32_t max_count,
            EngineCounts engines)
      : plan_(plan),
        shares_(shares),
        max_count_(max_count),
        engines_{engines.dma, engines.mme, engines.tpc} {}

  Schedule Make() {
    LayOutBank();
    BeginEpoch();
    for (uint32_t step = 0; step < plan_.steps.size(); ++step) {
      if (counts_[KindIndex(KindOf(plan_.steps[step]))] == max_count_) {
        EndEpoch();
        BeginEpoch();
      }
      Add(step);
    }
    EndEpoch();
    NumberMonitors();
    return std::move(schedule_);
  }

 private:
  struct Queue {
    Counts known{};          // by this queue's waits, in this epoch
    uint32_t skipped = 0;    // steps without a share since its last item
    uint32_t run_begin = 0;  // first body item that no RunOp covers
  };
  struct Kind {
    uint32_t first_queue = 0, queues = 0;
    uint32_t first_group = 0;
    uint32_t all_awaited = 0;       // the largest count that a step awaited of all engines
    std::vector<Counts> implied;    // by the count's index: what else is complete then
    std::vector<uint32_t> engines;  // likewise: how many engines, from 0 on, shared that step
  };
  struct Place {
    uint32_t epoch = 0, count = 0;
  };

  // The go sobs of all engines that the chip has; then the queues' own: a group or more a kind.
  void LayOutBank() {
    std::array<uint32_t, kKinds> engines{};
    for (size_t step = 0; step < plan_.steps.size(); ++step) {
      uint32_t& used = engines[KindIndex(KindOf(plan_.steps[step]))];
      used = std::max(used, static_cast<uint32_t>(shares_[step].size()));
    }
    const uint32_t gos = engines_[0] + engines_[1] + engines_[2];
    uint32_t group = (gos + 7) / 8, go = 0;
    for (int k = 0; k < kKinds; go += engines_[k++]) {
      Kind& kind = kinds_[k];
      kind.first_queue = static_cast<uint32_t>(schedule_.queues.size());
      kind.queues = engines[k];
      const uint32_t sobs = SobsOf(kEngineKinds[k]);
      for (uint32_t engine = 0; engine < engines[k]; ++engine) {
        QueueSchedule queue;
        queue.engine = {kEngineKinds[k], static_cast<uint8_t>(engine)};
        queue.sob = 8 * group + engine * sobs;
        queue.sobs = sobs;
        queue.go = go + engine;
        schedule_.queues.push_back(std::move(queue));
      }
      kind.first_group = group;
      group += (engines[k] * sobs + 7) / 8;
    }
    schedule_.sobs = 8 * group;
    schedule_.first_external_monitor = gos;
    queues_.resize(schedule_.queues.size());
    places_.resize(plan_.steps.size());
    lanes_.resize(plan_.steps.size());
  }

  void BeginEpoch() {
    ++epoch_;
    counts_ = {};
    for (Kind& kind : kinds_) {
      kind.implied.assign(1, Counts{});
      kind.engines.assign(1, 0);
      kind.all_awaited = 0;
    }
    for (Queue& queue : queues_) queue.known = {};
    epoch_go_ = schedule_.external.size();
  }

  // The first step of its kind in this epoch: its queues wait for their `go`.
  void Start(int k) {
    const Kind& kind = kinds_[k];
    std::vector<UpperOp> go;
    for (uint32_t q = kind.first_queue; q < kind.first_queue + kind.queues; ++q) {
      QueueSchedule& queue = schedule_.queues[q];
      queue.upper.push_back(
          AwaitOp{{{queue.go / 8, static_cast<uint8_t>(1u << queue.go % 8), 1}}, /*go=*/true});
      queue.upper.push_back(SobOp{queue.go, 0, false});
      // Earlier copies of this queue have landed before any engine starts.
      go.push_back(SobOp{queue.go, 1, true});
    }
    schedule_.external.insert(schedule_.external.end(), go.begin(), go.end());
  }

  void Add(uint32_t step) {
    const int k = KindIndex(KindOf(plan_.steps[step]));
    Kind& kind = kinds_[k];
    if (counts_[k] == 0) Start(k);
    places_[step] = {epoch_, ++counts_[k]};
    const uint32_t shares = static_cast<uint32_t>(shares_[step].size());
    Counts implied = kind.implied.back();
    FindNeeds(step, k);
    for (uint32_t engine = 0; engine < kind.queues; ++engine) {
      const uint32_t q = kind.first_queue + engine;
      if (engine >= shares) {
        ++queues_[q].skipped;
        continue;
      }
      FlushSkipped(q);
      Wait(q, k);
      schedule_.queues[q].body.push_back({step, engine, 0});
      Join(implied, queues_[q].known);
    }
    kind.implied.push_back(implied);
    kind.engines.push_back(shares);
  }

  // Earlier steps of this epoch whose completion the step must know of, into needs_. Steps of the
  // same lanes are not among them; but what those did not wait for, being of their lanes, is asked
  // anew.
  void FindNeeds(uint32_t step, int k) {
    needs_.clear();
    std::vector<uint32_t>& lanes = lanes_[step];
    const TpcStep* tpc = std::get_if<TpcStep>(&plan_.steps[step].work);
    std::vector<uint32_t> asked = plan_.steps[step].after, further;
    for (size_t i = 0; i < asked.size(); ++i) {
      const uint32_t before = asked[i];
      if (places_[before].epoch != epoch_) continue;
      further.clear();
      for (const uint32_t other : lanes_[before]) {
        if (std::find(asked.begin(), asked.end(), other) == asked.end()) further.push_back(other);
      }
      const bool same_lanes = tpc != nullptr && KindIndex(KindOf(plan_.steps[before])) == k &&
                              shares_[before].size() == shares_[step].size() &&
                              asked.size() + further.size() <= kMaxLanes &&
                              SameLanes(std::get<TpcStep>(plan_.steps[before].work), *tpc);
      if (same_lanes) {
        lanes.push_back(before);
        asked.insert(asked.end(), further.begin(), further.end());
      } else {
        needs_.push_back(before);
      }
    }
  }

  // Conditions of a step on one queue, if any.
  void Wait(uint32_t q, int k) {
    Queue& queue = queues_[q];
    Counts need{};
    for (uint32_t before : needs_) {
      const int other = KindIndex(KindOf(plan_.steps[before]));
      // Only engine 0 works alone; its own order is enough for what it alone did.
      const bool own = other == k && shares_[before].size() == 1 && q == kinds_[k].first_queue;
      if (!own) need[other] = std::max(need[other], places_[before].count);
    }
    for (int kind = 0; kind < kKinds; ++kind) {
      if (need[kind] <= queue.known[kind]) need[kind] = 0;
    }
    for (int kind = 0; kind < kKinds; ++kind) {
      for (int by = 0; by < kKinds; ++by) {
        if (by != kind && need[by] > 0 && kinds_[by].implied[need[by]][kind] >= need[kind])
          need[kind] = 0;
      }
    }
    AwaitOp await;
    for (int kind = 0; kind < kKinds; ++kind) {
      if (need[kind] == 0) continue;
      AddConditions(kind, queue.known[kind], need[kind], await);
      queue.known[kind] = need[kind];
      Join(queue.known, kinds_[kind].implied[need[kind]]);
    }
    if (await.conditions.empty()) return;
    CloseRun(q);
    schedule_.queues[q].upper.push_back(std::move(await));
  }

  // The steps (known, count] of a kind. Only engines that shared one of them are watched.
  void AddConditions(int k, uint32_t known, uint32_t count, AwaitOp& await) {
    Kind& kind = kinds_[k];
    const uint32_t engines =
        *std::max_element(kind.engines.begin() + known + 1, kind.engines.begin() + count + 1);
    if (engines == kind.queues) kind.all_awaited = std::max(kind.all_awaited, count);
    Watch(k, engines, count, await);
  }

  // The first `engines` engines of a kind reach `count`.
  void Watch(int k, uint32_t engines, uint32_t count, AwaitOp& await) const {
    uint32_t left = engines * SobsOf(kEngineKinds[k]);
    for (uint32_t group = kinds_[k].first_group; left > 0; ++group) {
      const uint32_t watched = std::min(left, 8u);
      await.conditions.push_back({group, static_cast<uint8_t>((1u << watched) - 1), count});
      left -= watched;
    }
  }

  void FlushSkipped(uint32_t q) {
    if (queues_[q].skipped > 0) schedule_.queues[q].body.push_back({0, 0, queues_[q].skipped});
    queues_[q].skipped = 0;
  }

  void CloseRun(uint32_t q) {
    QueueSchedule& queue = schedule_.queues[q];
    const uint32_t end = static_cast<uint32_t>(queue.body.size());
    if (end > queues_[q].run_begin) queue.upper.push_back(RunOp{queues_[q].run_begin, end});
    queues_[q].run_begin = end;
  }

  void EndEpoch() {
    // All engines of a kind, with a share in this epoch or not, have added all that they will;
    // unless a step of another kind, which is awaited here, has awaited just that. (A step cannot
    // await its own kind's last one, and the last step of all is awaited by none.)
    AwaitOp await;
    for (int kind = 0; kind < kKinds; ++kind) {
      if (counts_[kind] > kinds_[kind].all_awaited)
        Watch(kind, kinds_[kind].queues, counts_[kind], await);
    }
    if (await.conditions.empty()) return;
    // The epoch's kinds may have started in any order; no queue needs another's go, so theirs stand
    // together at its start.
    std::stable_sort(schedule_.external.begin() + static_cast<int64_t>(epoch_go_),
                     schedule_.external.end(), [](const UpperOp& a, const UpperOp& b) {
                       return std::get<SobOp>(a).sob < std::get<SobOp>(b).sob;
                     });
    schedule_.external.push_back(std::move(await));
    for (int k = 0; k < kKinds; ++k) {
      if (counts_[k] == 0) continue;
      for (uint32_t q = kinds_[k].first_queue; q < kinds_[k].first_queue + kinds_[k].queues; ++q) {
        FlushSkipped(q);
        CloseRun(q);
        const QueueSchedule& queue = schedule_.queues[q];
        for (uint32_t i = 0; i < queue.sobs; ++i)
          schedule_.external.push_back(SobOp{queue.sob + i, 0, false});
      }
    }
  }

  static uint32_t MostConditions(const std::vector<UpperOp>& ops) {
    size_t most = 0;
    for (const UpperOp& op : ops) {
      if (const AwaitOp* await = std::get_if<AwaitOp>(&op); await != nullptr && !await->go)
        most = std::max(most, await->conditions.size());
    }
    return static_cast<uint32_t>(most);
  }

  void NumberMonitors() {
    schedule_.external_monitors = MostConditions(schedule_.external);
    schedule_.monitors = schedule_.first_external_monitor + schedule_.external_monitors;
    for (QueueSchedule& queue : schedule_.queues) {
      queue.first_monitor = schedule_.monitors;
      queue.monitors = MostConditions(queue.upper);
      schedule_.monitors += queue.monitors;
    }
  }

  const Plan& plan_;
  const std::vector<std::vector<Share>>& shares_;
  const uint32_t max_count_;
  const std::array<uint32_t, kKinds> engines_;
  Schedule schedule_;
  std::array<Kind, kKinds> kinds_;
  std::vector<Queue> queues_;
  std::vector<Place> places_;
  std::vector<std::vector<uint32_t>>
      lanes_;                    // by step: those it did not wait for, being of its lanes
  std::vector<uint32_t> needs_;  // of the step at hand
  Counts counts_{};
  uint32_t epoch_ = 0;
  size_t epoch_go_ = 0;  // where this epoch's ops start in `external`
};

}  // namespace

Schedule MakeSchedule(const Plan& plan, const std::vector<std::vector<Share>>& shares,
                      uint32_t max_count, EngineCounts engines) {
  OPENHPU_CHECK(shares.size() == plan.steps.size() && max_count >= 1 && max_count <= kMaxSobCount);
  return Scheduler(plan, shares, max_count, engines).Make();
}

}  // namespace openhpu::graph
