// The front's passes over works. Each leaves the meaning of what is observed (bound buffers) as it
// was, to the bit.
#ifndef GRAPH_FRONT_PASSES_H_
#define GRAPH_FRONT_PASSES_H_

#include <cstdint>
#include <vector>

#include "graph/compiler.h"
#include "graph/ir.h"
#include "graph/lowering.h"

namespace openhpu::graph {

// No engine may write what it has yet to read: an input that shares bytes with an output of its
// work is copied first. Element-wise works may read exactly what they write.
void Untangle(std::vector<Buffer>& buffers, std::vector<Work>& works);

// Gives each version of a buffer that replaces all of it a buffer of its own (the last one of a
// bound buffer keeps it): so that passes see most temps written once.
void RenameVersions(std::vector<Buffer>& buffers, std::vector<Work>& works);

// Drops works whose results nobody reads, and dead results of element-wise works. `observed[b]`:
// the buffer's bytes matter after the end.
void DropDead(const std::vector<bool>& observed, std::vector<Work>& works);

// Temps around convolutions and pooling get their channels dense; images and filters that lie
// otherwise are copied by works of their own.
void ChooseLayout(std::vector<Buffer>& buffers, std::vector<Work>& works);

// A result that is only copied elsewhere is written there at once, where its engine can.
void ForwardCopies(const std::vector<bool>& observed, std::vector<Work>& works);

// What derives from weights alone.
struct PreparedWorks {
  std::vector<Work> prepare;        // the works that make constants; taken out of `works`
  std::vector<BufferId> constants;  // temps that they write and the rest reads
  std::vector<PreparedConstant> descriptions;  // of the constants
};
PreparedWorks SplitPrepared(const std::vector<Buffer>& buffers, std::vector<Work>& works);

// Joins element-wise works into larger ones: chains, trees and several results, where no other
// access lies in between.
void FuseElementwise(const std::vector<bool>& observed, std::vector<Work>& works);

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_PASSES_H_
