// Versions: how accesses to one buffer relate. Each write makes a version of a buffer; whether
// another access sees it, replaces it or has nothing to do with it follows from the views: `covers`
// is exact (no false claim), `overlaps` may be claimed of exotic strides that miss each other.
#ifndef GRAPH_VERSIONS_H_
#define GRAPH_VERSIONS_H_

#include <cstdint>

#include "graph/ir.h"

namespace openhpu::graph {

enum class Overlap : uint8_t {
  kDisjoint,  // no byte in common
  kOverlaps,  // some, or not known
  kCovers,    // every byte of the second is one of the first
};

// Of two views; views of different buffers are disjoint. Empty views are disjoint from all.
Overlap Relate(const View& a, const View& b);

// Whether element i of one is element i of the other.
bool SameElements(const View& a, const View& b);

}  // namespace openhpu::graph

#endif  // GRAPH_VERSIONS_H_
