// Generated programs, run in four ways that must agree bit for bit: flushed after every op, as one
// segment, captured and executed, and replayed. On a card with exact arithmetic and the hazard
// checker on, which must have nothing to report.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "graph/op.h"
#include "graph/testing_device.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace openhpu::graph {
namespace {

constexpr int kPrograms = 240;
// Some programs are large enough that TPCs share a step.
constexpr int64_t kMaxElements = 3000;

// A view of storage `storage` of a program.
struct TensorSpec {
  int storage = 0;
  DType dtype = DType::kFloat32;
  Dims sizes, strides;
  int64_t offset = 0;
};

struct OpSpec {
  std::string name;
  Attributes attributes;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

struct ProgramSpec {
  std::vector<std::vector<std::byte>> leaves;  // contents of the first storages
  std::vector<uint64_t> storage_bytes;         // of all
  std::vector<bool> kept;  // compared; the others are let go before the last flush
  std::vector<OpSpec> ops;
};

int64_t Elements(const Dims& sizes) {
  int64_t n = 1;
  for (const int64_t size : sizes) n *= size;
  return n;
}

// Every element's offset, with repetitions.
std::vector<int64_t> Offsets(const TensorSpec& t) {
  std::vector<int64_t> offsets = {t.offset};
  for (size_t dim = 0; dim < t.sizes.size(); ++dim) {
    std::vector<int64_t> next;
    for (const int64_t at : offsets) {
      for (int64_t i = 0; i < t.sizes[dim]; ++i) next.push_back(at + i * t.strides[dim]);
    }
    offsets = std::move(next);
  }
  return offsets;
}

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed), large_(seed % 3 == 0) {}

  ProgramSpec Make() {
    const int leaves = 2 + Pick(3);
    for (int i = 0; i < leaves; ++i) AddLeaf();
    const int ops = 4 + Pick(12);
    for (int tries = 0; static_cast<int>(program_.ops.size()) < ops && tries < 400; ++tries) {
      switch (Pick(11)) {
        case 0:
        case 1:
          AddView();
          break;
        case 2:
          AddUnary();
          break;
        case 3:
          AddProduct();
          break;
        case 4:
          AddReduction();
          break;
        case 5:
          AddCopyInto();
          break;
        case 6:
        case 7:
          AddAlongDim();
          break;
        case 8:
          if (Pick(4) == 0) {
            AddConvolution();
          } else {
            AddWhere();
          }
          break;
        default:
          AddBinary();
          break;
      }
    }
    for (size_t i = 0; i < program_.storage_bytes.size(); ++i) {
      program_.kept.push_back(i < program_.leaves.size() || Pick(2) == 0 ||
                              i + 1 == program_.storage_bytes.size());
    }
    return std::move(program_);
  }

 private:
  int Pick(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  const TensorSpec& PickTensor() {
    return tensors_[static_cast<size_t>(Pick(static_cast<int>(tensors_.size())))];
  }

  void AddLeaf() {
    constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat32, DType::kFloat32, DType::kBFloat16,
                                DType::kInt32,   DType::kInt64,   DType::kBool,    DType::kInt8};
    TensorSpec t;
    t.dtype = kTypes[Pick(8)];
    const int rank = Pick(7);
    for (int dim = 0; dim < rank; ++dim) {
      const int64_t size = Pick(20) == 0 ? 0 : 1 + Pick(large_ ? 40 : rank > 3 ? 3 : 6);
      t.sizes.push_back(Elements(t.sizes) * size > kMaxElements ? 1 : size);
    }
    t.strides = ContiguousStrides(t.sizes);
    t.storage = NewStorage(Elements(t.sizes) * StorageBytes(t.dtype));
    std::vector<std::byte> contents(program_.storage_bytes.back());
    for (int64_t i = 0; i < Elements(t.sizes); ++i)
      Store(t.dtype, Pick(15) - 7, &contents[i * StorageBytes(t.dtype)]);
    program_.leaves.push_back(std::move(contents));
    tensors_.push_back(t);
  }

  static void Store(DType type, int value, std::byte* at) {
    const float real = static_cast<float>(value) * 0.375f;
    const uint16_t brain = FloatToBFloat16(real);
    const int32_t whole = type == DType::kBool ? (value > 0) : value;
    const void* from = type == DType::kFloat32    ? static_cast<const void*>(&real)
                       : type == DType::kBFloat16 ? static_cast<const void*>(&brain)
                                                  : static_cast<const void*>(&whole);
    std::memcpy(at, from, static_cast<size_t>(StorageBytes(type)));
  }

  int NewStorage(int64_t bytes) {
    program_.storage_bytes.push_back(static_cast<uint64_t>(bytes));
    return static_cast<int>(program_.storage_bytes.size()) - 1;
  }

  // Another view of an existing tensor: permuted, narrowed, strided, indexed, expanded, or with a
  // new dim.
  void AddView() {
    TensorSpec t = PickTensor();
    const int rank = static_cast<int>(t.sizes.size());
    const int dim = rank > 0 ? Pick(rank) : 0;
    switch (rank == 0 ? 5 : Pick(6)) {
      case 0:
        for (int i = rank - 1; i > 0; --i) {
          const int j = Pick(i + 1);
          std::swap(t.sizes[i], t.sizes[j]);
          std::swap(t.strides[i], t.strides[j]);
        }
        break;
      case 1: {
        if (t.sizes[dim] < 2) return;
        const int64_t start = Pick(static_cast<int>(t.sizes[dim]));
        t.offset += start * t.strides[dim];
        t.sizes[dim] = 1 + Pick(static_cast<int>(t.sizes[dim] - start));
        break;
      }
      case 2:
        t.sizes[dim] = (t.sizes[dim] + 1) / 2;
        t.strides[dim] *= 2;
        break;
      case 3:
        if (t.sizes[dim] < 1) return;
        t.offset += Pick(static_cast<int>(t.sizes[dim])) * t.strides[dim];
        t.sizes.erase(t.sizes.begin() + dim);
        t.strides.erase(t.strides.begin() + dim);
        break;
      case 4:
        if (t.sizes[dim] != 1) return;
        t.sizes[dim] = 2 + Pick(3);
        t.strides[dim] = 0;
        break;
      default:
        if (rank >= 6) return;
        t.sizes.insert(t.sizes.begin() + dim, 1);
        t.strides.insert(t.strides.begin() + dim, 1);
    }
    if (Elements(t.sizes) <= kMaxElements) tensors_.push_back(t);
  }

  // The op, if it takes these; its result goes into a new storage, or in place where that is
  // allowed.
  bool Add(const char* name, Attributes attributes, std::vector<TensorSpec> inputs,
           bool may_be_in_place) {
    absl::StatusOr<const OpDeclaration*> op = FindOp(name);
    if (!op.ok()) {
      ADD_FAILURE() << op.status();
      return false;
    }
    std::vector<TensorType> types;
    for (const TensorSpec& t : inputs) types.push_back({t.dtype, t.sizes});
    absl::StatusOr<std::vector<TensorType>> results = (*op)->infer(attributes, types);
    if (!results.ok() || results->front().sizes.size() > 6) return false;
    int64_t elements = 0;
    for (const TensorType& result : *results) elements += Elements(result.sizes);
    if (elements > kMaxElements) return false;
    std::vector<TensorSpec> outputs;
    if (may_be_in_place && Pick(3) == 0) {
      std::optional<TensorSpec> place = InPlace(results->front(), inputs);
      if (!place.has_value()) return false;
      outputs.push_back(*place);
    } else {
      for (const TensorType& result : *results) outputs.push_back(New(result));
    }
    program_.ops.push_back({name, std::move(attributes), std::move(inputs), std::move(outputs)});
    return true;
  }

  TensorSpec New(const TensorType& type) {
    TensorSpec t;
    t.dtype = type.dtype;
    t.sizes = type.sizes;
    t.strides = ContiguousStrides(t.sizes);
    t.storage = NewStorage(Elements(t.sizes) * StorageBytes(t.dtype));
    tensors_.push_back(t);
    return t;
  }

  // An existing tensor to write: of the result's type, no element twice, and each input the same
  // view or of other elements.
  std::optional<TensorSpec> InPlace(const TensorType& result,
                                    const std::vector<TensorSpec>& inputs) {
    std::vector<TensorSpec> fit;
    for (const TensorSpec& t : tensors_) {
      if (t.dtype != result.dtype || t.sizes != result.sizes) continue;
      const std::vector<int64_t> offsets = Offsets(t);
      const std::set<int64_t> written(offsets.begin(), offsets.end());
      if (written.size() != offsets.size()) continue;
      const bool clean = std::all_of(inputs.begin(), inputs.end(), [&](const TensorSpec& in) {
        if (in.storage != t.storage) return true;
        if (in.sizes == t.sizes && in.strides == t.strides && in.offset == t.offset) return true;
        const std::vector<int64_t> read = Offsets(in);
        return std::none_of(read.begin(), read.end(),
                            [&](int64_t at) { return written.count(at) > 0; });
      });
      if (clean) fit.push_back(t);
    }
    if (fit.empty()) return std::nullopt;
    return fit[static_cast<size_t>(Pick(static_cast<int>(fit.size())))];
  }

  void AddUnary() {
    constexpr const char* kFloatOps[] = {"relu", "tanh", "sigmoid", "exp",       "abs",
                                         "neg",  "gelu", "silu",    "hardswish", "floor"};
    const TensorSpec& t = PickTensor();
    if (!IsFloat(t.dtype)) return;
    Add(kFloatOps[Pick(10)], {}, {t}, true);
  }

  void AddBinary() {
    constexpr const char* kOps[] = {"add", "sub", "mul", "maximum", "minimum", "lt", "eq", "ge"};
    const TensorSpec a = PickTensor();
    if (Pick(4) == 0) {
      if (a.dtype == DType::kBool) return;
      if (IsFloat(a.dtype))
        Add(kOps[Pick(3)], {{"other", 0.5 + Pick(3)}}, {a}, true);
      else
        Add(kOps[Pick(3)], {{"other", int64_t{1} + Pick(3)}}, {a}, true);
      return;
    }
    for (int tries = 0; tries < 12; ++tries) {
      const TensorSpec b = PickTensor();
      const bool logical = a.dtype == DType::kBool || b.dtype == DType::kBool;
      const char* op = kOps[Pick(8)];
      if (logical && std::string(op) != "mul") continue;
      if (Add(op, {}, {a, b}, true)) return;
    }
  }

  void AddProduct() {
    for (int tries = 0; tries < 30; ++tries) {
      const TensorSpec a = PickTensor(), b = PickTensor();
      if (!IsFloat(a.dtype) || a.dtype != b.dtype || a.sizes.empty() || b.sizes.empty()) continue;
      if (std::count(a.sizes.begin(), a.sizes.end(), 0) +
              std::count(b.sizes.begin(), b.sizes.end(), 0) >
          0)
        continue;
      if (Add("matmul", {}, {a, b}, false)) return;
    }
  }

  void AddReduction() {
    constexpr const char* kOps[] = {"sum", "amax", "mean"};
    const TensorSpec t = PickTensor();
    if (!IsFloat(t.dtype) || t.sizes.empty() || Elements(t.sizes) == 0) return;
    Add(kOps[Pick(3)],
        {{"dim", std::vector<int64_t>{Pick(static_cast<int>(t.sizes.size()))}},
         {"keepdim", Pick(2) == 0}},
        {t}, false);
  }

  // Ops that move or combine elements along a dim.
  void AddAlongDim() {
    const TensorSpec t = PickTensor();
    if (t.sizes.empty() || Elements(t.sizes) == 0) return;
    const int64_t dim = Pick(static_cast<int>(t.sizes.size()));
    const std::vector<int64_t> dims = {dim};
    switch (Pick(IsFloat(t.dtype) ? 9 : 3)) {
      case 0:
        Add("flip", {{"dims", dims}}, {t}, false);
        break;
      case 1:
        Add("roll", {{"dims", dims}, {"shifts", std::vector<int64_t>{1}}}, {t}, false);
        break;
      case 2: {
        const TensorSpec other = PickTensor();
        Add("cat", {{"dim", dim}}, {t, other.dtype == t.dtype ? other : t}, false);
        break;
      }
      case 3:
        Add("softmax", {{"dim", dim}}, {t}, false);
        break;
      case 4:
        Add("log_softmax", {{"dim", dim}}, {t}, false);
        break;
      case 5:
        Add("cumsum", {{"dim", dim}}, {t}, false);
        break;
      case 6:
        Add("argmax", {{"dim", dim}, {"keepdim", Pick(2) == 0}}, {t}, false);
        break;
      case 7:
        Add("native_layer_norm",
            {{"normalized_shape", std::vector<int64_t>{t.sizes.back()}}, {"eps", 1e-5}}, {t},
            false);
        break;
      default:
        if (t.sizes.size() != 4 || t.sizes[2] < 2 || t.sizes[3] < 2) return;
        Add("max_pool2d", {{"kernel_size", std::vector<int64_t>{2, 2}}}, {t}, false);
    }
  }

  void AddWhere() {
    for (int tries = 0; tries < 30; ++tries) {
      const TensorSpec condition = PickTensor(), a = PickTensor(), b = PickTensor();
      if (condition.dtype != DType::kBool || a.dtype != b.dtype) continue;
      if (Add("where", {}, {condition, a, b}, false)) return;
    }
  }

  // Of an image and filters made on the device.
  void AddConvolution() {
    const int64_t groups = 1 + Pick(2), kernel = 1 + Pick(3);
    const DType type = Pick(3) == 0 ? DType::kBFloat16 : DType::kFloat32;
    const TensorSpec x =
        New({type, {1 + Pick(2), groups * (1 + Pick(3)), 3 + Pick(6), 3 + Pick(6)}});
    const TensorSpec w = New({type, {groups * (1 + Pick(4)), x.sizes[1] / groups, kernel, kernel}});
    program_.ops.push_back(
        {"arange", {{"end", Elements(x.sizes)}, {"dtype", type}}, {}, {Flat(x)}});
    program_.ops.push_back({"full",
                            {{"fill_value", 0.25},
                             {"size", std::vector<int64_t>(w.sizes.begin(), w.sizes.end())},
                             {"dtype", type}},
                            {},
                            {w}});
    const std::vector<int64_t> stride = {1 + Pick(2), 1 + Pick(2)}, padding = {Pick(2), Pick(2)};
    const std::vector<int64_t> dilation = {1, 1}, none = {0, 0};
    Add("convolution",
        {{"stride", stride},
         {"padding", padding},
         {"dilation", dilation},
         {"transposed", false},
         {"output_padding", none},
         {"groups", groups}},
        {x, w}, false);
  }

  static TensorSpec Flat(TensorSpec t) {
    t.sizes = {Elements(t.sizes)};
    t.strides = {1};
    return t;
  }

  // A copy, cast, into an existing view.
  void AddCopyInto() {
    const TensorSpec from = PickTensor();
    for (int tries = 0; tries < 12; ++tries) {
      const TensorSpec to = PickTensor();
      if (to.sizes != from.sizes || (IsFloat(from.dtype) && !IsFloat(to.dtype))) continue;
      const std::optional<TensorSpec> place = InPlace({to.dtype, to.sizes}, {from});
      if (!place.has_value()) continue;
      program_.ops.push_back({"copy", {{"dtype", to.dtype}}, {from}, {*place}});
      return;
    }
  }

  std::mt19937 random_;
  const bool large_;
  ProgramSpec program_;
  std::vector<TensorSpec> tensors_;
};

using Contents = std::vector<std::vector<std::byte>>;

// A program with its storages on a device.
class Run {
 public:
  Run(TestDevice& device, const ProgramSpec& program) : device_(device), program_(program) {
    for (const uint64_t bytes : program.storage_bytes)
      storages_.push_back(device.engine->NewStorage(bytes));
  }

  absl::Status FillLeaves() {
    for (size_t i = 0; i < program_.leaves.size(); ++i) {
      RETURN_IF_ERROR(device_.recorder->CopyFromHost(program_.leaves[i].data(),
                                                     program_.leaves[i].size(), *storages_[i], 0));
    }
    return absl::OkStatus();
  }

  absl::Status Record(bool flush_each) {
    for (const OpSpec& op : program_.ops) {
      std::vector<TensorRef> inputs, outputs;
      for (const TensorSpec& t : op.inputs) inputs.push_back(Ref(t));
      for (const TensorSpec& t : op.outputs) outputs.push_back(Ref(t));
      RETURN_IF_ERROR(
          device_.recorder->Record(op.name, op.attributes, inputs, outputs, "generated"));
      if (!flush_each) continue;
      inputs.clear();
      outputs.clear();
      RETURN_IF_ERROR(device_.recorder->Flush());
    }
    for (size_t i = 0; i < storages_.size(); ++i) {
      if (!program_.kept[i]) storages_[i] = nullptr;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Contents> Read() {
    Contents contents;
    for (const std::shared_ptr<Storage>& storage : storages_) {
      if (storage == nullptr) continue;
      std::vector<std::byte>& bytes = contents.emplace_back(storage->bytes());
      RETURN_IF_ERROR(device_.recorder->CopyToHost(*storage, 0, bytes.size(), bytes.data()));
    }
    return contents;
  }

 private:
  TensorRef Ref(const TensorSpec& t) const {
    return {storages_[static_cast<size_t>(t.storage)], t.dtype, t.sizes, t.strides, t.offset};
  }

  TestDevice& device_;
  const ProgramSpec& program_;
  std::vector<std::shared_ptr<Storage>> storages_;
};

absl::StatusOr<Contents> RunEagerly(TestDevice& device, const ProgramSpec& program,
                                    bool flush_each) {
  Run run(device, program);
  RETURN_IF_ERROR(run.FillLeaves());
  RETURN_IF_ERROR(run.Record(flush_each));
  return run.Read();
}

// After the capture, and after a replay from the same inputs.
absl::StatusOr<std::pair<Contents, Contents>> RunCaptured(TestDevice& device,
                                                          const ProgramSpec& program) {
  Run run(device, program);
  RETURN_IF_ERROR(run.FillLeaves());
  CapturedGraph graph;
  RETURN_IF_ERROR(device.recorder->BeginCapture(&graph));
  RETURN_IF_ERROR(run.Record(false));
  RETURN_IF_ERROR(device.recorder->EndCapture());
  ASSIGN_OR_RETURN(Contents captured, run.Read());
  RETURN_IF_ERROR(run.FillLeaves());
  RETURN_IF_ERROR(graph.Replay());
  ASSIGN_OR_RETURN(Contents replayed, run.Read());
  return std::pair(std::move(captured), std::move(replayed));
}

std::string Text(const TensorSpec& t) {
  return absl::StrCat(
      "s", t.storage, ":", absl::string_view(Name(t.dtype).data(), Name(t.dtype).size()), "[",
      absl::StrJoin(t.sizes, ","), "|", absl::StrJoin(t.strides, ","), "+", t.offset, "]");
}

std::string Text(const ProgramSpec& program) {
  std::string text;
  for (const OpSpec& op : program.ops) {
    absl::StrAppend(&text, "  ", Text(op.outputs[0]), " = ", op.name);
    for (const TensorSpec& t : op.inputs) absl::StrAppend(&text, " ", Text(t));
    absl::StrAppend(&text, "\n");
  }
  return text;
}

class DifferentialTest : public ::testing::TestWithParam<const char*> {};

TEST_P(DifferentialTest, FourWaysToRunAProgramGiveTheSameBits) {
  absl::StatusOr<TestDevice> device = TestDevice::Open(GetParam());
  ASSERT_THAT(device.status(), IsOk());
  uint64_t ops = 0;
  for (uint32_t seed = 1; seed <= kPrograms; ++seed) {
    const ProgramSpec program = Generator(seed).Make();
    ops += program.ops.size();
    SCOPED_TRACE(absl::StrCat("seed ", seed, "\n", Text(program)));
    ASSERT_OK_AND_ASSIGN(const Contents each, RunEagerly(*device, program, true));
    ASSERT_OK_AND_ASSIGN(const Contents whole, RunEagerly(*device, program, false));
    ASSERT_OK_AND_ASSIGN(const auto captured, RunCaptured(*device, program));
    ASSERT_TRUE(each == whole) << "one segment differs";
    ASSERT_TRUE(each == captured.first) << "captured differs";
    ASSERT_TRUE(each == captured.second) << "replayed differs";
  }
  EXPECT_GT(ops, 5 * kPrograms);
  EXPECT_THAT(device->recorder->Synchronize(), IsOk());
  EXPECT_TRUE(device->card->TakeEvents().empty());
}

INSTANTIATE_TEST_SUITE_P(Devices, DifferentialTest, ::testing::ValuesIn(kExactDevices));

}  // namespace
}  // namespace openhpu::graph
