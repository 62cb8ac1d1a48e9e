// TPCs: kernels that every device has, by guid, against plain loops; boxes, tensors with strides,
// signals, streams, and all TPCs on one launch.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "hal/kernel/expression.h"
#include "hal/kernel/kernels.h"
#include "hal/kernel_image.h"
#include "testing/conformance/driver_suite.h"
#include "testing/conformance/values.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

using hal::KernelTensor;

constexpr uint32_t kSob = 0;

KernelTensor Dense(DType dtype, hal::TpcDims sizes) {
  KernelTensor tensor;
  tensor.dtype = dtype;
  tensor.sizes = sizes;
  uint32_t stride = 1;
  for (int d = 0; d < hal::kTpcMaxDims; ++d) {
    tensor.strides[d] = stride;
    stride *= sizes[d];
  }
  return tensor;
}

// out = in0 + in1
hal::ExpressionProgram Sum(DType dtype) {
  hal::ExpressionProgram program;
  program.inputs = {dtype, dtype};
  hal::ExprInstruction add = {};
  add.op = hal::ExprOp::kAdd;
  add.dtype = dtype;
  add.b = 1;
  program.instructions = {add};
  program.outputs = {2};
  return program;
}

class TpcSuite : public DriverSuite {
 protected:
  void SetUp() override {
    DriverSuite::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (tpcs() == 0) GTEST_SKIP() << "no TPC";
  }
  int tpcs() { return hal::CountEngines(chip(), hal::EngineKind::kTpc); }

  // The kernel's code in device memory.
  absl::StatusOr<DeviceAddress> Load(const hal::KernelImage& image) {
    absl::StatusOr<Bytes> bytes = hal::MakeKernelImage(image, "");
    if (!bytes.ok()) return bytes.status();
    // At a page of its own.
    bytes->resize(std::max<size_t>(bytes->size(), 2 * hal::kKernelImagePage));
    const absl::StatusOr<DeviceAddress> at = DramWith(*bytes);
    if (!at.ok()) return at.status();
    return *at + hal::kKernelImagePage;
  }
  static hal::TpcBox BoxOf(const hal::KernelLaunch& launch, DeviceAddress kernel,
                           const std::vector<DeviceAddress>& tensors, const hal::IndexBox& part) {
    hal::TpcBox box;
    box.kernel = At(kernel);
    box.tensors = launch.tensors;
    for (const DeviceAddress tensor : tensors) box.addresses.push_back(At(tensor));
    box.scalars = launch.scalars;
    box.box = part;
    return box;
  }
  // Runs the launch, cut for so many TPCs, and waits for all boxes' signals.
  absl::Status RunLaunch(const hal::KernelLaunch& launch, const std::vector<DeviceAddress>& tensors,
                         int parts) {
    const absl::StatusOr<DeviceAddress> kernel = Load(launch.image);
    if (!kernel.ok()) return kernel.status();
    std::vector<Job> jobs;
    const std::vector<hal::IndexBox> boxes = hal::SplitIndexSpace(launch, parts);
    for (size_t i = 0; i < boxes.size(); ++i) {
      jobs.push_back(NewJob(Tpc(static_cast<int>(i))));
      jobs.back().Tpc(BoxOf(launch, *kernel, tensors, boxes[i]), kSob).Run();
    }
    Job wait = NewJob(HostDma(0));
    wait.Await({Reaches(kSob, static_cast<uint32_t>(boxes.size()))}).SetSob(kSob, 0);
    std::vector<Job*> all;
    for (Job& job : jobs) all.push_back(&job);
    all.push_back(&wait);
    return Run(all);
  }
  // The same on one TPC and on all: `inputs` in, `wanted` out of the last tensor, whose bytes were
  // zero.
  void ExpectKernel(const absl::StatusOr<hal::KernelLaunch>& launch,
                    const std::vector<Bytes>& inputs, const Bytes& wanted) {
    ASSERT_OK(launch);
    for (const int parts : {1, tpcs()}) {
      SCOPED_TRACE(absl::StrCat(launch->image.guid, " on ", parts));
      std::vector<DeviceAddress> tensors;
      for (const Bytes& input : inputs) {
        ASSERT_OK_AND_ASSIGN(const DeviceAddress at, DramWith(input));
        tensors.push_back(at);
      }
      ASSERT_OK_AND_ASSIGN(const DeviceAddress out, DramWith(Bytes(wanted.size())));
      tensors.push_back(out);
      ASSERT_OK(RunLaunch(*launch, tensors, parts));
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(out, wanted.size()));
      EXPECT_TRUE(got == wanted);
    }
  }
  // What two tensors of `t` hold, and their sum.
  struct Addition {
    std::vector<float> a, b, sum;
  };
  static Addition NewAddition(size_t count, uint32_t seed) {
    Addition addition = {Integers(count, 50, seed), Integers(count, 50, seed + 1), {}};
    for (size_t i = 0; i < count; ++i) addition.sum.push_back(addition.a[i] + addition.b[i]);
    return addition;
  }
};

TEST_F(TpcSuite, SumsOfEveryTypeAreRight) {
  for (const DType type :
       {DType::kFloat32, DType::kBFloat16, DType::kInt32, DType::kInt16, DType::kInt8}) {
    SCOPED_TRACE(std::string(Name(type)));
    const KernelTensor t = Dense(type, {150, 7, 3, 1, 1});
    const Addition addition = NewAddition(150 * 7 * 3, 1);
    ExpectKernel(hal::MakeFused(Sum(type), {t, t}, {t}),
                 {Encode(addition.a, type), Encode(addition.b, type)}, Encode(addition.sum, type));
  }
}

TEST_F(TpcSuite, ABoxWritesItsPartAndNoMore) {
  const KernelTensor t = Dense(DType::kFloat32, {64, 12, 1, 1, 1});
  const Addition addition = NewAddition(64 * 12, 10);
  ASSERT_OK_AND_ASSIGN(const hal::KernelLaunch launch,
                       hal::MakeFused(Sum(DType::kFloat32), {t, t}, {t}));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress kernel, Load(launch.image));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(Encode(addition.a, DType::kFloat32)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, DramWith(Encode(addition.b, DType::kFloat32)));
  std::vector<float> wanted = Integers(64 * 12, 50, 12);
  ASSERT_OK_AND_ASSIGN(const DeviceAddress out, DramWith(Encode(wanted, DType::kFloat32)));
  // Rows 5 to 8.
  hal::IndexBox part;
  part.base[1] = 5;
  part.size = {1, 4, 1, 1, 1};
  Job job = NewJob(Tpc(0)), wait = NewJob(HostDma(0));
  job.Tpc(BoxOf(launch, kernel, {a, b, out}, part), kSob).Run();
  wait.Await({Reaches(kSob, 1)});
  ASSERT_OK(Run({&job, &wait}));
  std::copy_n(addition.sum.begin() + 5 * 64, 4 * 64, wanted.begin() + 5 * 64);
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(out, 64 * 12 * 4));
  EXPECT_TRUE(got == Encode(wanted, DType::kFloat32));
}

TEST_F(TpcSuite, TensorsHaveStridesAndAreBroadcast) {
  // in0 in rows of 100 of which 70 count, in1 one row for all.
  KernelTensor in0 = Dense(DType::kFloat32, {70, 9, 1, 1, 1}), in1 = in0, out = in0;
  in0.strides[1] = 100;
  in1.sizes[1] = 1;
  in1.strides[1] = 0;
  const std::vector<float> a = Integers(100 * 9, 50, 20), b = Integers(70, 50, 21);
  std::vector<float> wanted(70 * 9);
  for (size_t row = 0; row < 9; ++row) {
    for (size_t i = 0; i < 70; ++i) wanted[row * 70 + i] = a[row * 100 + i] + b[i];
  }
  ExpectKernel(hal::MakeFused(Sum(DType::kFloat32), {in0, in1}, {out}),
               {Encode(a, DType::kFloat32), Encode(b, DType::kFloat32)},
               Encode(wanted, DType::kFloat32));
}

TEST_F(TpcSuite, ReductionsAreRight) {
  const KernelTensor in = Dense(DType::kFloat32, {40, 6, 5, 1, 1});
  const KernelTensor out = Dense(DType::kFloat32, {1, 6, 5, 1, 1});
  const std::vector<float> values = Integers(40 * 6 * 5, 20, 30);
  std::vector<float> sum, most;
  for (size_t row = 0; row < 30; ++row) {
    float s = 0, m = values[row * 40];
    for (size_t i = 0; i < 40; ++i) {
      s += values[row * 40 + i];
      m = std::max(m, values[row * 40 + i]);
    }
    sum.push_back(s);
    most.push_back(m);
  }
  const Bytes bytes = Encode(values, DType::kFloat32);
  hal::ReduceParams params;
  params.mask = 1;
  ExpectKernel(hal::MakeReduce(params, in, out), {bytes}, Encode(sum, DType::kFloat32));
  params.op = hal::ReduceOp::kMax;
  ExpectKernel(hal::MakeReduce(params, in, out), {bytes}, Encode(most, DType::kFloat32));
}

TEST_F(TpcSuite, RowsAreGathered) {
  const KernelTensor table = Dense(DType::kFloat32, {24, 10, 1, 1, 1});
  const KernelTensor index = Dense(DType::kInt32, {1, 7, 1, 1, 1});
  const KernelTensor out = Dense(DType::kFloat32, {24, 7, 1, 1, 1});
  const std::vector<float> values = Integers(240, 50, 40), picks = {3, 0, 9, 9, -1, 5, 2};
  std::vector<float> wanted;
  for (const float pick : picks) {
    const auto row = static_cast<size_t>(pick < 0 ? pick + 10 : pick);
    wanted.insert(wanted.end(), values.begin() + row * 24, values.begin() + (row + 1) * 24);
  }
  ExpectKernel(hal::MakeGather({}, table, index, out),
               {Encode(values, DType::kFloat32), Encode(picks, DType::kInt32)},
               Encode(wanted, DType::kFloat32));
}

TEST_F(TpcSuite, IntegerProductsAreRight) {
  constexpr uint32_t kM = 9, kN = 17, kK = 12;
  const KernelTensor a = Dense(DType::kInt8, {kK, kM, 1, 1, 1});
  const KernelTensor b = Dense(DType::kInt8, {kN, kK, 1, 1, 1});
  const KernelTensor c = Dense(DType::kInt32, {kN, kM, 1, 1, 1});
  const std::vector<float> x = Integers(kM * kK, 100, 50), y = Integers(kK * kN, 100, 51);
  std::vector<float> wanted;
  for (size_t m = 0; m < kM; ++m) {
    for (size_t n = 0; n < kN; ++n) {
      float sum = 0;
      for (size_t k = 0; k < kK; ++k) sum += x[m * kK + k] * y[k * kN + n];
      wanted.push_back(sum);
    }
  }
  ExpectKernel(hal::MakeIntegerMatmul(a, b, c), {Encode(x, DType::kInt8), Encode(y, DType::kInt8)},
               Encode(wanted, DType::kInt32));
}

TEST_F(TpcSuite, PoolingTakesTheLargestOfEachWindow) {
  constexpr uint32_t kChannels = 8, kSide = 6;
  const KernelTensor in = Dense(DType::kFloat32, {kChannels, kSide, kSide, 2, 1});
  const KernelTensor out = Dense(DType::kFloat32, {kChannels, kSide / 2, kSide / 2, 2, 1});
  const std::vector<float> values = Integers(kChannels * kSide * kSide * 2, 50, 60);
  const auto at = [&](size_t n, size_t h, size_t w, size_t c) {
    return values[((n * kSide + h) * kSide + w) * kChannels + c];
  };
  std::vector<float> wanted;
  for (size_t n = 0; n < 2; ++n) {
    for (size_t h = 0; h < kSide; h += 2) {
      for (size_t w = 0; w < kSide; w += 2) {
        for (size_t c = 0; c < kChannels; ++c) {
          wanted.push_back(std::max(
              {at(n, h, w, c), at(n, h, w + 1, c), at(n, h + 1, w, c), at(n, h + 1, w + 1, c)}));
        }
      }
    }
  }
  hal::PoolParams params;
  params.kernel = params.stride = {2, 2};
  const KernelTensor outputs[] = {out};
  ExpectKernel(hal::MakePool2d(params, in, outputs), {Encode(values, DType::kFloat32)},
               Encode(wanted, DType::kFloat32));
}

TEST_F(TpcSuite, EveryTpcRunsBoxesOnEveryStream) {
  const KernelTensor t = Dense(DType::kFloat32, {64, 1, 1, 1, 1});
  const Addition addition = NewAddition(64, 70);
  ASSERT_OK_AND_ASSIGN(const hal::KernelLaunch launch,
                       hal::MakeFused(Sum(DType::kFloat32), {t, t}, {t}));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress kernel, Load(launch.image));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(Encode(addition.a, DType::kFloat32)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, DramWith(Encode(addition.b, DType::kFloat32)));
  const Bytes wanted = Encode(addition.sum, DType::kFloat32);
  const auto count = static_cast<uint32_t>(4 * tpcs());
  ASSERT_OK_AND_ASSIGN(const DeviceAddress out, DramWith(Bytes(count * wanted.size())));
  hal::IndexBox whole;
  whole.size = launch.index_space;
  std::vector<Job> jobs;
  for (uint32_t i = 0; i < count; ++i) {
    jobs.push_back(NewJob(Tpc(static_cast<int>(i / 4)), i % 4));
    jobs.back().Tpc(BoxOf(launch, kernel, {a, b, out + i * wanted.size()}, whole), kSob).Run();
  }
  Job wait = NewJob(HostDma(0));
  wait.Await({Reaches(kSob, count)});
  std::vector<Job*> all;
  for (Job& job : jobs) all.push_back(&job);
  all.push_back(&wait);
  ASSERT_OK(Run(all));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(out, count * wanted.size()));
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(std::memcmp(got.data() + i * wanted.size(), wanted.data(), wanted.size()), 0)
        << "TPC " << i / 4 << " stream " << i % 4;
  }
}

TEST_F(TpcSuite, BoxesOfOneBodyAllRun) {
  // More than can be latched; the last of them ends last.
  constexpr uint32_t kBoxes = 20;
  const KernelTensor t = Dense(DType::kFloat32, {64, kBoxes, 1, 1, 1});
  const Addition addition = NewAddition(64 * kBoxes, 80);
  ASSERT_OK_AND_ASSIGN(const hal::KernelLaunch launch,
                       hal::MakeFused(Sum(DType::kFloat32), {t, t}, {t}));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress kernel, Load(launch.image));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(Encode(addition.a, DType::kFloat32)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, DramWith(Encode(addition.b, DType::kFloat32)));
  const Bytes wanted = Encode(addition.sum, DType::kFloat32);
  ASSERT_OK_AND_ASSIGN(HostMemory* const host, MapHost(Bytes(wanted.size())));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress out, Dram(wanted.size()));
  Job job = NewJob(Tpc(0)), copy = NewJob(HostDma(0));
  for (uint32_t row = 0; row < kBoxes; ++row) {
    hal::IndexBox part;
    part.base[1] = row;
    job.Tpc(BoxOf(launch, kernel, {a, b, out}, part), kSob);
  }
  job.Run();
  copy.Await({Reaches(kSob, kBoxes)}).HostCopy(out, host->address, wanted.size());
  ASSERT_OK(Run({&job, &copy}));
  EXPECT_TRUE(host->bytes == wanted);
}

TEST_F(TpcSuite, ATpcGoesOnWithWhatAnotherMade) {
  // a + b, then that + b, by the other.
  const KernelTensor t = Dense(DType::kBFloat16, {128, 4, 1, 1, 1});
  const Addition addition = NewAddition(128 * 4, 90);
  ASSERT_OK_AND_ASSIGN(const hal::KernelLaunch launch,
                       hal::MakeFused(Sum(DType::kBFloat16), {t, t}, {t}));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress kernel, Load(launch.image));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress a, DramWith(Encode(addition.a, DType::kBFloat16)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, DramWith(Encode(addition.b, DType::kBFloat16)));
  const uint64_t bytes = 128 * 4 * 2;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress middle, Dram(bytes));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress out, Dram(bytes));
  hal::IndexBox whole;
  whole.size = launch.index_space;
  const int other = tpcs() - 1;
  Job first = NewJob(Tpc(0)), second = NewJob(Tpc(other), 1), wait = NewJob(HostDma(0));
  first.Tpc(BoxOf(launch, kernel, {a, b, middle}, whole), 0).Run();
  second.Await({Reaches(0, 1)}).Tpc(BoxOf(launch, kernel, {middle, b, out}, whole), 1).Run();
  wait.Await({Reaches(1, 1)});
  ASSERT_OK(Run({&second, &first, &wait}));
  std::vector<float> wanted;
  for (size_t i = 0; i < addition.sum.size(); ++i) {
    wanted.push_back(addition.sum[i] + addition.b[i]);
  }
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(out, bytes));
  EXPECT_TRUE(got == Encode(wanted, DType::kBFloat16));
}

}  // namespace
}  // namespace openhpu::conformance
