// The seeds reach what they are there for: a corpus of inputs that are all refused finds nothing.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/recipe_fuzz.h"
#include "gtest/gtest.h"
#include "simulator/device_node/node_fuzz.h"
#include "simulator/functional/gaudi2_mme_fuzz.h"
#include "simulator/functional/mme_fuzz.h"
#include "simulator/queue_fuzz.h"
#include "simulator/scenario/scenario.h"

namespace openhpu {
namespace {

using Corpus = std::map<std::string, std::vector<uint8_t>>;

Corpus ReadFolder(const std::string& folder) {
  Corpus corpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus[entry.path().filename()] = std::vector<uint8_t>(std::istreambuf_iterator<char>(file),
                                                           std::istreambuf_iterator<char>());
  }
  EXPECT_FALSE(corpus.empty());
  return corpus;
}

Corpus Read(const std::string& target) { return ReadFolder("testing/fuzz/corpus/" + target); }

bool IsOneOf(const std::string& name, const std::vector<std::string>& beginnings) {
  for (const std::string& beginning : beginnings) {
    if (name.rfind(beginning, 0) == 0) return true;
  }
  return false;
}

TEST(SeedsTest, QueuesRunWhatIsRightAndFindWhatIsForbidden) {
  for (const auto& [name, bytes] : Read("queues_fuzz")) {
    if (IsOneOf(name, {"found"})) continue;
    const simulator::QueuesFuzzed done = simulator::FuzzQueues(bytes.data(), bytes.size());
    const bool wrong = IsOneOf(name, {"forbidden", "deadlock", "circle"});
    // External commands that name what is not the user's are refused; others fault.
    EXPECT_TRUE(done.accepted) << name;
    EXPECT_EQ(!done.fault.empty(), wrong) << name << ": " << done.fault;
    EXPECT_TRUE(done.completed || wrong) << name;
  }
}

TEST(SeedsTest, Gaudi2sQueuesRunWhatIsRightAndFindWhatIsForbidden) {
  for (const auto& [name, bytes] : Read("gaudi2_queues_fuzz")) {
    if (IsOneOf(name, {"found"})) continue;
    const simulator::QueuesFuzzed done = simulator::FuzzGaudi2Queues(bytes.data(), bytes.size());
    const bool wrong = IsOneOf(name, {"forbidden", "wrong", "deadlock", "circle"});
    EXPECT_TRUE(done.accepted) << name;
    EXPECT_EQ(!done.fault.empty(), wrong) << name << ": " << done.fault;
    EXPECT_TRUE(done.completed || wrong) << name;
  }
}

TEST(SeedsTest, EveryKernelOfTheLibraryRuns) {
  for (const auto& [name, bytes] : Read("tpc_fuzz")) {
    if (IsOneOf(name, {"found"})) continue;
    const simulator::QueuesFuzzed done = simulator::FuzzTpc(bytes.data(), bytes.size());
    EXPECT_TRUE(done.completed) << name;
    EXPECT_EQ(done.fault, "") << name;
  }
}

TEST(SeedsTest, MmeDescriptorsRun) {
  for (const auto& [name, bytes] : Read("mme_fuzz")) {
    if (IsOneOf(name, {"found"})) continue;
    EXPECT_GT(simulator::FuzzMme(bytes.data(), bytes.size()).ran, 0) << name;
  }
}

TEST(SeedsTest, DescriptorsOfGaudi2sMmeRun) {
  for (const auto& [name, bytes] : Read("gaudi2_mme_fuzz")) {
    if (IsOneOf(name, {"found"})) continue;
    EXPECT_GT(simulator::FuzzGaudi2Mme(bytes.data(), bytes.size()).ran, 0) << name;
  }
}

TEST(SeedsTest, ProgramsOfTheNodeSucceed) {
  for (const auto& [name, bytes] : Read("ioctl_fuzz")) {
    const simulator::NodeFuzzed done = simulator::FuzzNode(bytes.data(), bytes.size());
    EXPECT_TRUE(done.succeeded > 0 || IsOneOf(name, {"found", "questions_at"})) << name;
    const bool right =
        IsOneOf(name, {"copy", "signals", "staged", "events", "gaudi2_copy", "gaudi2_signals"});
    EXPECT_TRUE(done.failed == 0 || !right) << name;
    const bool wrong = IsOneOf(
        name, {"memory", "mapped_commands", "deadlock", "gaudi2_memory", "gaudi2_deadlock"});
    EXPECT_TRUE(done.failed > 0 || !wrong) << name;
  }
}

TEST(SeedsTest, ScenariosAreAccepted) {
  Corpus all = Read("scenario_fuzz");
  all.merge(ReadFolder("simulator/scenario/examples"));
  EXPECT_EQ(all.count("gemm.textproto"), 1u);
  for (const auto& [name, bytes] : all) {
    if (IsOneOf(name, {"found"})) continue;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const bool right = simulator::ParseScenario(text, name).ok();
    EXPECT_EQ(right, name != "faults_hostile") << name;
  }
}

TEST(SeedsTest, TheRecipeIsAccepted) {
  const Corpus corpus = Read("recipe_fuzz");
  const std::vector<uint8_t>& recipe = corpus.at("recipe");
  EXPECT_TRUE(graph::FuzzRecipe(recipe.data(), recipe.size()));
}

}  // namespace
}  // namespace openhpu
