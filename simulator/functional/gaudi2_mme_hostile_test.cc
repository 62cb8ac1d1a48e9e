// Words that are no descriptor of Gaudi2's MME.
#include <array>
#include <cstring>
#include <random>

#include "gtest/gtest.h"
#include "hal/commands.h"
#include "hal/gaudi2/mme_lowering.h"
#include "simulator/functional/gaudi2_mme_fuzz.h"
#include "simulator/functional/gaudi2_mme_random.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi2::kMmeDescriptorWords;
using hal::abi::gaudi2::MmeDescriptor;

constexpr std::array<uint32_t, 3> kAt = {kMmeFuzzBase, kMmeFuzzBase + 0x8000,
                                         kMmeFuzzBase + 0x10000};

MmeDescriptor Placed(MmeDescriptor d) {
  d.a_low = kAt[0], d.b_low = kAt[1], d.cout0_low = kAt[2];
  return d;
}

MmeDescriptor Product() {
  hal::MmeGemm g;
  g.in = g.out = DType::kBFloat16;
  g.m = 70, g.n = 150, g.k = g.lda = 8, g.ldb = g.ldc = 150;
  return Placed(hal::gaudi2::LowerGemm(g)->front().descriptor);
}

MmeDescriptor Convolution() {
  hal::MmeConvolution c;
  c.batch = 1, c.height = c.width = c.out_height = c.out_width = 5, c.channels = 2, c.filters = 8;
  c.kernel_h = c.kernel_w = 3, c.pad_h = c.pad_w = 1;
  c.x_strides = {50, 10, 2}, c.w_strides = {48, 16, 8}, c.y_strides = {200, 40, 8};
  return Placed(hal::gaudi2::LowerConvolution(c)->front().descriptor);
}

// Words that mean nothing; canonical descriptors with some of their words replaced; and descriptors
// of small random fields, which get furthest.
TEST(Gaudi2MmeHostileTest, AnyWordsAreRunOrRefused) {
  std::mt19937 random(20221123);
  const auto word = [&]() -> uint32_t {
    switch (random() % 4) {
      case 0:
        return random();
      case 1:
        return random() % 256;
      case 2:
        return 1u << random() % 32;
      default:
        return 0u - random() % 256;
    }
  };
  MmeFuzzed done;
  for (uint32_t round = 0; round < 1500; ++round) {
    MmeDescriptor d = round % 3 == 0   ? Product()
                      : round % 3 == 1 ? Convolution()
                                       : RandomGaudi2Mme(round).Descriptor(kAt);
    uint32_t words[kMmeDescriptorWords];
    std::memcpy(words, &d, sizeof words);
    const bool all = round % 50 == 49;
    const int changes = all ? kMmeDescriptorWords : static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) words[all ? i : random() % kMmeDescriptorWords] = word();
    const MmeFuzzed one = FuzzGaudi2Mme(reinterpret_cast<const uint8_t*>(words), sizeof words);
    done.analysed += one.analysed;
    done.walked += one.walked;
    done.ran += one.ran;
  }
  EXPECT_GT(done.analysed, 1000);
  EXPECT_GT(done.walked, 800);
  EXPECT_GT(done.ran, 500);
}

}  // namespace
}  // namespace openhpu::simulator
