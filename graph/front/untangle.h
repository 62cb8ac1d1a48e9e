// Untangling: no engine may write what it has yet to read. An input that shares bytes with an
// output of its work without being the same elements is copied first.
#ifndef GRAPH_FRONT_UNTANGLE_H_
#define GRAPH_FRONT_UNTANGLE_H_

#include <vector>

#include "graph/ir.h"
#include "graph/lowering.h"

namespace openhpu::graph {

// Element-wise works may read exactly what they write; all others read before they write.
void Untangle(std::vector<Buffer>& buffers, std::vector<Work>& works);

}  // namespace openhpu::graph

#endif  // GRAPH_FRONT_UNTANGLE_H_
