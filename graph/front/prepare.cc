// Prepared constants: works whose inputs derive from weights alone run once, apart from the rest,
// and again only when a weight is written.
#include <algorithm>
#include <map>
#include <utility>

#include "graph/front/passes.h"

namespace openhpu::graph {

PreparedWorks SplitPrepared(const std::vector<Buffer>& buffers, std::vector<Work>& works) {
  PreparedWorks result;
  const size_t n = buffers.size();
  std::vector<bool> written(n, false);
  for (const Work& work : works) {
    for (const View& v : work.outputs) written[v.buffer] = true;
  }
  const auto is_weight = [&](BufferId b) {
    return buffers[b].kind == BufferKind::kBound && buffers[b].weight && !written[b];
  };
  if (std::none_of(works.begin(), works.end(), [&](const Work& w) {
        return std::any_of(w.inputs.begin(), w.inputs.end(),
                           [&](const View& v) { return is_weight(v.buffer); });
      })) {
    return result;
  }

  // A work is a candidate while all it reads is a weight or made by candidates alone, and all it
  // writes is made by candidates alone.
  std::vector<bool> candidate(works.size(), true), made(n, true);
  for (BufferId b = 0; b < n; ++b) made[b] = buffers[b].kind == BufferKind::kTemp && written[b];
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < works.size(); ++i) {
      if (!candidate[i]) continue;
      const auto fits = [&](const View& v) { return made[v.buffer] || is_weight(v.buffer); };
      const auto temp = [&](const View& v) { return made[v.buffer]; };
      if (std::all_of(works[i].inputs.begin(), works[i].inputs.end(), fits) &&
          std::all_of(works[i].outputs.begin(), works[i].outputs.end(), temp)) {
        continue;
      }
      candidate[i] = false;
      changed = true;
      for (const View& v : works[i].outputs) made[v.buffer] = false;
    }
  }

  // Which weights stand behind what candidates make; what has none (a filled buffer) is cheap to
  // make twice.
  std::map<BufferId, std::vector<BufferId>> sources;
  const auto add = [](std::vector<BufferId>& to, const std::vector<BufferId>& from) {
    to.insert(to.end(), from.begin(), from.end());
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
  };
  for (size_t i = 0; i < works.size(); ++i) {
    if (!candidate[i]) continue;
    std::vector<BufferId> behind;
    for (const View& v : works[i].inputs)
      add(behind, is_weight(v.buffer) ? std::vector<BufferId>{v.buffer} : sources[v.buffer]);
    for (const View& v : works[i].outputs) add(sources[v.buffer], behind);
  }
  const auto derived = [&](BufferId b) { return made[b] && !sources[b].empty(); };
  const auto derives = [&](size_t i) {
    return candidate[i] && std::any_of(works[i].outputs.begin(), works[i].outputs.end(),
                                       [&](const View& v) { return derived(v.buffer); });
  };

  std::vector<bool> constant(n, false);
  std::vector<Work> rest;
  for (size_t i = 0; i < works.size(); ++i) {
    if (derives(i)) {
      result.prepare.push_back(std::move(works[i]));
      continue;
    }
    for (const View& v : works[i].inputs) {
      if (derived(v.buffer)) constant[v.buffer] = true;
    }
    if (candidate[i]) result.prepare.push_back(works[i]);
    rest.push_back(std::move(works[i]));
  }
  for (BufferId b = 0; b < n; ++b) {
    if (!constant[b]) continue;
    result.constants.push_back(b);
    PreparedConstant description;
    description.bytes = buffers[b].bytes;
    description.sources = sources[b];
    result.descriptions.push_back(std::move(description));
  }
  works = std::move(rest);
  return result;
}

}  // namespace openhpu::graph
