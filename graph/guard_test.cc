#include "graph/guard.h"

#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "graph/recorder.h"
#include "graph/testing_recorder.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

template <typename T>
std::vector<std::byte> Bytes(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <typename T>
void ExpectGuard(DType dtype, const std::vector<T>& expected, const std::vector<T>& found,
                 const char* message) {
  EXPECT_THAT(CheckGuard(dtype, Bytes(expected), Bytes(expected), "m.py:1"), IsOk());
  EXPECT_THAT(CheckGuard(dtype, Bytes(expected), Bytes(found), "m.py:1"),
              StatusIs(absl::StatusCode::kFailedPrecondition, message));
}

TEST(GuardTest, TheMessageSaysBothValuesAsTheirTypeIsWritten) {
  ExpectGuard<int32_t>(DType::kInt64, {3}, {5},
                       "HPU Graph replay: the value read at m.py:1 was 3 at capture and is 5 now");
  ExpectGuard<float>(
      DType::kFloat32, {0.5f}, {-1e10f},
      "HPU Graph replay: the value read at m.py:1 was 0.5 at capture and is -1e+10 now");
  ExpectGuard<uint16_t>(
      DType::kBFloat16, {0x3F80}, {0xC000},
      "HPU Graph replay: the value read at m.py:1 was 1 at capture and is -2 now");
  ExpectGuard<uint8_t>(
      DType::kBool, {1}, {0},
      "HPU Graph replay: the value read at m.py:1 was True at capture and is False now");
  ExpectGuard<int8_t>(DType::kInt8, {-7}, {65},
                      "HPU Graph replay: the value read at m.py:1 was -7 at capture and is 65 now");
  ExpectGuard<uint8_t>(
      DType::kUInt8, {200}, {65},
      "HPU Graph replay: the value read at m.py:1 was 200 at capture and is 65 now");
  ExpectGuard<int16_t>(
      DType::kInt16, {-300}, {1},
      "HPU Graph replay: the value read at m.py:1 was -300 at capture and is 1 now");
}

TEST(GuardTest, OfSeveralElementsTheFirstThatDiffersIsNamed) {
  ExpectGuard<int32_t>(DType::kInt32, {1, 2, 3, 4}, {1, 2, 9, 8},
                       "HPU Graph replay: of the 4 values read at m.py:1, number 2 was 3 at "
                       "capture and is 9 now");
}

using GuardedCaptureTest = RecorderFixture;

TEST_P(GuardedCaptureTest, AReplayThatWouldReadAnotherValueFailsAndWhatCameBeforeStands) {
  const TensorRef a = Filled(1, {4}), before = Empty({4}), after = Empty({4});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, a}, before);
  float value = 0;
  ASSERT_THAT(recorder().CopyToHost(*before.storage, 4, 4, &value), IsOk());
  ASSERT_EQ(value, 2);
  const TensorRef read = {before.storage, DType::kFloat32, {}, {}, 1};
  ASSERT_THAT(recorder().Guard(read, Bytes<float>({value}), "model.py:12"), IsOk());
  Record("mul", {before, before}, after);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_EQ(graph.segments(), 2u);
  EXPECT_THAT(Read(after), Each(4.0f));
  EXPECT_THAT(graph.Replay(), IsOk());

  Fill(a, 3);
  EXPECT_THAT(
      graph.Replay(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               "HPU Graph replay: the value read at model.py:12 was 2 at capture and is 6 now"));
  EXPECT_THAT(Read(before), Each(6.0f));
  EXPECT_THAT(Read(after), Each(4.0f));

  // The stream is as good as before.
  Fill(a, 1);
  Fill(after, 0);
  EXPECT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(after), Each(4.0f));
}

TEST_P(GuardedCaptureTest, AGuardComesAfterThePendingNodesThatWriteItsTensor) {
  const TensorRef a = Filled(1, {2}), b = Empty({2});
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  Record("add", {a, a}, b);
  ASSERT_THAT(recorder().Guard(b, Bytes<float>({2, 2}), "g"), IsOk());
  Record("add", {b, b}, b);
  ASSERT_THAT(recorder().EndCapture(), IsOk());
  EXPECT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(Read(b), Each(4.0f));
}

TEST_P(GuardedCaptureTest, AGuardNeedsACaptureADenseTensorAndAsManyBytes) {
  const TensorRef a = Filled(1, {2, 2});
  EXPECT_THAT(recorder().Guard(a, Bytes<float>({1, 1, 1, 1}), ""),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  CapturedGraph graph;
  ASSERT_THAT(recorder().BeginCapture(&graph), IsOk());
  EXPECT_THAT(recorder().Guard(a, Bytes<float>({1}), ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16 bytes")));
  TensorRef transposed = a;
  transposed.strides = {1, 2};
  EXPECT_THAT(recorder().Guard(transposed, Bytes<float>({1, 1, 1, 1}), ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dense")));
  TensorRef beyond = a;
  beyond.offset = 1;
  EXPECT_THAT(recorder().Guard(beyond, Bytes<float>({1, 1, 1, 1}), ""),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(recorder().EndCapture(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Devices, GuardedCaptureTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
