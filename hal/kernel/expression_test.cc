#include "hal/kernel/expression.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

namespace openhpu::hal {
namespace {

ExprInstruction Op(ExprOp op, DType dtype, uint16_t a = 0, uint16_t b = 0, uint16_t c = 0,
                   uint32_t immediate = 0) {
  ExprInstruction i;
  i.op = op;
  i.dtype = dtype;
  i.a = a;
  i.b = b;
  i.c = c;
  i.immediate = immediate;
  return i;
}

// select(v0 < v1, v0 * 2, bf16->f32 of v2)
ExpressionProgram Sample() {
  ExpressionProgram p;
  p.inputs = {DType::kFloat32, DType::kFloat32, DType::kBFloat16};
  p.instructions = {Op(ExprOp::kConst, DType::kFloat32, 0, 0, 0, 0x40000000),
                    Op(ExprOp::kMul, DType::kFloat32, 0, 3), Op(ExprOp::kLt, DType::kBool, 0, 1),
                    Op(ExprOp::kCast, DType::kFloat32, 2),
                    Op(ExprOp::kSelect, DType::kFloat32, 5, 4, 6)};
  p.outputs = {7};
  return p;
}

void ExpectInvalid(const ExpressionProgram& p, const std::string& what) {
  const absl::Status status = Validate(p);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << ToText(p);
  EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status;
}

TEST(ExpressionTest, AProgramSurvivesSerialising) {
  const ExpressionProgram p = Sample();
  ASSERT_TRUE(Validate(p).ok()) << Validate(p);
  const auto parsed = ParseExpression(Serialize(p));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(*parsed == p);
}

TEST(ExpressionTest, TextNamesEveryValue) {
  EXPECT_EQ(ToText(Sample()),
            "v0:f32 = input 0\nv1:f32 = input 1\nv2:bf16 = input 2\nv3:f32 = const 2\n"
            "v4:f32 = mul v0 v3\nv5:bool = lt v0 v1\nv6:f32 = cast v2\n"
            "v7:f32 = select v5 v4 v6\noutput 0 = v7\n");
}

TEST(ExpressionTest, TruncatedAndProlongedPayloadsAreRefused) {
  std::vector<std::byte> bytes = Serialize(Sample());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(ParseExpression({bytes.data(), n}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << n;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(ParseExpression(bytes).ok());
}

TEST(ExpressionTest, DamagedPayloadsAreRefusedOrStayValid) {
  const std::vector<std::byte> good = Serialize(Sample());
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> bytes = good;
    for (unsigned k = 0; k <= random() % 3; ++k)
      bytes[random() % bytes.size()] = std::byte(random());
    const auto parsed = ParseExpression(bytes);
    if (parsed.ok()) {
      EXPECT_TRUE(Validate(*parsed).ok());
      EXPECT_EQ(Serialize(*parsed), bytes);
    }
  }
}

TEST(ExpressionTest, ErrorsNameTheInstruction) {
  ExpressionProgram p = Sample();
  p.instructions[1].b = 4;
  ExpectInvalid(p, "instruction 1 (mul): operand v4 is not made before v4");

  p = Sample();
  p.instructions[1].b = 2;
  ExpectInvalid(p, "instruction 1 (mul): v0 is f32, v2 is bf16");

  p = Sample();
  p.instructions[2].dtype = DType::kFloat32;
  ExpectInvalid(p, "instruction 2 (lt): makes bool, not f32");

  p = Sample();
  p.instructions[4].a = 4;
  ExpectInvalid(p, "instruction 4 (select): condition v4 is f32, not bool");

  p = Sample();
  p.instructions[3].op = static_cast<ExprOp>(200);
  ExpectInvalid(p, "instruction 3: unknown op 200");

  p = Sample();
  p.instructions[3].dtype = DType::kInt64;
  ExpectInvalid(p, "instruction 3 (cast): dtype i64");

  p = Sample();
  p.instructions[1] = Op(ExprOp::kAnd, DType::kFloat32, 0, 1);
  ExpectInvalid(p, "instruction 1 (and): takes an integer or bool, v0 is f32");

  p = Sample();
  p.instructions[3].b = 1;
  ExpectInvalid(p, "instruction 3 (cast): unused operand 1 is not 0");
}

TEST(ExpressionTest, CountsAreLimited) {
  ExpressionProgram p = Sample();
  p.outputs.clear();
  ExpectInvalid(p, "without an output");

  p = Sample();
  p.outputs = {8};
  ExpectInvalid(p, "output 0: there is no value v8");

  p = Sample();
  p.outputs.assign(14, 7);
  ExpectInvalid(p, "more than the 16 tensors");

  p = Sample();
  p.instructions.assign(257, Op(ExprOp::kConst, DType::kFloat32));
  ExpectInvalid(p, "257 instructions are more than 256");

  p = Sample();
  p.inputs[1] = DType::kInt64;
  ExpectInvalid(p, "input 1: dtype i64");
}

TEST(ExpressionTest, EveryOpHasANameAndAnArity) {
  int ops = 0;
  for (int i = 0; i < 256; ++i) {
    const auto op = static_cast<ExprOp>(i);
    EXPECT_EQ(ExprArity(op) < 0, ExprName(op) == "?");
    ops += ExprArity(op) >= 0;
  }
  EXPECT_EQ(ops, 52);
  EXPECT_EQ(ExprArity(ExprOp::kSelect), 3);
  EXPECT_EQ(ExprName(ExprOp::kRsqrt), "rsqrt");
}

}  // namespace
}  // namespace openhpu::hal
