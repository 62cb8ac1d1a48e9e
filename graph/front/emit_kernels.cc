// Works that are one kernel of the library each.
#include "graph/front/emit.h"

namespace openhpu::graph {

absl::Status Emitter::Convolution(const Work&, const ConvolutionWork&) {
  return absl::UnimplementedError("convolution");
}
absl::Status Emitter::Reduce(const Work&, const ReduceWork&) {
  return absl::UnimplementedError("reduce");
}
absl::Status Emitter::Softmax(const Work&, const SoftmaxWork&) {
  return absl::UnimplementedError("softmax");
}
absl::Status Emitter::Norm(const Work&, const NormWork&) {
  return absl::UnimplementedError("norm");
}
absl::Status Emitter::Pool(const Work&, const PoolWork&) {
  return absl::UnimplementedError("pool");
}
absl::Status Emitter::Gather(const Work&, const GatherWork&) {
  return absl::UnimplementedError("gather");
}
absl::Status Emitter::Depthwise(const Work&, const DepthwiseWork&) {
  return absl::UnimplementedError("depthwise");
}

}  // namespace openhpu::graph
