// Small plans made by hand, for tests of the compiler's back and of what it makes.
#ifndef GRAPH_TESTING_PLANS_H_
#define GRAPH_TESTING_PLANS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/plan.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"

namespace openhpu::graph {

inline hal::SymbolicAddress BindingAddress(uint32_t binding, uint64_t offset = 0) {
  return {runtime::kFirstBodySymbol + binding, offset};
}
inline hal::SymbolicAddress WorkspaceAddress(uint64_t offset) {
  return {runtime::kWorkspaceSymbol, offset};
}

// out[i] = in[i] + constant, f32.
inline PlanStep AddConstantStep(uint32_t elements, uint32_t constant_bits, hal::SymbolicAddress in,
                                hal::SymbolicAddress out, std::vector<uint32_t> after) {
  hal::ExpressionProgram program;
  program.inputs = {DType::kFloat32};
  hal::ExprInstruction constant{hal::ExprOp::kConst};
  constant.immediate = constant_bits;
  hal::ExprInstruction add{hal::ExprOp::kAdd};
  add.b = 1;
  program.instructions = {constant, add};
  program.outputs = {2};
  hal::KernelTensor tensor;
  tensor.sizes[0] = elements;
  hal::KernelTensor written = tensor;
  written.written = true;
  TpcStep tpc;
  tpc.launch = *hal::MakeFused(program, {tensor}, {written});
  tpc.addresses = {in, out};
  PlanStep step;
  step.work = std::move(tpc);
  step.after = std::move(after);
  step.name = "add";
  return step;
}

// Every row of out[rows][columns] = the first row of `in` + its last: each part of `out` needs what
// any split of `in` over engines gave to different ones.
inline PlanStep AddFirstAndLastRowStep(uint32_t rows, uint32_t columns, hal::SymbolicAddress in,
                                       hal::SymbolicAddress out, std::vector<uint32_t> after) {
  hal::ExpressionProgram program;
  program.inputs = {DType::kFloat32, DType::kFloat32};
  hal::ExprInstruction add{hal::ExprOp::kAdd};
  add.b = 1;
  program.instructions = {add};
  program.outputs = {2};
  hal::KernelTensor row;
  row.sizes[0] = columns;
  hal::KernelTensor written = row;
  written.sizes[1] = rows;
  written.strides[1] = columns;
  written.written = true;
  TpcStep tpc;
  tpc.launch = *hal::MakeFused(program, {row, row}, {written});
  tpc.addresses = {in, {in.symbol, in.offset + uint64_t{4} * (rows - 1) * columns}, out};
  PlanStep step;
  step.work = std::move(tpc);
  step.after = std::move(after);
  step.name = "add rows";
  return step;
}

inline PlanStep GemmStep(uint32_t size, hal::SymbolicAddress a, hal::SymbolicAddress b,
                         hal::SymbolicAddress c, std::vector<uint32_t> after) {
  hal::MmeGemm gemm;
  gemm.a = a;
  gemm.b = b;
  gemm.c = c;
  gemm.m = gemm.n = gemm.k = size;
  gemm.lda = gemm.ldb = gemm.ldc = size;
  PlanStep step;
  step.work = gemm;
  step.after = std::move(after);
  step.name = "mm";
  return step;
}

inline PlanStep CopyStep(uint32_t bytes, hal::SymbolicAddress from, hal::SymbolicAddress to,
                         std::vector<uint32_t> after) {
  hal::DmaCopy copy;
  copy.source = from;
  copy.destination = to;
  copy.run = bytes;
  PlanStep step;
  step.work = copy;
  step.after = std::move(after);
  step.name = "copy";
  return step;
}

// A product of bindings 0 and 1, 1 added on the TPCs, copied by DMA into binding 2: every kind of
// engine, each after the other. `size` x `size`, f32.
inline Plan ThreeKindsPlan(uint32_t size) {
  const uint64_t bytes = uint64_t{4} * size * size;
  Plan plan;
  plan.steps.push_back(
      GemmStep(size, BindingAddress(0), BindingAddress(1), WorkspaceAddress(0), {}));
  plan.steps.push_back(
      AddConstantStep(size * size, 0x3F800000, WorkspaceAddress(0), WorkspaceAddress(bytes), {0}));
  plan.steps.push_back(
      CopyStep(static_cast<uint32_t>(bytes), WorkspaceAddress(bytes), BindingAddress(2), {1}));
  plan.bindings = {{"a", bytes, true, false}, {"b", bytes, true, false}, {"c", bytes, false, true}};
  plan.workspace_bytes = 2 * bytes;
  return plan;
}

}  // namespace openhpu::graph

#endif  // GRAPH_TESTING_PLANS_H_
