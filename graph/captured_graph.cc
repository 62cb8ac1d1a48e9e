#include "graph/captured_graph.h"

#include "graph/captured.h"

namespace openhpu::graph {

CapturedGraph::CapturedGraph() : steps_(std::make_unique<CapturedSteps>()) {}
CapturedGraph::CapturedGraph(CapturedGraph&&) noexcept = default;
CapturedGraph& CapturedGraph::operator=(CapturedGraph&&) noexcept = default;
CapturedGraph::~CapturedGraph() = default;

absl::Status CapturedGraph::Replay(absl::Span<const Rebinding> rebindings) {
  return steps_->Replay(rebindings);
}
size_t CapturedGraph::segments() const { return steps_->segments(); }
const Recipe& CapturedGraph::recipe(size_t segment) const {
  return steps_->segment(segment).compiled().recipe;
}
std::vector<SegmentSummary> CapturedGraph::Summary() const { return steps_->Summary(); }
CapturedMemory CapturedGraph::memory() const { return steps_->memory(); }
uint64_t CapturedGraph::patched_words() const {
  uint64_t words = 0;
  for (size_t i = 0; i < steps_->segments(); ++i) words += steps_->segment(i).patched_words();
  return words;
}
bool CapturedGraph::Binds(const Storage& storage) const { return steps_->Binds(storage); }
bool CapturedGraph::ReadsFirst(const Storage& storage) const { return steps_->ReadsFirst(storage); }
bool CapturedGraph::Makes(const Storage& storage) const { return steps_->Makes(storage); }
void CapturedGraph::Forget(absl::Span<const std::shared_ptr<Storage>> storages) {
  steps_->Forget(storages);
}
void CapturedGraph::ReleaseOthers(absl::Span<const std::shared_ptr<Storage>> keep) {
  steps_->ReleaseOthers(keep);
}
void CapturedGraph::Reset() { steps_ = std::make_unique<CapturedSteps>(); }

}  // namespace openhpu::graph
