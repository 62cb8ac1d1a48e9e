#include "graph/disk_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "graph/op.h"
#include "graph/recipe_file.h"
#include "graph/recorder.h"
#include "graph/testing_recorder.h"
#include "gtest/gtest.h"
#include "hal/chip.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr uint64_t kPlenty = 1 << 24;

std::string Folder(const std::string& name) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/disk_cache_test.", name);
  std::filesystem::remove_all(folder);
  return folder;
}

std::vector<std::string> Files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    files.push_back(file.path().string());
  return files;
}

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Overwrite(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

Graph OneOp(const char* op, int64_t elements, const char* source = "") {
  Graph graph;
  Buffer buffer;
  buffer.kind = BufferKind::kBound;
  buffer.bytes = 4 * static_cast<uint64_t>(elements);
  const BufferId in = graph.AddBuffer(buffer), out = graph.AddBuffer(buffer);
  Node node;
  node.op = *FindOp(op);
  node.inputs.assign(static_cast<size_t>(node.op->max_inputs),
                     View{in, DType::kFloat32, {elements}, {1}, 0});
  node.outputs = {{out, DType::kFloat32, {elements}, {1}, 0}};
  node.source = source;
  EXPECT_THAT(graph.AddNode(std::move(node)), IsOk());
  return graph;
}

Graph AddGraph(int64_t elements, const char* source = "") { return OneOp("add", elements, source); }

class DiskCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<DiskCache> Open(const std::string& folder, uint64_t limit = kPlenty,
                                  bool clear = false, const CompileOptions& options = {}) {
    auto cache = DiskCache::Open(folder, limit, clear, chip_, options);
    EXPECT_THAT(cache.status(), IsOk());
    return *std::move(cache);
  }
  void Store(DiskCache& cache, const Graph& graph) {
    cache.Store(graph.Fingerprint(), graph, *Compile(graph, chip_));
  }
  static absl::StatusOr<Recipe> Load(const DiskCache& cache, const Graph& graph) {
    return cache.Load(graph.Fingerprint(), graph);
  }
  const hal::Chip chip_ = *hal::LoadChip("tiny");
};

TEST_F(DiskCacheTest, AnEntryIsFoundByStructureWhateverItsNames) {
  const std::string folder = Folder("found") + "/made/with/parents";
  const Graph graph = AddGraph(64, "here");
  Store(*Open(folder), graph);
  ASSERT_EQ(Files(folder).size(), 1u);
  const auto cache = Open(folder);
  ASSERT_OK_AND_ASSIGN(const Recipe recipe, Load(*cache, AddGraph(64, "there")));
  EXPECT_EQ(*SerializeRecipe(recipe), *SerializeRecipe(*Compile(graph, chip_)));
  EXPECT_THAT(Load(*cache, AddGraph(65)), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DiskCacheTest, EqualFingerprintsAreComparedInFull) {
  const auto cache = Open(Folder("equal"));
  cache->Store(7, AddGraph(64), *Compile(AddGraph(64), chip_));
  EXPECT_THAT(cache->Load(7, AddGraph(64)).status(), IsOk());
  EXPECT_THAT(cache->Load(7, AddGraph(128)), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DiskCacheTest, EveryFlippedByteAndEveryLengthIsRefused) {
  const std::string folder = Folder("flips");
  const auto cache = Open(folder);
  const Graph graph = OneOp("copy", 64);  // a small entry
  Store(*cache, graph);
  const std::string path = Files(folder).at(0), whole = Contents(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    put(i, static_cast<char>(whole[i] ^ (i % 2 == 0 ? 1 : 0xFF)));
    const absl::Status status = Load(*cache, graph).status();
    ASSERT_FALSE(status.ok() || absl::IsNotFound(status)) << "byte " << i << ": " << status;
    put(i, whole[i]);
  }
  EXPECT_THAT(Load(*cache, graph).status(), IsOk());
  for (size_t size = 0; size < whole.size(); size += 1 + size / 16) {
    Overwrite(path, whole.substr(0, size));
    ASSERT_THAT(Load(*cache, graph), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
  Overwrite(path, whole + "x");
  EXPECT_THAT(Load(*cache, graph), StatusIs(absl::StatusCode::kDataLoss));
  Overwrite(path, whole);
  EXPECT_THAT(Load(*cache, graph).status(), IsOk());
}

TEST_F(DiskCacheTest, WhatOthersCompiledIsNoHit) {
  const std::string folder = Folder("others");
  const Graph graph = AddGraph(64);
  Store(*Open(folder), graph);
  CompileOptions options;
  options.fuse = false;
  const auto other = Open(folder, kPlenty, false, options);
  EXPECT_THAT(Load(*other, graph), StatusIs(absl::StatusCode::kNotFound));
  // Under the other's name, its key tells.
  const std::string entry = Contents(Files(folder).at(0));
  Store(*other, graph);
  for (const std::string& path : Files(folder)) Overwrite(path, entry);
  EXPECT_THAT(Load(*other, graph),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("another compiler")));
}

TEST_F(DiskCacheTest, ARecipeThatBindsWhatTheGraphHasNotIsRefused) {
  const auto cache = Open(Folder("binds"));
  const Graph graph = AddGraph(64);
  Recipe recipe = *Compile(graph, chip_);
  recipe.main_bindings[0].index = 2;
  cache->Store(graph.Fingerprint(), graph, recipe);
  EXPECT_THAT(Load(*cache, graph), StatusIs(absl::StatusCode::kInvalidArgument));
  const Graph larger = AddGraph(128);
  cache->Store(graph.Fingerprint(), graph, *Compile(larger, chip_));
  EXPECT_THAT(Load(*cache, graph), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DiskCacheTest, TheOldestEntriesGo) {
  const std::string folder = Folder("oldest");
  Store(*Open(folder), AddGraph(64));
  const uint64_t one = Contents(Files(folder).at(0)).size();
  const auto cache = Open(folder, 3 * one + one / 2);
  for (const int64_t elements : {65, 66, 67, 68}) Store(*cache, AddGraph(elements));
  EXPECT_EQ(Files(folder).size(), 3u);
  for (const int64_t elements : {64, 65}) {
    EXPECT_THAT(Load(*cache, AddGraph(elements)), StatusIs(absl::StatusCode::kNotFound));
  }
  for (const int64_t elements : {66, 67, 68})
    EXPECT_THAT(Load(*cache, AddGraph(elements)).status(), IsOk());
  // Larger than all that may be kept: not written, and nothing goes for it.
  const auto tight = Open(folder, one / 2);
  Store(*tight, AddGraph(69));
  EXPECT_EQ(Files(folder).size(), 3u);
}

TEST_F(DiskCacheTest, ClearingLeavesFilesOfOthers) {
  const std::string folder = Folder("clear");
  Store(*Open(folder), AddGraph(64));
  Overwrite(folder + "/notes.txt", "mine");
  Overwrite(folder + "/1-1.partial", "left by one who died");
  Open(folder, kPlenty, /*clear=*/true);
  EXPECT_EQ(Files(folder), std::vector<std::string>{folder + "/notes.txt"});
}

TEST_F(DiskCacheTest, AFolderThatCannotBeMadeIsAnError) {
  const std::string file = Folder("file");
  Overwrite(file, "");
  EXPECT_THAT(DiskCache::Open(file + "/below", kPlenty, false, chip_, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(file)));
}

TEST_F(DiskCacheTest, TwoProcessesMayShareAFolder) {
  const std::string folder = Folder("two");
  Open(folder);
  std::vector<Graph> graphs;
  for (int64_t elements = 1; elements <= 12; ++elements) graphs.push_back(AddGraph(elements));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  bool good = true;
  const auto cache = Open(folder, 60'000);
  for (int round = 0; round < 20; ++round) {
    for (const Graph& graph : graphs) {
      Store(*cache, graph);
      const absl::Status status = Load(*cache, graph).status();
      good = good && (status.ok() || absl::IsNotFound(status));
    }
  }
  if (child == 0) _exit(good ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(good);
}

// --- Through an engine ---

void RunAdd(const std::string& folder, EngineStatistics* statistics) {
  ASSERT_OK_AND_ASSIGN(TestDevice device, TestDevice::Open());
  ASSERT_THAT(device.engine->UseDiskCache(folder, kPlenty, /*clear=*/false), IsOk());
  ASSERT_OK_AND_ASSIGN(const TensorRef a, device.FromHost(std::vector<float>(64, 2), {64}));
  const TensorRef b = device.Empty(DType::kFloat32, {64});
  ASSERT_THAT(device.recorder->Record("add", {}, {a, a}, {b}, ""), IsOk());
  EXPECT_THAT(device.ToHost(b), IsOkAndHolds(Each(4.0f)));
  *statistics = device.engine->statistics();
}

TEST(EngineDiskCacheTest, ASecondProcessCompilesNothingAndDamageIsCountedAndMended) {
  const std::string folder = Folder("engine");
  EngineStatistics statistics;
  RunAdd(folder, &statistics);
  EXPECT_EQ(statistics.compilations, 1u);
  EXPECT_EQ(statistics.disk_hits, 0u);
  EXPECT_GT(statistics.compile_time, absl::ZeroDuration());
  RunAdd(folder, &statistics);
  EXPECT_EQ(statistics.compilations, 0u);
  EXPECT_EQ(statistics.disk_hits, 1u);
  EXPECT_EQ(statistics.disk_refused, 0u);
  EXPECT_EQ(statistics.compile_time, absl::ZeroDuration());

  const std::string path = Files(folder).at(0), whole = Contents(path);
  Overwrite(path, whole.substr(0, whole.size() / 2));
  RunAdd(folder, &statistics);
  EXPECT_EQ(statistics.compilations, 1u);
  EXPECT_EQ(statistics.disk_refused, 1u);
  EXPECT_EQ(Contents(path), whole);
  RunAdd(folder, &statistics);
  EXPECT_EQ(statistics.disk_hits, 1u);
}

}  // namespace
}  // namespace openhpu::graph
