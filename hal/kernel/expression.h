// Expression programs: what an element-wise TPC kernel computes, as data. The payload of kernel
// images with guid "openhpu.fused".
//
// A program is in static single assignment: values 0 .. num_inputs-1 are the loaded elements of the
// input tensors, value num_inputs+i is what instruction i makes. Every value has a dtype, and every
// intermediate is rounded to it, so a fused chain gives the bits of its unfused parts. Outputs are
// values; output j is stored in tensor num_inputs+j of the launch, whose dtype equals the value's.
//
// Arithmetic: f32 and bf16 operands are computed in fp32 without contraction (no FMA), then rounded
// to the result's dtype (nearest even). Integers are computed in 32 bits, wrapping, and narrowed to
// the result's dtype; bool is 0 or 1. Transcendental functions are the library's own polynomials
// (simulator/functional/vector_math.h): the same bits on every machine.
#ifndef HAL_KERNEL_EXPRESSION_H_
#define HAL_KERNEL_EXPRESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hal/base/dtype.h"

namespace openhpu::hal {

enum class ExprOp : uint8_t {
  // No operand.
  kConst = 0,  // `immediate`: the value's bits (fp32 bits for f32 and bf16, a 32-bit integer for
               // the others)
  kIndex = 1,  // i32: the element's index along dim `immediate` (0-4) of the launch's index space,
               // counted from the start of the tensor
  // One operand. Result dtype = operand's unless said otherwise.
  kCast = 2,  // to `dtype`: float -> integer truncates toward zero and saturates (NaN gives 0);
              // anything -> bool is != 0
  kNeg = 3,
  kAbs = 4,
  kExp = 5,
  kExpm1 = 6,
  kLog = 7,
  kLog1p = 8,
  kLog2 = 9,
  kSqrt = 10,
  kRsqrt = 11,
  kReciprocal = 12,
  kSin = 13,
  kCos = 14,
  kTanh = 15,
  kErf = 16,
  kSigmoid = 17,
  kFloor = 18,
  kCeil = 19,
  kRound = 20,  // half to even
  kTrunc = 21,
  kSign = 22,
  kIsNan = 23,  // bool
  kIsInf = 24,  // bool
  kNot = 25,    // bool: logical; integers: bitwise
  kAtan = 26,
  kTan = 27,
  // Two operands of one dtype. Result dtype = theirs unless said otherwise.
  kAdd = 32,
  kSub = 33,
  kMul = 34,
  kDiv = 35,        // floats only
  kMin = 36,        // NaN if either is
  kMax = 37,        // NaN if either is
  kPow = 38,        // floats; integers with a non-negative exponent
  kRemainder = 39,  // sign of the divisor (Python's %)
  kFmod = 40,       // sign of the dividend (C's fmod)
  kFloorDiv = 41,   // integer division by zero gives 0
  kTruncDiv = 42,
  kAnd = 43,  // bitwise; on bool logical
  kOr = 44,
  kXor = 45,
  kShiftLeft = 46,
  kShiftRight = 47,
  kAtan2 = 48,
  // Two operands of one dtype, result bool.
  kEq = 56,
  kNe = 57,
  kLt = 58,
  kLe = 59,
  kGt = 60,
  kGe = 61,
  // Three operands: a is bool; b and c of the result's dtype.
  kSelect = 64,  // a ? b : c
};

struct ExprInstruction {
  ExprOp op;
  DType dtype = DType::kFloat32;  // of the result
  uint16_t a = 0, b = 0, c = 0;   // value numbers; unused ones are 0
  uint32_t immediate = 0;

  friend bool operator==(const ExprInstruction& x, const ExprInstruction& y) {
    return x.op == y.op && x.dtype == y.dtype && x.a == y.a && x.b == y.b && x.c == y.c &&
           x.immediate == y.immediate;
  }
};

struct ExpressionProgram {
  std::vector<DType> inputs;  // of the values 0 .. inputs.size()-1
  std::vector<ExprInstruction> instructions;
  std::vector<uint16_t> outputs;  // value numbers

  friend bool operator==(const ExpressionProgram& x, const ExpressionProgram& y) {
    return x.inputs == y.inputs && x.instructions == y.instructions && x.outputs == y.outputs;
  }
};

inline constexpr int kMaxExprInstructions = 256;
inline constexpr int kMaxExprTensors = 16;  // inputs and outputs together

// How many operands an op takes (0-3), and its name ("add"); -1 and "?" for a number that is no op.
int ExprArity(ExprOp op);
std::string_view ExprName(ExprOp op);

// The dtype of value `v`. Requires v < inputs + instructions.
DType ValueDType(const ExpressionProgram& program, uint16_t v);

// InvalidArgument names the instruction: unknown op, operand that is not yet made, dtypes that do
// not fit, int64, too many of anything, no output.
absl::Status Validate(const ExpressionProgram& program);

// The payload's bytes: little-endian u16 counts, then the lists. Parse validates.
std::vector<std::byte> Serialize(const ExpressionProgram& program);
absl::StatusOr<ExpressionProgram> ParseExpression(absl::Span<const std::byte> payload);

// "v2:f32 = add v0 v1" lines, for people and goldens.
std::string ToText(const ExpressionProgram& program);

}  // namespace openhpu::hal

#endif  // HAL_KERNEL_EXPRESSION_H_
