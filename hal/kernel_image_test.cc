#include "hal/kernel_image.h"

#include <cstring>
#include <string>

#include "gtest/gtest.h"
#include "hal/abi/kernel_image.h"

namespace openhpu::hal {
namespace {

TEST(KernelImageTest, TheCodeFollowsAPageOfHeader) {
  KernelImage image;
  image.guid = "openhpu.fused";
  for (char c : std::string("123456789")) image.payload.push_back(static_cast<std::byte>(c));
  const auto bytes = MakeKernelImage(image, "tiny");
  ASSERT_TRUE(bytes.ok());
  ASSERT_EQ(bytes->size(), kKernelImagePage + 9);
  abi::KernelImageHeader header;
  std::memcpy(static_cast<void*>(&header), bytes->data(), sizeof header);
  EXPECT_EQ(header.magic, abi::kKernelImageMagic);
  EXPECT_EQ(header.version, abi::kKernelImageVersion);
  EXPECT_STREQ(header.guid, "openhpu.fused");
  EXPECT_STREQ(header.chip, "tiny");
  EXPECT_EQ(header.code_bytes, 9u);
  EXPECT_EQ(header.code_crc32c, 0xE3069283u);
  EXPECT_EQ((*bytes)[kKernelImagePage], static_cast<std::byte>('1'));
}

TEST(KernelImageTest, ANameMustFitTheHeader) {
  KernelImage image;
  EXPECT_FALSE(MakeKernelImage(image, "").ok());
  image.guid = std::string(63, 'g');
  EXPECT_TRUE(MakeKernelImage(image, "").ok());
  EXPECT_FALSE(MakeKernelImage(image, std::string(16, 'c')).ok());
  image.guid += 'g';
  EXPECT_FALSE(MakeKernelImage(image, "").ok());
}

}  // namespace
}  // namespace openhpu::hal
