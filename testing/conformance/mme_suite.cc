// MMEs: products and convolutions against plain loops, of every type, transposed and batched, on
// every engine and at once; signals behind their values.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "testing/conformance/driver_suite.h"
#include "testing/conformance/values.h"
#include "testing/status_matchers.h"

namespace openhpu::conformance {
namespace {

constexpr DType kTypes[] = {DType::kFloat32, DType::kBFloat16};

class MmeSuite : public DriverSuite {
 protected:
  void SetUp() override {
    DriverSuite::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (engines() == 0) GTEST_SKIP() << "no MME";
  }
  int engines() { return hal::CountEngines(chip(), hal::EngineKind::kMme); }

  // A product whose operands are in DRAM, and what it should make of what C was.
  struct Product {
    hal::MmeGemm gemm;
    DeviceAddress c;
    Bytes wanted;
  };
  static uint64_t Extent(const hal::MmeGemm::Batch* batch, uint64_t stride, uint64_t matrix) {
    return (batch->count - 1) * stride + matrix;
  }
  absl::StatusOr<Product> Prepare(hal::MmeGemm gemm, uint32_t seed) {
    const hal::MmeGemm::Batch& batch = gemm.batch[0];
    const uint64_t size_a =
        Extent(&batch, batch.stride_a, (gemm.trans_a ? gemm.k : gemm.m) * gemm.lda);
    const uint64_t size_b =
        Extent(&batch, batch.stride_b, (gemm.trans_b ? gemm.n : gemm.k) * gemm.ldb);
    const uint64_t size_c = Extent(&batch, batch.stride_c, gemm.m * gemm.ldc);
    const std::vector<float> a = Integers(size_a, 2, seed), b = Integers(size_b, 2, seed + 1);
    // What lies between the rows stays.
    std::vector<float> c = Integers(size_c, 100, seed + 2);
    Product product;
    absl::StatusOr<DeviceAddress> at = DramWith(Encode(a, gemm.in));
    if (!at.ok()) return at.status();
    gemm.a = At(*at);
    at = DramWith(Encode(b, gemm.in));
    if (!at.ok()) return at.status();
    gemm.b = At(*at);
    at = DramWith(Encode(c, gemm.out));
    if (!at.ok()) return at.status();
    product.c = *at;
    gemm.c = At(product.c);
    for (uint64_t i = 0; i < batch.count; ++i) {
      for (uint64_t m = 0; m < gemm.m; ++m) {
        for (uint64_t n = 0; n < gemm.n; ++n) {
          float sum = 0;
          for (uint64_t k = 0; k < gemm.k; ++k) {
            sum += a[i * batch.stride_a + (gemm.trans_a ? k * gemm.lda + m : m * gemm.lda + k)] *
                   b[i * batch.stride_b + (gemm.trans_b ? n * gemm.ldb + k : k * gemm.ldb + n)];
          }
          c[i * batch.stride_c + m * gemm.ldc + n] = sum;
        }
      }
    }
    product.gemm = gemm;
    product.wanted = Encode(c, gemm.out);
    return product;
  }
  void ExpectRight(const Product& product) {
    ASSERT_OK_AND_ASSIGN(const Bytes got, Download(product.c, product.wanted.size()));
    EXPECT_TRUE(got == product.wanted);
  }
  // Dense, m x k times k x n.
  static hal::MmeGemm Dense(uint32_t m, uint32_t n, uint32_t k, DType in, DType out) {
    hal::MmeGemm gemm;
    gemm.in = in;
    gemm.out = out;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.lda = k;
    gemm.ldb = gemm.ldc = n;
    return gemm;
  }
  // The engine's product, waited for by its signals: one of each array.
  absl::Status RunProduct(int engine, const hal::MmeGemm& gemm) {
    Job job = NewJob(Mme(engine)), wait = NewJob(HostDma(0));
    job.Mme(gemm, 0).Run();
    wait.Await({{0, 0x3, 1}}).SetSob(0, 0).SetSob(1, 0);
    return Run({&job, &wait});
  }
};

TEST_F(MmeSuite, ProductsOfEveryTypeAndTransposeAreRight) {
  uint32_t seed = 1;
  for (const DType in : kTypes) {
    for (const DType out : kTypes) {
      for (const bool trans_a : {false, true}) {
        for (const bool trans_b : {false, true}) {
          SCOPED_TRACE(absl::StrCat(std::string(Name(in)), " to ", std::string(Name(out)),
                                    trans_a ? " A transposed" : "",
                                    trans_b ? " B transposed" : ""));
          hal::MmeGemm gemm = Dense(33, 40, 24, in, out);
          gemm.trans_a = trans_a;
          gemm.trans_b = trans_b;
          gemm.lda = trans_a ? 33 : 24;
          gemm.ldb = trans_b ? 24 : 40;
          ASSERT_OK_AND_ASSIGN(const Product product, Prepare(gemm, seed++));
          ASSERT_OK(RunProduct(0, product.gemm));
          ExpectRight(product);
        }
      }
    }
  }
}

TEST_F(MmeSuite, ProductsOfManySizesAreRight) {
  // Within a tile, of whole tiles, and across their edges.
  const std::array<uint32_t, 3> sizes[] = {{1, 1, 1},      {1, 300, 3},  {300, 1, 3},
                                           {2, 3, 60},     {64, 64, 32}, {128, 256, 16},
                                           {129, 257, 17}, {260, 65, 8}};
  uint32_t seed = 100;
  for (const auto& [m, n, k] : sizes) {
    for (const DType type : kTypes) {
      SCOPED_TRACE(absl::StrCat(m, " x ", n, " x ", k, " ", std::string(Name(type))));
      ASSERT_OK_AND_ASSIGN(const Product product, Prepare(Dense(m, n, k, type, type), seed++));
      ASSERT_OK(RunProduct(0, product.gemm));
      ExpectRight(product);
    }
  }
}

TEST_F(MmeSuite, WhatLiesBetweenRowsIsNeitherReadNorWritten) {
  hal::MmeGemm gemm = Dense(10, 12, 14, DType::kFloat32, DType::kFloat32);
  gemm.lda = 20;
  gemm.ldb = 31;
  gemm.ldc = 17;
  ASSERT_OK_AND_ASSIGN(const Product product, Prepare(gemm, 200));
  ASSERT_OK(RunProduct(0, product.gemm));
  ExpectRight(product);
}

TEST_F(MmeSuite, BatchesHaveTheirOwnMatricesOrShareOne) {
  for (const bool shares_b : {false, true}) {
    SCOPED_TRACE(shares_b ? "one B" : "a B each");
    hal::MmeGemm gemm = Dense(9, 20, 11, DType::kBFloat16, DType::kFloat32);
    gemm.batch[0] = {5, 9 * 11, shares_b ? 0u : 11u * 20u, 9 * 20};
    ASSERT_OK_AND_ASSIGN(const Product product, Prepare(gemm, 300));
    ASSERT_OK(RunProduct(0, product.gemm));
    ExpectRight(product);
  }
}

TEST_F(MmeSuite, EveryEngineMultipliesOnEveryStream) {
  for (int engine = 0; engine < engines(); ++engine) {
    for (uint32_t stream = 0; stream < 4; ++stream) {
      SCOPED_TRACE(absl::StrCat("MME ", engine, " stream ", stream));
      ASSERT_OK_AND_ASSIGN(
          const Product product,
          Prepare(Dense(16, 16, 16, DType::kBFloat16, DType::kBFloat16), 400 + stream));
      Job job = NewJob(Mme(engine), stream), wait = NewJob(HostDma(0));
      job.Mme(product.gemm, 0).Run();
      wait.Await({{0, 0x3, 1}}).SetSob(0, 0).SetSob(1, 0);
      ASSERT_OK(Run({&job, &wait}));
      ExpectRight(product);
    }
  }
}

TEST_F(MmeSuite, EnginesMultiplyAtOnce) {
  std::vector<Product> products;
  std::vector<Job> jobs;
  std::vector<hal::SyncCondition> all;
  for (int engine = 0; engine < engines(); ++engine) {
    ASSERT_OK_AND_ASSIGN(
        Product product,
        Prepare(Dense(70, 70, 30, DType::kBFloat16, DType::kFloat32), 500 + engine));
    jobs.push_back(NewJob(Mme(engine)));
    jobs.back().Mme(product.gemm, 2 * engine).Run();
    all.push_back(Reaches(2 * engine, 1));
    all.push_back(Reaches(2 * engine + 1, 1));
    products.push_back(std::move(product));
  }
  Job wait = NewJob(HostDma(0));
  wait.Await(all);
  std::vector<Job*> submitted;
  for (Job& job : jobs) submitted.push_back(&job);
  submitted.push_back(&wait);
  ASSERT_OK(Run(submitted));
  for (const Product& product : products) ExpectRight(product);
}

TEST_F(MmeSuite, ASignalIsBehindItsProduct) {
  // Who waits for both arrays finds all of the product.
  ASSERT_OK_AND_ASSIGN(const Product first,
                       Prepare(Dense(64, 48, 20, DType::kFloat32, DType::kFloat32), 600));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress copy, Dram(first.wanted.size()));
  ASSERT_OK_AND_ASSIGN(HostMemory* const out, MapHost(Bytes(first.wanted.size())));
  Job job = NewJob(Mme(0)), copies = NewJob(ComputeDma(0)), host = NewJob(HostDma(0));
  job.Mme(first.gemm, 0).Run();
  copies.Await({{0, 0x3, 1}})
      .Dma(Linear(first.c, copy, static_cast<uint32_t>(first.wanted.size())), 2)
      .Run();
  host.Await({Reaches(2, 1)}).HostCopy(copy, out->address, first.wanted.size());
  ASSERT_OK(Run({&job, &copies, &host}));
  EXPECT_TRUE(out->bytes == first.wanted);
}

TEST_F(MmeSuite, AProductMayWaitForTheOneBeforeIt) {
  // C is the next one's A.
  ASSERT_OK_AND_ASSIGN(const Product first,
                       Prepare(Dense(20, 20, 4, DType::kFloat32, DType::kFloat32), 700));
  // The unit matrix doubled: the product of the product is twice it.
  std::vector<float> twice(20 * 20);
  for (int i = 0; i < 20; ++i) twice[i * 20 + i] = 2;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress b, DramWith(Encode(twice, DType::kFloat32)));
  ASSERT_OK_AND_ASSIGN(const DeviceAddress c, Dram(20 * 20 * 4));
  hal::MmeGemm second = Dense(20, 20, 20, DType::kFloat32, DType::kFloat32);
  second.a = At(first.c);
  second.b = At(b);
  second.c = At(c);
  Job job = NewJob(Mme(0)), wait = NewJob(HostDma(0));
  job.Mme(first.gemm, 0).Run().Await({{0, 0x3, 1}}).Mme(second, 2).Run();
  wait.Await({{0, 0xC, 1}});
  ASSERT_OK(Run({&job, &wait}));
  ASSERT_OK_AND_ASSIGN(const Bytes got, Download(c, 20 * 20 * 4));
  std::vector<float> wanted(20 * 20);
  std::memcpy(wanted.data(), first.wanted.data(), first.wanted.size());
  for (float& value : wanted) value *= 2;
  EXPECT_TRUE(got == Encode(wanted, DType::kFloat32));
}

TEST_F(MmeSuite, OperandsMayLieInSram) {
  hal::MmeGemm gemm = Dense(32, 32, 32, DType::kBFloat16, DType::kBFloat16);
  ASSERT_OK_AND_ASSIGN(Product product, Prepare(gemm, 800));
  const uint32_t bytes = 32 * 32 * 2;
  ASSERT_OK_AND_ASSIGN(const DeviceAddress sram, Sram(3 * bytes));
  Job in = NewJob(ComputeDma(0)), job = NewJob(Mme(0)), host = NewJob(HostDma(0));
  in.Dma(Linear(DeviceAddress(product.gemm.a.offset), sram, bytes), 8)
      .Dma(Linear(DeviceAddress(product.gemm.b.offset), sram + bytes, bytes), 8)
      .Run();
  product.gemm.a = At(sram);
  product.gemm.b = At(sram + bytes);
  product.gemm.c = At(sram + 2 * bytes);
  job.Await({Reaches(8, 2)}).Mme(product.gemm, 0).Run();
  host.Await({{0, 0x3, 1}}).HostCopy(sram + 2 * bytes, product.c, bytes);
  ASSERT_OK(Run({&in, &job, &host}));
  ExpectRight(product);
}

TEST_F(MmeSuite, ConvolutionsAreTheirLoops) {
  struct Case {
    uint32_t kernel, stride, pad, dilation;
  };
  constexpr uint32_t kBatch = 2, kHeight = 9, kWidth = 11, kChannels = 16, kFilters = 24;
  for (const Case& c : {Case{1, 1, 0, 1}, {3, 1, 1, 1}, {3, 2, 1, 1}, {3, 1, 2, 2}, {2, 2, 0, 1}}) {
    for (const DType type : kTypes) {
      SCOPED_TRACE(absl::StrCat("kernel ", c.kernel, " stride ", c.stride, " padding ", c.pad,
                                " dilation ", c.dilation, " ", std::string(Name(type))));
      const uint32_t reach = c.dilation * (c.kernel - 1) + 1;
      hal::MmeConvolution v;
      v.in = v.out = type;
      v.batch = kBatch;
      v.height = kHeight;
      v.width = kWidth;
      v.channels = kChannels;
      v.filters = kFilters;
      v.out_height = (kHeight + 2 * c.pad - reach) / c.stride + 1;
      v.out_width = (kWidth + 2 * c.pad - reach) / c.stride + 1;
      v.kernel_h = v.kernel_w = c.kernel;
      v.stride_h = v.stride_w = c.stride;
      v.pad_h = v.pad_w = c.pad;
      v.dilation_h = v.dilation_w = c.dilation;
      v.x_strides = {kHeight * kWidth * kChannels, kWidth * kChannels, kChannels};
      v.w_strides = {c.kernel * kChannels * kFilters, kChannels * kFilters, kFilters};
      v.y_strides = {uint64_t{v.out_height} * v.out_width * kFilters,
                     uint64_t{v.out_width} * kFilters, kFilters};
      // Of one sign and a few: sums of 144 stay exact in bf16.
      const std::vector<float> x = Integers(kBatch * v.x_strides[0], 1, 900);
      const std::vector<float> w = Integers(c.kernel * v.w_strides[0], 1, 901);
      std::vector<float> y(kBatch * v.y_strides[0]);
      for (uint32_t n = 0; n < kBatch; ++n) {
        for (uint32_t h = 0; h < v.out_height; ++h) {
          for (uint32_t o = 0; o < v.out_width; ++o) {
            for (uint32_t f = 0; f < kFilters; ++f) {
              float sum = 0;
              for (uint32_t r = 0; r < c.kernel; ++r) {
                for (uint32_t s = 0; s < c.kernel; ++s) {
                  const int64_t row = int64_t{h} * c.stride + r * c.dilation - c.pad;
                  const int64_t column = int64_t{o} * c.stride + s * c.dilation - c.pad;
                  if (row < 0 || row >= kHeight || column < 0 || column >= kWidth) continue;
                  for (uint32_t i = 0; i < kChannels; ++i) {
                    sum += x[n * v.x_strides[0] + row * v.x_strides[1] + column * kChannels + i] *
                           w[r * v.w_strides[0] + s * v.w_strides[1] + i * kFilters + f];
                  }
                }
              }
              y[n * v.y_strides[0] + h * v.y_strides[1] + o * kFilters + f] = sum;
            }
          }
        }
      }
      const Bytes wanted = Encode(y, type);
      ASSERT_OK_AND_ASSIGN(const DeviceAddress x_at, DramWith(Encode(x, type)));
      ASSERT_OK_AND_ASSIGN(const DeviceAddress w_at, DramWith(Encode(w, type)));
      ASSERT_OK_AND_ASSIGN(const DeviceAddress y_at, Dram(wanted.size()));
      v.x = At(x_at);
      v.w = At(w_at);
      v.y = At(y_at);
      Job job = NewJob(Mme(0)), wait = NewJob(HostDma(0));
      job.Mme(v, 0).Run();
      wait.Await({{0, 0x3, 1}}).SetSob(0, 0).SetSob(1, 0);
      ASSERT_OK(Run({&job, &wait}));
      ASSERT_OK_AND_ASSIGN(const Bytes got, Download(y_at, wanted.size()));
      EXPECT_TRUE(got == wanted);
    }
  }
}

}  // namespace
}  // namespace openhpu::conformance
