#include "simulator/engine/hazards.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

// Below this many boxes an agent's memory is not worth tidying.
constexpr size_t kCompactAt = 1024;

const char* Verb(const AccessBox& box) { return box.write ? "writes" : "reads"; }

const char* Kind(const AccessBox& before, const AccessBox& now) {
  if (!now.write) return "read after write";
  return before.write ? "write after write" : "write after read";
}

auto Key(const AccessBox& box) {
  return std::make_tuple(box.base.value(), box.run, box.sizes, box.strides, box.write);
}

}  // namespace

void Join(VectorClock& a, const VectorClock& b) {
  if (a.size() < b.size()) a.resize(b.size(), 0);
  for (size_t i = 0; i < b.size(); ++i) a[i] = std::max(a[i], b[i]);
}

void HazardChecker::Range::Cover(const Range& other) {
  begin = std::min(begin, other.begin);
  end = std::max(end, other.end);
}

HazardChecker::HazardChecker(uint32_t agents) : agents_(agents) { Clear(); }

const VectorClock& HazardChecker::Release(AgentId agent) {
  OPENHPU_CHECK(agent < agents_.size());
  // Accesses carry the number of the release that ends their epoch, so whoever has this clock has
  // seen those up to here, and none of the later ones.
  ++agents_[agent].clock[agent];
  return agents_[agent].clock;
}

void HazardChecker::Acquire(AgentId agent, const VectorClock& clock) {
  OPENHPU_CHECK(agent < agents_.size() && clock.size() <= agents_.size());
  Join(agents_[agent].clock, clock);
}

std::optional<std::string> HazardChecker::Access(AgentId agent, const std::string& what,
                                                 const std::vector<AccessBox>& boxes) {
  OPENHPU_CHECK(agent < agents_.size());
  const auto shared_what = std::make_shared<const std::string>(what);
  std::vector<Entry> entries;
  entries.reserve(boxes.size());
  std::optional<std::string> report;
  for (const AccessBox& box : boxes) {
    const Entry entry{box, {Begin(box).value(), End(box).value()}, shared_what};
    if (entry.range.begin >= entry.range.end) continue;
    AgentId other = 0;
    if (const Entry* race = report ? nullptr : FindRace(agent, entry, &other)) {
      report = absl::StrFormat(
          "race, %s: \"%s\" (agent %d) %s and \"%s\" (agent %d) %s the same bytes of [0x%x, 0x%x); "
          "no sync object or fence orders them",
          Kind(race->box, box), *race->what, other, Verb(race->box), what, agent, Verb(box),
          std::max(race->range.begin, entry.range.begin),
          std::min(race->range.end, entry.range.end));
    }
    entries.push_back(entry);
  }
  if (!entries.empty()) Remember(agents_[agent], entries);
  return report;
}

const HazardChecker::Entry* HazardChecker::FindRace(AgentId agent, const Entry& entry,
                                                    AgentId* other) const {
  const VectorClock& seen = agents_[agent].clock;
  for (AgentId a = 0; a < agents_.size(); ++a) {
    if (a == agent) continue;
    const std::deque<Epoch>& epochs = agents_[a].epochs;
    if (epochs.empty() || epochs.back().number <= seen[a]) continue;
    auto epoch =
        std::upper_bound(epochs.begin(), epochs.end(), seen[a],
                         [](uint64_t number, const Epoch& e) { return number < e.number; });
    for (; epoch != epochs.end(); ++epoch) {
      if (!entry.range.Meets(entry.box.write ? epoch->all : epoch->writes)) continue;
      for (const Entry& before : epoch->entries) {
        if (!entry.box.write && !before.box.write) continue;
        if (!entry.range.Meets(before.range) || !Intersect(entry.box, before.box)) continue;
        *other = a;
        return &before;
      }
    }
  }
  return nullptr;
}

void HazardChecker::Remember(Agent& agent, const std::vector<Entry>& entries) {
  const uint64_t number = agent.clock[&agent - agents_.data()] + 1;
  if (agent.epochs.empty() || agent.epochs.back().number != number) {
    agent.epochs.emplace_back();
    agent.epochs.back().number = number;
  }
  Epoch& epoch = agent.epochs.back();
  for (const Entry& entry : entries) {
    epoch.all.Cover(entry.range);
    if (entry.box.write) epoch.writes.Cover(entry.range);
    epoch.entries.push_back(entry);
  }
  agent.entries += entries.size();
  if (agent.entries >= agent.compact_at) Compact(agent);
}

// An access is of no use once the agent has made the same one again: whoever has seen the later one
// has seen both. So memory is bounded by the different boxes of a program, however often it runs.
void HazardChecker::Compact(Agent& agent) {
  absl::flat_hash_set<decltype(Key(AccessBox()))> later;
  for (auto epoch = agent.epochs.rbegin(); epoch != agent.epochs.rend(); ++epoch) {
    std::vector<Entry> kept;
    epoch->all = epoch->writes = Range();
    for (auto entry = epoch->entries.rbegin(); entry != epoch->entries.rend(); ++entry) {
      if (!later.insert(Key(entry->box)).second) continue;
      epoch->all.Cover(entry->range);
      if (entry->box.write) epoch->writes.Cover(entry->range);
      kept.push_back(std::move(*entry));
    }
    std::reverse(kept.begin(), kept.end());
    epoch->entries = std::move(kept);
  }
  agent.epochs.erase(std::remove_if(agent.epochs.begin(), agent.epochs.end(),
                                    [](const Epoch& epoch) { return epoch.entries.empty(); }),
                     agent.epochs.end());
  agent.entries = later.size();
  agent.compact_at = std::max(kCompactAt, 2 * agent.entries);
}

void HazardChecker::Prune() {
  for (AgentId a = 0; a < agents_.size(); ++a) {
    uint64_t seen = std::numeric_limits<uint64_t>::max();
    for (AgentId b = 0; b < agents_.size(); ++b) {
      if (b != a) seen = std::min(seen, agents_[b].clock[a]);
    }
    Agent& agent = agents_[a];
    while (!agent.epochs.empty() && agent.epochs.front().number <= seen) {
      agent.entries -= agent.epochs.front().entries.size();
      agent.epochs.pop_front();
    }
  }
}

void HazardChecker::Clear() {
  for (Agent& agent : agents_) {
    agent = Agent();
    agent.clock.assign(agents_.size(), 0);
    agent.compact_at = kCompactAt;
  }
}

size_t HazardChecker::remembered() const {
  size_t entries = 0;
  for (const Agent& agent : agents_) entries += agent.entries;
  return entries;
}

}  // namespace openhpu::simulator
