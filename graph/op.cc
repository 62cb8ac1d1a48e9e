#include "graph/op.h"

#include <algorithm>
#include <string>

#include "graph/ops/families.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::graph {
namespace {

std::vector<const OpDeclaration*> Gather() {
  std::vector<const OpDeclaration*> ops;
  for (const auto& family : {ActivationOps(),
                             ActivationBackwardOps(),
                             ArithmeticOps(),
                             ConvolutionOps(),
                             ConvolutionBackwardOps(),
                             CreationOps(),
                             IndexingOps(),
                             LossOps(),
                             MatmulOps(),
                             NormalizationOps(),
                             NormalizationBackwardOps(),
                             PoolingOps(),
                             PoolingBackwardOps(),
                             RandomOps(),
                             ReductionOps(),
                             ScatterOps(),
                             SelectionOps(),
                             ShapeOps(),
                             SortingOps(),
                             UpsampleOps()}) {
    for (const OpDeclaration& op : family) ops.push_back(&op);
  }
  std::sort(ops.begin(), ops.end(),
            [](const OpDeclaration* a, const OpDeclaration* b) { return a->name < b->name; });
  for (size_t i = 0; i < ops.size(); ++i) {
    OPENHPU_CHECK(ops[i]->infer != nullptr);
    OPENHPU_CHECK((ops[i]->expression != nullptr) != (ops[i]->lower != nullptr));
    OPENHPU_CHECK(i == 0 || ops[i - 1]->name != ops[i]->name);
  }
  return ops;
}

const std::vector<const OpDeclaration*>& Table() {
  static const auto* const table = new std::vector<const OpDeclaration*>(Gather());
  return *table;
}

}  // namespace

absl::StatusOr<const OpDeclaration*> FindOp(std::string_view name) {
  const auto& table = Table();
  const auto at =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const OpDeclaration* op, std::string_view n) { return op->name < n; });
  if (at == table.end() || (*at)->name != name) {
    return absl::NotFoundError(hal::Cat("there is no op '", name, "'"));
  }
  return *at;
}

absl::Span<const OpDeclaration* const> AllOps() { return Table(); }

}  // namespace openhpu::graph
