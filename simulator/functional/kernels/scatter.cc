// openhpu.scatter, without atomics: a step of the index space owns everything that may be written
// along the scattered dim, and goes through the index in its order.
//
// Traffic is as if index j were j modulo the output's size, whatever the data.
#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "hal/base/dtype.h"
#include "hal/kernel/kernels.h"
#include "simulator/functional/kernels/contract_kernel.h"
#include "simulator/functional/kernels/walk.h"

namespace openhpu::simulator {
namespace {

using hal::KernelTensor;
using hal::ScatterOp;
using hal::ScatterParams;

constexpr uint64_t kNoError = UINT64_MAX;

// Storage and arithmetic types of a dtype.
struct Float32 {
  using Stored = float;
  using Value = float;
  static Value Load(Stored s) { return s; }
  static Stored Store(Value v) { return v; }
};
struct BFloat16 {
  using Stored = uint16_t;
  using Value = float;
  static Value Load(Stored s) { return BFloat16ToFloat(s); }
  static Stored Store(Value v) { return FloatToBFloat16(v); }
};
template <typename T>
struct Integer {
  using Stored = T;
  using Value = int32_t;
  static Value Load(Stored s) { return s; }
  static Stored Store(Value v) { return static_cast<Stored>(v); }
};

template <ScatterOp op, typename V>
V Combine(V a, V b) {
  if constexpr (op == ScatterOp::kReplace) {
    return b;
  } else if constexpr (std::is_same_v<V, float>) {
    // One NaN for all: which of two the host's arithmetic keeps is not ours to say.
    if (a != a || b != b) return std::numeric_limits<float>::quiet_NaN();
    V result = b;
    if constexpr (op == ScatterOp::kAdd) result = a + b;
    if constexpr (op == ScatterOp::kMultiply) result = a * b;
    if constexpr (op == ScatterOp::kMin) result = b < a ? b : a;
    if constexpr (op == ScatterOp::kMax) result = a < b ? b : a;
    return result == result ? result : std::numeric_limits<float>::quiet_NaN();
  } else {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    if constexpr (op == ScatterOp::kAdd) return static_cast<V>(x + y);
    if constexpr (op == ScatterOp::kMultiply) return static_cast<V>(x * y);
    if constexpr (op == ScatterOp::kMin) return std::min(a, b);
    return std::max(a, b);
  }
}

// to[i] = op(to[i], from[i * stride]), 0 <= i < n.
using Apply = void (*)(std::byte* to, const std::byte* from, int64_t stride, size_t n);

template <typename T, ScatterOp op>
void ApplyRun(std::byte* to, const std::byte* from, int64_t stride, size_t n) {
  auto* out = reinterpret_cast<typename T::Stored*>(to);
  const auto* in = reinterpret_cast<const typename T::Stored*>(from);
  for (size_t i = 0; i < n; ++i) {
    const typename T::Stored source = in[static_cast<int64_t>(i) * stride];
    if constexpr (op == ScatterOp::kReplace) {
      out[i] = source;
    } else {
      out[i] = T::Store(Combine<op>(T::Load(out[i]), T::Load(source)));
    }
  }
}

template <typename T>
Apply ApplyOf(ScatterOp op) {
  switch (op) {
    case ScatterOp::kReplace:
      return ApplyRun<T, ScatterOp::kReplace>;
    case ScatterOp::kAdd:
      return ApplyRun<T, ScatterOp::kAdd>;
    case ScatterOp::kMultiply:
      return ApplyRun<T, ScatterOp::kMultiply>;
    case ScatterOp::kMin:
      return ApplyRun<T, ScatterOp::kMin>;
    case ScatterOp::kMax:
      return ApplyRun<T, ScatterOp::kMax>;
  }
  return nullptr;
}

Apply ApplyOf(DType dtype, ScatterOp op) {
  switch (dtype) {
    case DType::kFloat32:
      return ApplyOf<Float32>(op);
    case DType::kBFloat16:
      return ApplyOf<BFloat16>(op);
    case DType::kInt16:
      return ApplyOf<Integer<int16_t>>(op);
    case DType::kInt8:
      return ApplyOf<Integer<int8_t>>(op);
    case DType::kUInt8:
    case DType::kBool:
      return ApplyOf<Integer<uint8_t>>(op);
    default:
      return ApplyOf<Integer<int32_t>>(op);
  }
}

class ScatterKernel : public ContractKernel<ScatterKernel> {
 public:
  static absl::StatusOr<ScatterParams> Read(absl::Span<const uint32_t> scalars) {
    return hal::ReadScatter(scalars);
  }
  static absl::StatusOr<hal::TpcDims> Space(const ScatterParams& params, hal::KernelTensors t) {
    return hal::ScatterIndexSpace(params, t);
  }

  std::vector<AccessBox> Footprint(const BoundLaunch& launch,
                                   const hal::IndexBox& box) const override {
    const ScatterParams params = Params(launch);
    const ElementBox written = Written(launch, box);
    ElementBox out = written;
    const uint8_t d = params.dim;
    out.size[d] = std::min(written.size[d], launch.tensors[2].sizes[d]);
    std::vector<AccessBox> boxes;
    for (size_t i = 0; i < 2; ++i) {
      boxes.push_back(TensorAccess(launch.tensors[i], launch.addresses[i],
                                   Broadcast(written, launch.tensors[i]), false));
    }
    if (params.op != ScatterOp::kReplace) {
      boxes.push_back(TensorAccess(launch.tensors[2], launch.addresses[2], out, false));
    }
    boxes.push_back(TensorAccess(launch.tensors[2], launch.addresses[2], out, true));
    return boxes;
  }

  KernelCost Cost(const BoundLaunch& launch, const hal::IndexBox& box) const override {
    const ElementBox written = Written(launch, box);
    KernelCost cost;
    if (written.Count() == 0) return cost;
    const ScatterParams params = Params(launch);
    const uint64_t reads = params.op == ScatterOp::kReplace ? 0 : 1;
    if (params.dim != 0 && launch.tensors[0].sizes[0] == 1) {
      // Rows: a scalar load of the index and an address each.
      const uint64_t vectors = BoxVectors(launch.tensors[2], written);
      cost.vector_accesses = (2 + reads) * vectors + Rows(written);
      cost.bundles = (1 + reads) * vectors + 4 * Rows(written);
    } else {
      // Element by element: index, source and place.
      cost.vector_accesses = (1 + reads) * written.Count() +
                             BoxVectors(launch.tensors[0], written) +
                             BoxVectors(launch.tensors[1], Broadcast(written, launch.tensors[1]));
      cost.bundles = (4 + reads) * written.Count();
    }
    return cost;
  }

  absl::Status Run(const BoundLaunch& launch, const hal::IndexBox& box,
                   AddressSpace& memory) const override {
    const KernelTensor &index = launch.tensors[0], &source = launch.tensors[1],
                       &out = launch.tensors[2];
    const ElementBox written = Written(launch, box);
    if (written.Count() == 0) return absl::OkStatus();
    const ScatterParams params = Params(launch);
    const int dim = params.dim;
    ElementBox places = written;
    places.size[dim] = out.sizes[dim];
    ASSIGN_OR_RETURN(const std::byte* index_base,
                     ResolveTensor(launch, 0, Broadcast(written, index), memory));
    ASSIGN_OR_RETURN(const std::byte* source_base,
                     ResolveTensor(launch, 1, Broadcast(written, source), memory));
    ASSIGN_OR_RETURN(std::byte * out_base, ResolveTensor(launch, 2, places, memory));

    const auto stride = [](const KernelTensor& t, int d) {
      return t.sizes[d] == 1 ? 0 : static_cast<int64_t>(t.strides[d]);
    };
    const auto n = static_cast<int64_t>(out.sizes[dim]);
    const auto place_stride = static_cast<int64_t>(out.strides[dim]);
    const int64_t index_step = stride(index, dim), source_step = stride(source, dim);
    const int64_t column = dim == 0 ? 0 : stride(index, 0),
                  source_column = dim == 0 ? 0 : stride(source, 0);
    const int64_t bytes = StorageBytes(out.dtype);
    const Apply apply = ApplyOf(out.dtype, params.op);
    const uint64_t count = written.size[dim];
    // Units: columns in chunks, for each coordinate of the other dims.
    constexpr uint64_t kColumns = 256;
    const uint64_t columns = dim == 0 ? 1 : written.size[0];
    const uint64_t chunks = (columns + kColumns - 1) / kColumns;
    const Walk outer(written.size, static_cast<uint8_t>(0x1E & ~(1 << dim)),
                     {&index, &source, &out});
    const auto units = static_cast<int64_t>(outer.count() * chunks);
    uint64_t error = kNoError;  // the first entry of the index, along it, that is out of range
#pragma omp parallel for schedule(static) \
    reduction(min                         \
              : error) if (units > 1 && written.Count() > kParallelElements)
    for (int64_t unit = 0; unit < units; ++unit) {
      const Walk::Offsets at = outer.At(static_cast<uint64_t>(unit) / chunks);
      const uint64_t first = static_cast<uint64_t>(unit) % chunks * kColumns;
      const uint64_t width = std::min(kColumns, columns - first);
      const auto shift = static_cast<int64_t>(first);
      for (uint64_t j = 0; j < count; ++j) {
        const auto step = static_cast<int64_t>(j);
        const std::byte* indices = index_base + (at[0] + step * index_step + shift * column) * 4;
        const std::byte* from =
            source_base + (at[1] + step * source_step + shift * source_column) * bytes;
        // One index a run, or one a column.
        const uint64_t run = column == 0 ? width : 1;
        for (uint64_t c = 0; c < width; c += run) {
          int32_t value;
          std::memcpy(&value, indices + c * 4, sizeof value);
          const int64_t place = value < 0 ? value + n : value;
          if (place < 0 || place >= n) {
            error = std::min(error, j);
            continue;
          }
          const auto moved = static_cast<int64_t>(c);
          std::byte* to = out_base + (at[2] + shift + moved + place * place_stride) * bytes;
          apply(to, from + moved * source_column * bytes, source_column, run);
        }
      }
    }
    if (error == kNoError) return absl::OkStatus();
    return absl::OutOfRangeError(hal::Cat(hal::kScatterGuid, ": entry ", error,
                                          " of the index is outside the output of ", n));
  }

 private:
  // What a box writes, element by element: as many along the dim as the index has.
  static ElementBox Written(const BoundLaunch& launch, const hal::IndexBox& box) {
    const ScatterParams params = Params(launch);
    hal::TpcDims positions = launch.tensors[2].sizes, sizes = positions;
    if (positions[params.dim] > 1) positions[params.dim] = 1;
    sizes[params.dim] = launch.tensors[0].sizes[params.dim];
    const ElementBox steps = ToElements(box, positions);
    return Widen(steps, static_cast<uint8_t>(1 << params.dim), sizes);
  }
};

}  // namespace

KernelOr MakeScatterKernel(absl::Span<const std::byte> payload) {
  return MakeContractKernel<ScatterKernel>(hal::kScatterGuid, payload);
}

}  // namespace openhpu::simulator
