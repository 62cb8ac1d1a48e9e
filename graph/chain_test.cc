// The chains of the replay benchmark, run by a card: every node is executed, in every replay.
#include <string_view>
#include <tuple>
#include <vector>

#include "graph/testing_chain.h"
#include "graph/testing_device.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

uint64_t TpcCommands(simulator::Simulator& card) {
  uint64_t commands = 0;
  for (const simulator::EngineStatistics& engine : card.statistics().engines) {
    if (engine.name.find("TPC") != std::string::npos) commands += engine.commands;
  }
  return commands;
}

// Small enough for one TPC, so that a node is one command.
constexpr int64_t kElements = 32;

class ChainTest : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(ChainTest, ACardExecutesEveryNode) {
  const auto [spec, nodes] = GetParam();
  ASSERT_OK_AND_ASSIGN(TestDevice device, TestDevice::Open(spec, ChainOptions()));
  ASSERT_OK_AND_ASSIGN(const TensorRef x,
                       device.FromHost(std::vector<float>(kElements, 1), {kElements}));
  const TensorRef out = ChainTensor(*device.engine, kElements);
  CapturedGraph graph;
  ASSERT_THAT(CaptureChain(*device.engine, *device.recorder, nodes, x, out, &graph), IsOk());
  ASSERT_EQ(graph.segments(), 1u);
  EXPECT_EQ(graph.recipe(0).nodes, static_cast<uint32_t>(nodes));
  const std::vector<float> want(kElements, ChainValue(1, nodes));
  EXPECT_THAT(device.ToHost(out), IsOkAndHolds(want));

  const uint64_t before = TpcCommands(*device.card);
  const std::vector<float> zeros(kElements, 0);
  ASSERT_THAT(device.recorder->CopyFromHost(zeros.data(), 4 * zeros.size(), *out.storage, 0),
              IsOk());
  ASSERT_THAT(graph.Replay(), IsOk());
  EXPECT_THAT(device.ToHost(out), IsOkAndHolds(want));
  EXPECT_EQ(TpcCommands(*device.card) - before, static_cast<uint64_t>(nodes));
}

INSTANTIATE_TEST_SUITE_P(Nodes, ChainTest,
                         ::testing::Combine(::testing::Values("sim:tiny,arithmetic=exact",
                                                              "sim:gaudi2,arithmetic=exact"),
                                            ::testing::Values(10, 100, 1000, 10000)));

}  // namespace
}  // namespace openhpu::graph
