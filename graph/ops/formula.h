// Arithmetic on f32 values of an expression builder, so that formulas read as such.
#ifndef GRAPH_OPS_FORMULA_H_
#define GRAPH_OPS_FORMULA_H_

#include "graph/ops/common.h"

namespace openhpu::graph {

struct F32 {
  ExpressionBuilder& e;
  ExpressionBuilder::Value v;
};

inline F32 Number(const F32& like, double c) {
  return {like.e, like.e.Constant(c, DType::kFloat32)};
}
// Input `i` of the program, as f32.
inline F32 Input(ExpressionBuilder& e, int i) {
  return {e, e.Cast(static_cast<ExpressionBuilder::Value>(i), DType::kFloat32)};
}

inline F32 operator+(F32 a, F32 b) { return {a.e, a.e.Op(hal::ExprOp::kAdd, a.v, b.v)}; }
inline F32 operator-(F32 a, F32 b) { return {a.e, a.e.Op(hal::ExprOp::kSub, a.v, b.v)}; }
inline F32 operator*(F32 a, F32 b) { return {a.e, a.e.Op(hal::ExprOp::kMul, a.v, b.v)}; }
inline F32 operator/(F32 a, F32 b) { return {a.e, a.e.Op(hal::ExprOp::kDiv, a.v, b.v)}; }
inline F32 operator+(F32 a, double b) { return a + Number(a, b); }
inline F32 operator-(F32 a, double b) { return a - Number(a, b); }
inline F32 operator*(F32 a, double b) { return a * Number(a, b); }
inline F32 operator/(F32 a, double b) { return a / Number(a, b); }
inline F32 Apply(hal::ExprOp op, F32 a) { return {a.e, a.e.Op(op, a.v)}; }
inline F32 Min(F32 a, double b) { return {a.e, a.e.Op(hal::ExprOp::kMin, a.v, Number(a, b).v)}; }
inline F32 Max(F32 a, double b) { return {a.e, a.e.Op(hal::ExprOp::kMax, a.v, Number(a, b).v)}; }
// compare(a, b) ? x : y
inline F32 Choose(hal::ExprOp compare, F32 a, double b, F32 x, F32 y) {
  const ExpressionBuilder::Value condition = a.e.Op(compare, a.v, Number(a, b).v);
  return {a.e, a.e.Select(condition, x.v, y.v)};
}

}  // namespace openhpu::graph

#endif  // GRAPH_OPS_FORMULA_H_
