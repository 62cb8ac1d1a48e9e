// The model against the naive MME, over random descriptors.
#include "simulator/functional/mme_random.h"

#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/functional/gemm_testing.h"
#include "simulator/functional/mme.h"
#include "simulator/functional/mme_match.h"
#include "simulator/functional/mme_naive.h"
#include "simulator/functional/mme_testing.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {
namespace {

using hal::abi::gaudi::MmeDescriptor;
using Low = hal::abi::gaudi::mme::HEADER_LOW;

constexpr Addresses kAt = {0x20000000, 0x20040000, 0x20080000};
constexpr uint64_t kBytes = 0xC0000;

// Three operands; remembers which bytes were asked for.
class Memory final : public AddressSpace {
 public:
  absl::StatusOr<std::byte*> Resolve(DeviceAddress address, uint64_t bytes) override {
    std::byte* at = At(address.value(), bytes);
    if (at == nullptr) return absl::OutOfRangeError("address");
    std::fill_n(touched.begin() + (address.value() - kAt.s), bytes, true);
    return at;
  }
  uint64_t PageVersion(DeviceAddress) const override { return 0; }
  std::byte* At(uint64_t address, uint64_t size) {
    const bool inside = address >= kAt.s && address + size <= kAt.s + kBytes;
    return inside ? bytes.data() + (address - kAt.s) : nullptr;
  }

  std::vector<std::byte> bytes = std::vector<std::byte>(kBytes);
  std::vector<bool> touched = std::vector<bool>(kBytes);
};

DType TypeOf(const MmeDescriptor& d, bool in) {
  const bool f32 =
      (in ? Low::DATA_TYPE_IN::Get(d.header_low) : Low::DATA_TYPE_OUT::Get(d.header_low)) != 0;
  return f32 ? DType::kFloat32 : DType::kBFloat16;
}

void Prepare(const MmeDescriptor& d, Values values, uint32_t seed, Memory& memory) {
  Fill(TypeOf(d, true), values, 3 * seed, memory.At(kAt.s, 1), kRandomElements);
  Fill(TypeOf(d, true), values, 3 * seed + 1, memory.At(kAt.l, 1), kRandomElements);
  Fill(TypeOf(d, false), values, 3 * seed + 2, memory.At(kAt.o, 1), kRandomElements);
}

std::string Dump(const MmeDescriptor& d) {
  std::string text;
  uint32_t words[hal::abi::gaudi::kMmeDescriptorWords];
  std::memcpy(words, &d, sizeof words);
  for (int i = 0; i < hal::abi::gaudi::kMmeDescriptorWords; ++i) {
    if (words[i] == 0) continue;
    absl::StrAppend(&text, " ", absl::Hex(8 + 4 * i), ":", absl::Hex(words[i]));
  }
  return text;
}

// 1 for each byte that a box covers; 2 where a written one does.
std::vector<uint8_t> BytesOf(const std::vector<AccessBox>& boxes) {
  std::vector<uint8_t> bytes(kBytes);
  for (const AccessBox& box : boxes) {
    std::vector<uint64_t> runs = {box.base.value() - kAt.s};
    for (int d = 0; d < 5; ++d) {
      std::vector<uint64_t> next;
      for (uint64_t r : runs) {
        for (uint64_t i = 0; i < box.sizes[d]; ++i) {
          next.push_back(r + i * static_cast<uint64_t>(box.strides[d]));
        }
      }
      runs.swap(next);
    }
    for (uint64_t r : runs) {
      for (uint64_t i = r; i < r + box.run; ++i) bytes[i] |= box.write ? 2 : 1;
    }
  }
  return bytes;
}

// What the loop nest touched is the footprint; a dense form may leave out what it does not need.
void CompareFootprint(const MmeDescriptor& d, bool dense, const std::vector<bool>& touched) {
  const auto boxes = MmeFootprint(d);
  ASSERT_TRUE(boxes.ok()) << boxes.status();
  const std::vector<uint8_t> bytes = BytesOf(*boxes);
  uint64_t differ = 0;
  for (uint64_t i = 0; i < kBytes; ++i) {
    const bool covered = bytes[i] != 0;
    if (covered != touched[i] && (covered || !dense)) ++differ;
    if (covered && (bytes[i] == 2) != (i >= kAt.o - kAt.s)) ++differ;
  }
  EXPECT_EQ(differ, 0u) << "bytes of the footprint";
}

struct Counts {
  int ran = 0, refused = 0, dense = 0;
};

// Runs descriptors one after the other, the model one way and the naive MME, and compares all that
// either leaves behind.
void Compare(const std::vector<MmeDescriptor>& descriptors, Arithmetic arithmetic, MmePath path,
             Values values, uint32_t seed, Counts* counts) {
  SCOPED_TRACE(::testing::Message()
               << "seed " << seed << ", " << (arithmetic == Arithmetic::kExact ? "exact" : "fast")
               << (path == MmePath::kAuto ? "" : ", generic"));
  Memory memory, naive_memory;
  MmeState state;
  NaiveMme naive([&](uint64_t address, uint64_t bytes) { return naive_memory.At(address, bytes); });
  Prepare(descriptors.front(), values, seed, memory);
  naive_memory.bytes = memory.bytes;
  for (const MmeDescriptor& d : descriptors) {
    SCOPED_TRACE(Dump(d));
    const bool keeps = Low::ACC_STORE_INC_DISABLE::Get(d.header_low) != 0;
    uint32_t words[hal::abi::gaudi::kMmeDescriptorWords];
    std::memcpy(words, &d, sizeof words);
    const std::string fault = naive.Run(words);
    if (fault == NaiveMme::kTooLarge) return;
    memory.touched.assign(kBytes, false);
    const absl::Status status = RunMme(d, arithmetic, path, memory, state);
    if (!fault.empty()) {
      EXPECT_FALSE(status.ok()) << "but: " << fault;
      if (counts != nullptr) ++counts->refused;
      return;
    }
    ASSERT_TRUE(status.ok()) << status;
    const auto work = AnalyseMme(d);
    ASSERT_TRUE(work.ok());
    EXPECT_EQ(work->signals, naive.signals());
    for (int a = 0; a < 2; ++a) EXPECT_EQ(state.arrays[a].index, naive.array(a).index);
    ASSERT_TRUE(memory.bytes == naive_memory.bytes);
    const auto view = ViewMme(d);
    const bool dense = !keeps && !std::holds_alternative<std::monostate>(MatchMme(*view));
    if (counts != nullptr) {
      ++counts->ran;
      if (dense) ++counts->dense;
    }
    if (path == MmePath::kGeneric) CompareFootprint(d, dense, memory.touched);
  }
}

TEST(MmeRandomTest, TheLoopNestIsTheReferences) {
  Counts counts;
  for (uint32_t seed = 0; seed < 500 && !HasFailure(); ++seed) {
    RandomMme random(seed, {seed % 2 == 1});
    Compare({random.Descriptor(kAt)}, Arithmetic::kExact, MmePath::kGeneric, Values::kReals, seed,
            &counts);
  }
  EXPECT_GT(counts.ran, 300);
  RecordProperty("refused", counts.refused);
}

TEST(MmeRandomTest, ChainsOfDescriptorsShareTheAccumulators) {
  Counts counts;
  for (uint32_t seed = 0; seed < 120 && !HasFailure(); ++seed) {
    RandomMme random(seed + 10000, {seed % 2 == 1});
    std::vector<MmeDescriptor> chain = {random.Descriptor(kAt)};
    // Types stay: what a tile of one type is to the other is not known.
    while (chain.size() < 4) {
      const MmeDescriptor d = random.Descriptor(kAt);
      if (TypeOf(d, true) == TypeOf(chain[0], true) &&
          TypeOf(d, false) == TypeOf(chain[0], false)) {
        chain.push_back(d);
      }
    }
    Compare(chain, Arithmetic::kExact, MmePath::kAuto, Values::kReals, seed, &counts);
  }
  EXPECT_GT(counts.ran, 250);
}

// A canonical form, and what becomes of it by a few changes.
std::vector<MmeDescriptor> Forms(RandomMme& random) {
  MmeDescriptor d;
  const DType in = random.OneIn(2) ? DType::kFloat32 : DType::kBFloat16;
  const DType out = random.OneIn(2) ? DType::kFloat32 : DType::kBFloat16;
  const Geometry geometry = random.OneIn(2)   ? Geometry::kPair
                            : random.OneIn(2) ? Geometry::kSouth
                                              : Geometry::kNorth;
  if (random.OneIn(2)) {
    GemmShape s;
    s.m = random.Between(1, 90);
    s.n = random.Between(1, 150);
    s.k = random.Between(1, 20);
    s.in = in;
    s.out = out;
    s.relu = random.OneIn(3);
    const bool ta = random.OneIn(2), tb = random.OneIn(2);
    s.a = {ta ? 1 : s.k + random.Below(3), ta ? s.m + random.Below(3) : 1, {}};
    s.b = {tb ? 1 : s.n + random.Below(3), tb ? s.k + random.Below(3) : 1, {}};
    s.c = {s.n + random.Below(3), 1, {}};
    if (random.OneIn(2)) {
      s.batch[0] = 2;
      s.a.batch[0] = random.OneIn(3) ? 0 : (ta ? s.k * s.a.column : s.m * s.a.row);
      s.b.batch[0] = random.OneIn(3) ? 0 : (tb ? s.n * s.b.column : s.k * s.b.row);
      s.c.batch[0] = s.m * s.c.row;
    }
    d = GemmDescriptor(s, geometry, kAt);
  } else {
    const int64_t r = random.Between(1, 3), q = random.Between(1, 2);
    ConvolutionShape s = DenseConvolution(
        random.Between(1, 2), random.Between(1, 6), random.Between(1, 150),
        {random.Between(5, 9), random.Between(5, 7), random.Between(1, 2)}, {r, q, 1},
        {random.Between(1, 2), random.Between(1, 2), 1}, {random.Between(1, 2), 1, 1},
        {random.Below(r), random.Below(q), 0}, in, out);
    s.relu = random.OneIn(3);
    d = ConvolutionDescriptor(s, geometry, kAt);
  }
  std::vector<MmeDescriptor> forms = {d};
  for (int i = 0; i < 4; ++i) {
    MmeDescriptor changed = d;
    for (int64_t c = random.Between(1, 2); c > 0; --c) random.Change(changed);
    if (random.OneIn(4)) {
      changed.header_low = Low::ROUNDING_MODE::Set(changed.header_low, random.Below(8));
    }
    forms.push_back(changed);
  }
  return forms;
}

TEST(MmeRandomTest, DenseFormsAreTakenOnlyWhenTheyAreEqual) {
  Counts counts;
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    RandomMme random(seed + 20000, {});
    for (const MmeDescriptor& d : Forms(random)) {
      Compare({d}, Arithmetic::kExact, MmePath::kAuto, Values::kReals, seed, &counts);
      Compare({d}, Arithmetic::kFast, MmePath::kAuto, Values::kSmallIntegers, seed, nullptr);
    }
  }
  EXPECT_GT(counts.dense, 150);
  EXPECT_GT(counts.ran - counts.dense, 100);
  RecordProperty("refused", counts.refused);
}

}  // namespace
}  // namespace openhpu::simulator
