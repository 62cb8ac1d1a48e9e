// Lanes: launches of element-wise kernels that are cut alike. Box i of the later one then needs
// nothing but box i of the earlier one, which its own queue ran before it: no wait. Whatever is not
// certain is not said to be so.
#ifndef GRAPH_BACK_LANES_H_
#define GRAPH_BACK_LANES_H_

#include "graph/plan.h"

namespace openhpu::graph {

// Whether every byte that one of these writes and the other touches belongs to the same box of
// both, if both are cut into equally many boxes. Element-wise launches over one index space, whose
// overlapping tensors are the same view.
bool SameLanes(const TpcStep& before, const TpcStep& after);

}  // namespace openhpu::graph

#endif  // GRAPH_BACK_LANES_H_
