// oneDNN, kept in one place: the engine, and primitives made once a shape. Creating one costs
// hundreds of microseconds of code generation; running one must not.
#ifndef SIMULATOR_FUNCTIONAL_GEMM_PRIMITIVES_H_
#define SIMULATOR_FUNCTIONAL_GEMM_PRIMITIVES_H_

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "hal/base/dtype.h"

namespace openhpu::simulator {

// The process's engine; OPENHPU_CPU_ISA is applied before its first use. InvalidArgument when that
// names no level.
absl::Status PrepareEngine();
const dnnl::engine& Engine();
// A stream and a scratchpad of at least this size of the calling thread.
dnnl::stream& Stream();
void* Scratchpad(size_t bytes);

inline dnnl::memory::data_type DnnlType(DType type) {
  return type == DType::kBFloat16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// A primitive with the layouts it was made for.
struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, destination, scratchpad;
  std::string weights_layout;  // equal for equal layouts

  // Runs on these bytes; Internal carries the library's error.
  absl::Status Run(const std::byte* s, const std::byte* w, std::byte* d) const;
};

// Null where oneDNN has no optimised primitive for the key; that is kept too. Thread-safe; holds a
// bounded number and starts afresh beyond.
class PrimitiveTable {
 public:
  using Key = std::vector<int64_t>;
  template <typename Make>
  std::shared_ptr<const Primitive> Get(const Key& key, Make make) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (const auto it = table_.find(key); it != table_.end()) return it->second;
    if (table_.size() >= kMaxPrimitives) table_.clear();
    std::shared_ptr<const Primitive> made;
    try {
      made = make();
    } catch (
        const dnnl::error&) {  // unimplemented here: a type or a layout this CPU's kernels lack
    }
    return table_.emplace(key, std::move(made)).first->second;
  }

 private:
  static constexpr size_t kMaxPrimitives = 2048;
  std::mutex mutex_;
  absl::flat_hash_map<Key, std::shared_ptr<const Primitive>> table_;
};

// A primitive from its descriptor; null when only the library's slow reference fits.
template <typename PrimitiveKind>
std::shared_ptr<const Primitive> MakePrimitive(const typename PrimitiveKind::primitive_desc& pd) {
  if (std::string(pd.impl_info_str()).find("ref") == 0) return nullptr;
  auto made = std::make_shared<Primitive>();
  made->primitive = PrimitiveKind(pd);
  made->source = pd.src_desc();
  made->weights = pd.weights_desc();
  made->destination = pd.dst_desc();
  made->scratchpad = pd.scratchpad_desc();
  made->weights_layout.assign(reinterpret_cast<const char*>(&made->weights.data),
                              sizeof made->weights.data);
  return made;
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GEMM_PRIMITIVES_H_
