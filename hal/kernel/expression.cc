#include "hal/kernel/expression.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"
#include "hal/kernel/text.h"

namespace openhpu::hal {
namespace {

// What an op takes and makes, once: Validate reads nothing else.
enum class Takes : uint8_t { kAny, kNumber, kFloat, kIntegerOrBool, kInteger };
enum class Makes : uint8_t { kSame, kBool, kAnything };

struct OpInfo {
  ExprOp op;
  int8_t arity;
  std::string_view name;
  Takes takes = Takes::kAny;
  Makes makes = Makes::kSame;
};

constexpr OpInfo kOps[] = {
    {ExprOp::kConst, 0, "const", Takes::kAny, Makes::kAnything},
    {ExprOp::kIndex, 0, "index", Takes::kAny, Makes::kAnything},
    {ExprOp::kCast, 1, "cast", Takes::kAny, Makes::kAnything},
    {ExprOp::kNeg, 1, "neg", Takes::kNumber},
    {ExprOp::kAbs, 1, "abs", Takes::kNumber},
    {ExprOp::kExp, 1, "exp", Takes::kFloat},
    {ExprOp::kExpm1, 1, "expm1", Takes::kFloat},
    {ExprOp::kLog, 1, "log", Takes::kFloat},
    {ExprOp::kLog1p, 1, "log1p", Takes::kFloat},
    {ExprOp::kLog2, 1, "log2", Takes::kFloat},
    {ExprOp::kSqrt, 1, "sqrt", Takes::kFloat},
    {ExprOp::kRsqrt, 1, "rsqrt", Takes::kFloat},
    {ExprOp::kReciprocal, 1, "reciprocal", Takes::kFloat},
    {ExprOp::kSin, 1, "sin", Takes::kFloat},
    {ExprOp::kCos, 1, "cos", Takes::kFloat},
    {ExprOp::kTanh, 1, "tanh", Takes::kFloat},
    {ExprOp::kErf, 1, "erf", Takes::kFloat},
    {ExprOp::kSigmoid, 1, "sigmoid", Takes::kFloat},
    {ExprOp::kFloor, 1, "floor", Takes::kNumber},
    {ExprOp::kCeil, 1, "ceil", Takes::kNumber},
    {ExprOp::kRound, 1, "round", Takes::kNumber},
    {ExprOp::kTrunc, 1, "trunc", Takes::kNumber},
    {ExprOp::kSign, 1, "sign", Takes::kNumber},
    {ExprOp::kIsNan, 1, "isnan", Takes::kAny, Makes::kBool},
    {ExprOp::kIsInf, 1, "isinf", Takes::kAny, Makes::kBool},
    {ExprOp::kNot, 1, "not", Takes::kIntegerOrBool},
    {ExprOp::kAtan, 1, "atan", Takes::kFloat},
    {ExprOp::kTan, 1, "tan", Takes::kFloat},
    {ExprOp::kAdd, 2, "add"},
    {ExprOp::kSub, 2, "sub"},
    {ExprOp::kMul, 2, "mul"},
    {ExprOp::kDiv, 2, "div", Takes::kFloat},
    {ExprOp::kMin, 2, "min"},
    {ExprOp::kMax, 2, "max"},
    {ExprOp::kPow, 2, "pow", Takes::kNumber},
    {ExprOp::kRemainder, 2, "remainder", Takes::kNumber},
    {ExprOp::kFmod, 2, "fmod", Takes::kNumber},
    {ExprOp::kFloorDiv, 2, "floordiv", Takes::kNumber},
    {ExprOp::kTruncDiv, 2, "truncdiv", Takes::kNumber},
    {ExprOp::kAnd, 2, "and", Takes::kIntegerOrBool},
    {ExprOp::kOr, 2, "or", Takes::kIntegerOrBool},
    {ExprOp::kXor, 2, "xor", Takes::kIntegerOrBool},
    {ExprOp::kShiftLeft, 2, "shl", Takes::kInteger},
    {ExprOp::kShiftRight, 2, "shr", Takes::kInteger},
    {ExprOp::kAtan2, 2, "atan2", Takes::kFloat},
    {ExprOp::kEq, 2, "eq", Takes::kAny, Makes::kBool},
    {ExprOp::kNe, 2, "ne", Takes::kAny, Makes::kBool},
    {ExprOp::kLt, 2, "lt", Takes::kAny, Makes::kBool},
    {ExprOp::kLe, 2, "le", Takes::kAny, Makes::kBool},
    {ExprOp::kGt, 2, "gt", Takes::kAny, Makes::kBool},
    {ExprOp::kGe, 2, "ge", Takes::kAny, Makes::kBool},
    {ExprOp::kSelect, 3, "select"},
};

// Index by op number; 0 means none, i + 1 means kOps[i].
constexpr std::array<uint8_t, 256> MakeOpTable() {
  std::array<uint8_t, 256> table = {};
  for (size_t i = 0; i < std::size(kOps); ++i) {
    table[static_cast<uint8_t>(kOps[i].op)] = static_cast<uint8_t>(i + 1);
  }
  return table;
}
constexpr std::array<uint8_t, 256> kOpTable = MakeOpTable();

const OpInfo* Find(ExprOp op) {
  const uint8_t i = kOpTable[static_cast<uint8_t>(op)];
  return i == 0 ? nullptr : &kOps[i - 1];
}

bool Fits(Takes takes, DType t) {
  switch (takes) {
    case Takes::kAny:
      return true;
    case Takes::kNumber:
      return t != DType::kBool;
    case Takes::kFloat:
      return IsFloat(t);
    case Takes::kIntegerOrBool:
      return !IsFloat(t);
    case Takes::kInteger:
      return !IsFloat(t) && t != DType::kBool;
  }
  return false;
}

std::string_view Describe(Takes takes) {
  switch (takes) {
    case Takes::kAny:
      return "any dtype";
    case Takes::kNumber:
      return "a number";
    case Takes::kFloat:
      return "f32 or bf16";
    case Takes::kIntegerOrBool:
      return "an integer or bool";
    case Takes::kInteger:
      return "an integer";
  }
  return "?";
}

bool IsDeviceDType(DType t) { return static_cast<int>(t) < kNumDTypes && t != DType::kInt64; }

absl::Status CheckInstruction(const ExpressionProgram& p, size_t i) {
  const ExprInstruction& in = p.instructions[i];
  const size_t value = p.inputs.size() + i;
  const OpInfo* info = Find(in.op);
  if (info == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("instruction %d: unknown op %d", i, static_cast<int>(in.op)));
  }
  const auto error = [&](const auto&... what) {
    return absl::InvalidArgumentError(Cat("instruction ", i, " (", info->name, "): ", what...));
  };
  if (!IsDeviceDType(in.dtype)) {
    return error("dtype ", Name(in.dtype), " is not one the device computes");
  }
  const uint16_t operands[3] = {in.a, in.b, in.c};
  for (int k = 0; k < 3; ++k) {
    if (k < info->arity && operands[k] >= value) {
      return error("operand v", operands[k], " is not made before v", value);
    }
    if (k >= info->arity && operands[k] != 0) return error("unused operand ", k, " is not 0");
  }
  if (in.op != ExprOp::kConst && in.op != ExprOp::kIndex && in.immediate != 0) {
    return error("has an immediate");
  }
  if (in.op == ExprOp::kIndex) {
    if (in.dtype != DType::kInt32) return error("makes i32, not ", Name(in.dtype));
    if (in.immediate > 4) return error("dim ", in.immediate, " is not 0 to 4");
  }
  if (in.op == ExprOp::kConst && in.dtype == DType::kBool && in.immediate > 1) {
    return error("bool ", in.immediate, " is not 0 or 1");
  }
  if (info->arity == 0) return absl::OkStatus();

  if (in.op == ExprOp::kSelect) {
    if (ValueDType(p, in.a) != DType::kBool) {
      return error("condition v", in.a, " is ", Name(ValueDType(p, in.a)), ", not bool");
    }
    for (uint16_t v : {in.b, in.c}) {
      if (ValueDType(p, v) != in.dtype) {
        return error("v", v, " is ", Name(ValueDType(p, v)), ", the result ", Name(in.dtype));
      }
    }
    return absl::OkStatus();
  }
  const DType t = ValueDType(p, in.a);
  if (!Fits(info->takes, t)) {
    return error("takes ", Describe(info->takes), ", v", in.a, " is ", Name(t));
  }
  if (info->arity == 2 && ValueDType(p, in.b) != t) {
    return error("v", in.a, " is ", Name(t), ", v", in.b, " is ", Name(ValueDType(p, in.b)));
  }
  if (info->makes == Makes::kSame && in.dtype != t) {
    return error("makes ", Name(t), ", not ", Name(in.dtype));
  }
  if (info->makes == Makes::kBool && in.dtype != DType::kBool) {
    return error("makes bool, not ", Name(in.dtype));
  }
  return absl::OkStatus();
}

// The payload's little-endian writer and reader.
void Put(uint64_t v, int bytes, std::vector<std::byte>& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(v >> (8 * i)));
}

class Reader {
 public:
  explicit Reader(absl::Span<const std::byte> bytes) : bytes_(bytes) {}
  // Past the end gives zeros and clears ok().
  uint32_t Get(int bytes) {
    if (bytes_.size() < static_cast<size_t>(bytes)) {
      ok_ = false;
      bytes_ = {};
      return 0;
    }
    uint32_t v = 0;
    for (int i = 0; i < bytes; ++i) v |= std::to_integer<uint32_t>(bytes_[i]) << (8 * i);
    bytes_.remove_prefix(bytes);
    return v;
  }
  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }

 private:
  absl::Span<const std::byte> bytes_;
  bool ok_ = true;
};

}  // namespace

int ExprArity(ExprOp op) {
  const OpInfo* info = Find(op);
  return info == nullptr ? -1 : info->arity;
}

std::string_view ExprName(ExprOp op) {
  const OpInfo* info = Find(op);
  return info == nullptr ? "?" : info->name;
}

DType ValueDType(const ExpressionProgram& program, uint16_t v) {
  const size_t inputs = program.inputs.size();
  OPENHPU_CHECK(v < inputs + program.instructions.size());
  return v < inputs ? program.inputs[v] : program.instructions[v - inputs].dtype;
}

absl::Status Validate(const ExpressionProgram& program) {
  if (program.outputs.empty()) return absl::InvalidArgumentError("program without an output");
  if (program.inputs.size() + program.outputs.size() > kMaxExprTensors) {
    return absl::InvalidArgumentError(Cat(program.inputs.size(), " inputs and ",
                                          program.outputs.size(), " outputs are more than the ",
                                          kMaxExprTensors, " tensors of a launch"));
  }
  if (program.instructions.size() > kMaxExprInstructions) {
    return absl::InvalidArgumentError(
        Cat(program.instructions.size(), " instructions are more than ", kMaxExprInstructions));
  }
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    if (!IsDeviceDType(program.inputs[i])) {
      return absl::InvalidArgumentError(
          Cat("input ", i, ": dtype ", Name(program.inputs[i]), " is not one the device computes"));
    }
  }
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    RETURN_IF_ERROR(CheckInstruction(program, i));
  }
  const size_t values = program.inputs.size() + program.instructions.size();
  for (size_t j = 0; j < program.outputs.size(); ++j) {
    if (program.outputs[j] >= values) {
      return absl::InvalidArgumentError(
          Cat("output ", j, ": there is no value v", program.outputs[j]));
    }
  }
  return absl::OkStatus();
}

std::vector<std::byte> Serialize(const ExpressionProgram& program) {
  std::vector<std::byte> out;
  out.reserve(6 + program.inputs.size() + 12 * program.instructions.size() +
              2 * program.outputs.size());
  Put(program.inputs.size(), 2, out);
  Put(program.instructions.size(), 2, out);
  Put(program.outputs.size(), 2, out);
  for (DType t : program.inputs) Put(static_cast<uint8_t>(t), 1, out);
  for (const ExprInstruction& i : program.instructions) {
    Put(static_cast<uint8_t>(i.op), 1, out);
    Put(static_cast<uint8_t>(i.dtype), 1, out);
    Put(i.a, 2, out);
    Put(i.b, 2, out);
    Put(i.c, 2, out);
    Put(i.immediate, 4, out);
  }
  for (uint16_t v : program.outputs) Put(v, 2, out);
  return out;
}

absl::StatusOr<ExpressionProgram> ParseExpression(absl::Span<const std::byte> payload) {
  Reader reader(payload);
  const uint32_t inputs = reader.Get(2), instructions = reader.Get(2), outputs = reader.Get(2);
  const uint64_t expected = uint64_t{inputs} + 12 * uint64_t{instructions} + 2 * uint64_t{outputs};
  if (!reader.ok() || reader.left() != expected) {
    return absl::InvalidArgumentError(
        absl::StrFormat("expression payload of %d bytes: its header of %d inputs, %d instructions "
                        "and %d outputs asks for %d",
                        payload.size(), inputs, instructions, outputs, 6 + expected));
  }
  ExpressionProgram program;
  program.inputs.reserve(inputs);
  for (uint32_t i = 0; i < inputs; ++i) {
    program.inputs.push_back(static_cast<DType>(reader.Get(1)));
  }
  program.instructions.reserve(instructions);
  for (uint32_t i = 0; i < instructions; ++i) {
    ExprInstruction in;
    in.op = static_cast<ExprOp>(reader.Get(1));
    in.dtype = static_cast<DType>(reader.Get(1));
    in.a = static_cast<uint16_t>(reader.Get(2));
    in.b = static_cast<uint16_t>(reader.Get(2));
    in.c = static_cast<uint16_t>(reader.Get(2));
    in.immediate = reader.Get(4);
    program.instructions.push_back(in);
  }
  program.outputs.reserve(outputs);
  for (uint32_t i = 0; i < outputs; ++i) {
    program.outputs.push_back(static_cast<uint16_t>(reader.Get(2)));
  }
  RETURN_IF_ERROR(Validate(program));
  return program;
}

std::string ToText(const ExpressionProgram& program) {
  std::string text;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    text += Cat("v", i, ":", Name(program.inputs[i]), " = input ", i, "\n");
  }
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const ExprInstruction& in = program.instructions[i];
    text += Cat("v", program.inputs.size() + i, ":", Name(in.dtype), " = ", ExprName(in.op));
    if (in.op == ExprOp::kConst) {
      if (IsFloat(in.dtype)) {
        float f;
        std::memcpy(&f, &in.immediate, sizeof f);
        absl::StrAppendFormat(&text, " %.9g", f);
      } else {
        text += Cat(" ", static_cast<int32_t>(in.immediate));
      }
    } else if (in.op == ExprOp::kIndex) {
      text += Cat(" ", in.immediate);
    }
    const uint16_t operands[3] = {in.a, in.b, in.c};
    for (int k = 0; k < ExprArity(in.op); ++k) text += Cat(" v", operands[k]);
    text += Cat("\n");
  }
  for (size_t j = 0; j < program.outputs.size(); ++j) {
    text += Cat("output ", j, " = v", program.outputs[j], "\n");
  }
  return text;
}

}  // namespace openhpu::hal
