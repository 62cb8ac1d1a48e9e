#include "simulator/functional/gaudi2_mme.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/base/dtype.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi2;
namespace mme = hal::abi::gaudi2::mme;
using Descriptor = abi::MmeDescriptor;
using Header = mme::HEADER_LOW;

constexpr uint64_t kTile = 256;                       // rows and columns of a step
constexpr uint64_t kMostVectors = uint64_t{1} << 36;  // of a descriptor: half a minute of a card
constexpr int32_t kPort = 64;                         // rows or columns of an input buffer
constexpr uint32_t kReadsA = 1u << 0 | 1u << 4, kReadsB = 1u << 2 | 1u << 3;
constexpr int kBuffersOfA[] = {0, 4}, kBuffersOfB[] = {2, 3};

// The first field that is not that of a product.
class Form {
 public:
  void Require(bool holds, const char* field) {
    if (!holds && field_ == nullptr) field_ = field;
  }
  absl::Status status() const {
    if (field_ == nullptr) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(
        "MME descriptor with ", field_, " that is not that of a product of one MME of Gaudi2"));
  }

 private:
  const char* field_ = nullptr;
};

uint64_t Wide(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }
uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// A matrix by its registers: `dense` elements of dim 0, `lines` of dim 1.
struct Matrix {
  uint64_t dense = 0, lines = 0;
  int64_t stride = 0;
};

Matrix ReadMatrix(const abi::MmeTensor& t, uint32_t lines_a_step, const char* field, Form& form) {
  Matrix m;
  m.dense = t.valid_elements[0];
  m.stride = t.spatial_strides[0] / lines_a_step;
  form.Require(m.stride > 0 && t.spatial_strides[0] % lines_a_step == 0 &&
                   t.valid_elements[1] % m.stride == 0,
               field);
  m.lines = m.stride == 0 ? 0 : t.valid_elements[1] / m.stride;
  for (const uint32_t start : t.start_offset) form.Require(start == 0, field);
  return m;
}

// The two outer dims of `base`, and its dims 0 and 1.
void RequireBase(const abi::MmeAgu& agu, int64_t first, int64_t second, const char* field,
                 Form& form) {
  const int32_t* const base = agu.roi_base_offset;
  form.Require(
      base[0] == first && base[1] == second && base[2] == 0 && base[3] == 0 && base[4] == 0, field);
}

absl::StatusOr<DType> TypeOf(const char* field, uint32_t code) {
  switch (static_cast<mme::DataType>(code)) {
    case mme::DataType::kFloat32:
      return DType::kFloat32;
    case mme::DataType::kBFloat16:
      return DType::kBFloat16;
    default:
      return absl::UnimplementedError(
          absl::StrCat("MME descriptor with ", field, " ", code, ", which is not modelled"));
  }
}

void CheckConstants(const Descriptor& d, bool trans_a, Form& form) {
  using Low = mme::BRAINS_LOW;
  using High = mme::BRAINS_HIGH;
  uint32_t header = Header::TRANS_A::kMask | Header::TRANS_B::kMask | Header::DATA_TYPE_IN::kMask |
                    Header::DATA_TYPE_COUT::kMask;
  header = d.header_low & ~header;
  uint32_t wanted = Header::AGU_READS_A::Set(0, kReadsA);
  wanted = Header::AGU_READS_B::Set(wanted, kReadsB);
  wanted |= Header::DOUBLE_ACCUMS::kMask | Header::STORE_EN0::kMask;
  form.Require(header == wanted, "a HEADER_LOW");
  form.Require(d.header_high == 0, "a HEADER_HIGH");
  form.Require(d.brains_low == (Low::A_MASTER_EN::kMask | Low::A_SLAVE_EN::kMask |
                                Low::B_MASTER_EN::kMask | Low::B_SLAVE_EN::kMask |
                                Low::AGU_COUT0_MASTER_EN::kMask | Low::AGU_COUT0_SLAVE_EN::kMask |
                                Low::AGU_COUT1_MASTER_EN::kMask | Low::AGU_COUT1_SLAVE_EN::kMask),
               "a BRAINS_LOW");
  const uint32_t shuffle =
      static_cast<uint32_t>(trans_a ? mme::ShuffleA::kTwoPorts : mme::ShuffleA::kNone);
  form.Require(d.brains_high ==
                   High::SHUFFLE_A::Set(High::EU_MASTER_EN::kMask | High::EU_SLAVE_EN::kMask |
                                            High::AP_MASTER_EN::kMask | High::AP_SLAVE_EN::kMask,
                                        shuffle),
               "a BRAINS_HIGH");
  // Who gives the array what: its own rows of A, and columns of B of both cores.
  for (const bool master : {true, false}) {
    using Eus = mme::EUS_MASTER;  // EUS_SLAVE has the same fields
    const uint32_t eus = master ? d.eus_master : d.eus_slave;
    const uint32_t own = mme::SelectB(master ? 0 : 2), partners = mme::SelectB(master ? 2 : 0);
    const bool buffers = Eus::SB0_EN::Get(eus) && Eus::SB2_EN::Get(eus) && Eus::SB3_EN::Get(eus) &&
                         Eus::SB4_EN::Get(eus) && !Eus::SB1_EN::Get(eus) &&
                         Eus::REMOTE_IN0_EN::Get(eus) && Eus::REMOTE_IN1_EN::Get(eus);
    const bool selects =
        Eus::SB0_SEL::Get(eus) == mme::SelectA(0) && Eus::SB4_SEL::Get(eus) == mme::SelectA(1) &&
        Eus::SB2_SEL::Get(eus) == own && Eus::SB3_SEL::Get(eus) == own + 1 &&
        Eus::REMOTE_IN0_SEL::Get(eus) == partners && Eus::REMOTE_IN1_SEL::Get(eus) == partners + 1;
    form.Require(buffers && selects, master ? "an EUS_MASTER" : "an EUS_SLAVE");
  }
  form.Require(d.num_iterations_minus_1 == 0, "a NUM_ITERATIONS_MINUS_1");
  form.Require(d.sb_repeat == 0, "an SB_REPEAT");
  form.Require(d.user_data == 0, "a USER_DATA");
  form.Require(d.power_loop == 0, "a POWER_LOOP");
}

void CheckLoops(const Descriptor& d, bool trans_a, bool trans_b, Form& form) {
  using Low = mme::CONV_LOW;
  using High = mme::CONV_HIGH;
  using Outer = mme::OUTER_LOOP;
  const uint32_t none = mme::kNoDim;
  form.Require(Low::DIM0_ASSOCIATED_DIMS_A::Get(d.conv_low) == none &&
                   Low::DIM0_ASSOCIATED_DIMS_B::Get(d.conv_low) == (trans_b ? 1u : 0u) &&
                   Low::DIM0_ASSOCIATED_DIMS_COUT::Get(d.conv_low) == 0 &&
                   Low::DIM1_ASSOCIATED_DIMS_A::Get(d.conv_low) == (trans_a ? 1u : 0u) &&
                   Low::DIM1_ASSOCIATED_DIMS_B::Get(d.conv_low) == none &&
                   Low::DIM1_ASSOCIATED_DIMS_COUT::Get(d.conv_low) == 1,
               "a CONV_LOW");
  form.Require(High::DIM2_ASSOCIATED_DIMS_A::Get(d.conv_high) == 2 &&
                   High::DIM2_ASSOCIATED_DIMS_B::Get(d.conv_high) == 2 &&
                   High::DIM2_ASSOCIATED_DIMS_COUT::Get(d.conv_high) == 2 &&
                   High::DIM3_ASSOCIATED_DIMS_A::Get(d.conv_high) == 3 &&
                   High::DIM3_ASSOCIATED_DIMS_B::Get(d.conv_high) == 3 &&
                   High::DIM3_ASSOCIATED_DIMS_COUT::Get(d.conv_high) == 3,
               "a CONV_HIGH");
  form.Require(Outer::ASSOCIATED_DIMS_A::Get(d.outer_loop) == 4 &&
                   Outer::ASSOCIATED_DIMS_B::Get(d.outer_loop) == 4 &&
                   Outer::ASSOCIATED_DIMS_COUT::Get(d.outer_loop) == 4,
               "an OUTER_LOOP");
}

// One step's walk of the operand: its ports, and how far the loops move them.
void CheckWalk(const Descriptor& d, bool trans_a, bool trans_b, const Matrix& a, const Matrix& b,
               const Matrix& c, Form& form) {
  constexpr int64_t kTiles = kTile;
  form.Require(d.tensor_a.loop_stride[0] == (trans_a ? 0 : kTiles) &&
                   d.tensor_a.loop_stride[1] == (trans_a ? kTiles * a.stride : 0),
               "a loopStride of A");
  form.Require(d.tensor_b.loop_stride[0] == (trans_b ? 0 : kTiles) &&
                   d.tensor_b.loop_stride[1] == (trans_b ? kTiles * b.stride : 0),
               "a loopStride of B");
  form.Require(
      d.tensor_cout.loop_stride[0] == kTiles && d.tensor_cout.loop_stride[1] == kTiles * c.stride,
      "a loopStride of C");
  form.Require(d.tensor_cout.roi_size[0] == kTiles &&
                   d.tensor_cout.roi_size[1] == kTiles * c.stride && d.cout_ss == 127,
               "a roiSize of C");
  // The common dim: as many steps for A as for B.
  const uint64_t ka = trans_a ? d.tensor_a.roi_size[0] : uint64_t{d.a_ss} + 1;
  const uint64_t kb = trans_b ? d.tensor_b.roi_size[0] : uint64_t{d.b_ss} + 1;
  form.Require(ka == kb, "a common dim");
  form.Require(trans_a ? d.a_ss == kPort - 1 : d.tensor_a.roi_size[0] == kPort, "a roiSize of A");
  form.Require(trans_b ? d.b_ss == kPort - 1 : d.tensor_b.roi_size[0] == kPort, "a roiSize of B");
  for (int core = 0; core < 2; ++core) {
    const auto of = [core](const abi::MmeAguPair& pair) -> const abi::MmeAgu& {
      return core == 0 ? pair.master : pair.slave;
    };
    for (int port = 0; port < 2; ++port) {
      const int64_t row = 128 * core + kPort * port, column = row;
      RequireBase(of(d.agu_in[kBuffersOfA[port]]), trans_a ? 0 : row,
                  trans_a ? (core + 2 * port) * a.stride : 0, "a roiBaseOffset of A", form);
      RequireBase(of(d.agu_in[kBuffersOfB[port]]), trans_b ? 0 : column,
                  trans_b ? column * b.stride : 0, "a roiBaseOffset of B", form);
      RequireBase(of(d.agu_cout[port]), 128 * port, (trans_a ? 1 : 128) * core * c.stride,
                  "a roiBaseOffset of C", form);
    }
  }
}

void ReadSignals(const Descriptor& d, Gaudi2Product& product, Form& form) {
  using Word = mme::SyncObjectDw0;
  const uint32_t word = d.sync_obj_dw0;
  form.Require(Word::SIGNAL_EN1::Get(word) == 0, "a second sync object");
  if (Word::SIGNAL_EN0::Get(word) == 0) return;
  form.Require(Word::SIGNAL_MASK0::Get(word) == Word::SIGNAL_MASK0::kMax, "a SIGNAL_MASK0");
  product.signal_value = d.sync_obj_val0;
  product.signals.push_back(d.sync_obj_addr0);
  if (Word::SLAVE_SIGNAL_EN::Get(word) == 0) return;
  const bool apart = Word::SLAVE0_USE_SLAVE_SO_ADDR::Get(word) != 0;
  const bool next = Word::SLAVE0_USE_MASTER_SO_ADDR_PLUS4::Get(word) != 0;
  product.signals.push_back(apart ? d.slave_sync_obj0_addr : d.sync_obj_addr0 + (next ? 4 : 0));
}

// Whether no element of C is written twice.
bool WritesOnce(const GemmShape& s) {
  std::vector<std::pair<int64_t, int64_t>> dims = {{s.c.row, s.m}};  // stride and count
  for (int i = 0; i < 3; ++i) dims.push_back({s.c.batch[i], s.batch[i]});
  std::sort(dims.begin(), dims.end());
  int64_t extent = s.n;
  for (const auto& [stride, count] : dims) {
    if (count <= 1) continue;
    if (stride < extent) return false;
    extent += stride * (count - 1);
  }
  return true;
}

}  // namespace

absl::StatusOr<Gaudi2Product> ReadGaudi2Product(const Descriptor& d) {
  Form form;
  const bool trans_a = Header::TRANS_A::Get(d.header_low) != 0;  // dim 0 of A is the common one
  const bool trans_b = Header::TRANS_B::Get(d.header_low) != 0;
  Gaudi2Product product;
  GemmShape& shape = product.shape;
  ASSIGN_OR_RETURN(shape.in, TypeOf("DATA_TYPE_IN", Header::DATA_TYPE_IN::Get(d.header_low)));
  ASSIGN_OR_RETURN(shape.out, TypeOf("DATA_TYPE_COUT", Header::DATA_TYPE_COUT::Get(d.header_low)));
  CheckConstants(d, trans_a, form);
  CheckLoops(d, trans_a, trans_b, form);
  const Matrix a = ReadMatrix(d.tensor_a, trans_a ? 4 : 1, "an A", form);
  const Matrix b = ReadMatrix(d.tensor_b, 1, "a B", form);
  const Matrix c = ReadMatrix(d.tensor_cout, trans_a ? 2 : 1, "a C", form);
  CheckWalk(d, trans_a, trans_b, a, b, c, form);
  ReadSignals(d, product, form);

  const uint64_t m = trans_a ? a.lines : a.dense, n = trans_b ? b.lines : b.dense;
  const uint64_t k = trans_a ? a.dense : a.lines;
  product.common_dim = trans_a ? static_cast<uint32_t>(d.tensor_a.roi_size[0]) : d.a_ss + 1;
  form.Require(k == (trans_b ? b.dense : b.lines) && k <= product.common_dim, "a common dim");
  form.Require(m == c.lines && n == c.dense, "a size of C");
  using Kernel = mme::CONV_KERNEL_SIZE_MINUS_1;
  const uint32_t kernel = d.conv_kernel_size_minus_1;
  const uint64_t columns = Kernel::DIM0::Get(kernel) + 1, rows = Kernel::DIM1::Get(kernel) + 1;
  form.Require(columns == CeilDiv(n, kTile) && rows == CeilDiv(m, kTile), "a kernel size");
  shape.m = static_cast<int64_t>(m);
  shape.n = static_cast<int64_t>(n);
  shape.k = static_cast<int64_t>(k);
  const uint64_t batch[3] = {Kernel::DIM2::Get(kernel) + 1, Kernel::DIM3::Get(kernel) + 1,
                             mme::OUTER_LOOP::SIZE_MINUS_1::Get(d.outer_loop) + 1};
  product.steps = columns * rows;
  product.reads_a = columns;
  product.reads_b = rows;
  for (int i = 0; i < 3; ++i) {
    shape.batch[i] = static_cast<int64_t>(batch[i]);
    product.steps *= batch[i];
    if (batch[i] == 1) continue;
    const auto step = [&](const abi::MmeTensor& t, const char* field) {
      const int64_t stride = t.loop_stride[2 + i];
      form.Require(
          stride >= 0 && static_cast<uint64_t>(stride) * (batch[i] - 1) < t.valid_elements[2 + i],
          field);
      return stride;
    };
    shape.a.batch[i] = step(d.tensor_a, "a batch dim of A");
    shape.b.batch[i] = step(d.tensor_b, "a batch dim of B");
    shape.c.batch[i] = step(d.tensor_cout, "a batch dim of C");
    form.Require(shape.c.batch[i] != 0, "a batch dim of C");
    if (shape.a.batch[i] == 0) product.reads_a *= batch[i];
    if (shape.b.batch[i] == 0) product.reads_b *= batch[i];
  }
  RETURN_IF_ERROR(form.status());
  shape.a.row = trans_a ? a.stride : 1;
  shape.a.column = trans_a ? 1 : a.stride;
  shape.b.row = trans_b ? 1 : b.stride;
  shape.b.column = trans_b ? b.stride : 1;
  shape.c.row = c.stride;
  shape.c.column = 1;
  product.a = DeviceAddress(Wide(d.a_high, d.a_low));
  product.b = DeviceAddress(Wide(d.b_high, d.b_low));
  product.c = DeviceAddress(Wide(d.cout0_high, d.cout0_low));
  if (product.steps > kMostVectors / std::max<uint64_t>(product.common_dim, 1)) {
    return absl::InvalidArgumentError("MME descriptor of more than 2^36 k-vectors");
  }
  const std::array<AccessBox, 3> boxes = BoxesOf(product);
  if (!WritesOnce(shape) || Intersect(boxes[2], boxes[0]) || Intersect(boxes[2], boxes[1])) {
    return absl::UnimplementedError(
        "MME descriptor that writes what it reads, or an element twice, is not modelled");
  }
  return product;
}

std::array<AccessBox, 3> BoxesOf(const Gaudi2Product& product) {
  const GemmShape& s = product.shape;
  const auto box = [&](DeviceAddress base, const GemmShape::Strides& strides, int64_t rows,
                       int64_t columns, DType type) {
    const auto bytes = static_cast<int64_t>(StorageBytes(type));
    const bool dense_rows = strides.column == 1;
    const int64_t run = dense_rows ? columns : rows, lines = dense_rows ? rows : columns;
    AccessBox result;
    result.base = base;
    result.run = lines == 0 ? 0 : static_cast<uint64_t>(run * bytes);
    result.sizes[1] = static_cast<uint64_t>(std::max<int64_t>(lines, 1));
    result.strides[1] = (dense_rows ? strides.row : strides.column) * bytes;
    for (int i = 0; i < 3; ++i) {
      if (strides.batch[i] == 0) continue;
      result.sizes[2 + i] = static_cast<uint64_t>(s.batch[i]);
      result.strides[2 + i] = strides.batch[i] * bytes;
    }
    return result;
  };
  std::array<AccessBox, 3> boxes = {box(product.a, s.a, s.m, s.k, s.in),
                                    box(product.b, s.b, s.k, s.n, s.in),
                                    box(product.c, s.c, s.m, s.n, s.out)};
  boxes[2].write = true;
  return boxes;
}

absl::Status RunGaudi2Product(const Gaudi2Product& product, Arithmetic arithmetic,
                              AddressSpace& memory) {
  std::array<std::byte*, 3> host = {nullptr, nullptr, nullptr};
  const std::array<AccessBox, 3> boxes = BoxesOf(product);
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (boxes[i].run == 0) continue;
    const DeviceAddress begin = Begin(boxes[i]);
    ASSIGN_OR_RETURN(host[i], memory.Resolve(begin, (End(boxes[i]) - begin).value()));
  }
  return arithmetic == Arithmetic::kFast ? FastGemm(product.shape, host[0], host[1], host[2])
                                         : ExactGemm(product.shape, host[0], host[1], host[2]);
}

}  // namespace openhpu::simulator
