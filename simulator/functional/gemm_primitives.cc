#include "simulator/functional/gemm_primitives.h"

#include <omp.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/gemm_cache.h"

namespace openhpu::simulator {
namespace {

struct Isa {
  const char* name;
  dnnl::cpu_isa isa;
};
constexpr Isa kIsas[] = {
    {"sse41", dnnl::cpu_isa::sse41},
    {"avx", dnnl::cpu_isa::avx},
    {"avx2", dnnl::cpu_isa::avx2},
    {"avx2_vnni", dnnl::cpu_isa::avx2_vnni},
    {"avx512_core", dnnl::cpu_isa::avx512_core},
    {"avx512_core_vnni", dnnl::cpu_isa::avx512_core_vnni},
    {"avx512_core_bf16", dnnl::cpu_isa::avx512_core_bf16},
    {"avx512_core_amx", dnnl::cpu_isa::avx512_core_amx},
};

absl::Status PinIsa() {
  const char* wanted = std::getenv("OPENHPU_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return absl::OkStatus();
  std::string known;
  for (const Isa& isa : kIsas) {
    if (isa.name == std::string(wanted)) {
      if (dnnl::set_max_cpu_isa(isa.isa) == dnnl::status::success) return absl::OkStatus();
      return absl::FailedPreconditionError(
          "OPENHPU_CPU_ISA comes too late: oneDNN has generated code already");
    }
    absl::StrAppend(&known, " ", isa.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("OPENHPU_CPU_ISA=", wanted, " is none of:", known));
}

}  // namespace

absl::Status PrepareEngine() {
  static const auto* status = new absl::Status(PinIsa());
  return *status;
}

const dnnl::engine& Engine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& Stream() {
  thread_local dnnl::stream stream(Engine());
  return stream;
}

void* Scratchpad(size_t bytes) {
  thread_local SharedBytes scratchpad;
  thread_local size_t size = 0;
  if (bytes > size) {
    scratchpad.reset();
    scratchpad = AllocateAligned(bytes);
    size = bytes;
  }
  return scratchpad.get();
}

absl::Status Primitive::Run(const std::byte* s, const std::byte* w, std::byte* d) const {
  try {
    const auto memory = [](const dnnl::memory::desc& desc, const void* bytes) {
      return dnnl::memory(desc, Engine(), const_cast<void*>(bytes));
    };
    primitive.execute(
        Stream(), {{DNNL_ARG_SRC, memory(source, s)},
                   {DNNL_ARG_WEIGHTS, memory(weights, w)},
                   {DNNL_ARG_DST, memory(destination, d)},
                   {DNNL_ARG_SCRATCHPAD, memory(scratchpad, Scratchpad(scratchpad.get_size()))}});
    Stream().wait();
  } catch (const dnnl::error& error) {
    return absl::InternalError(absl::StrCat("oneDNN: ", error.what()));
  }
  return absl::OkStatus();
}

std::string FastArithmeticName() {
  std::string isa = "?";
  if (absl::Status status = PrepareEngine(); !status.ok()) return std::string(status.message());
  for (const Isa& known : kIsas) {
    if (known.isa == dnnl::get_effective_cpu_isa()) isa = known.name;
  }
  const dnnl::version_t* version = dnnl::version();
  return absl::StrCat("oneDNN ", version->major, ".", version->minor, ".", version->patch, ", ",
                      isa, ", ", omp_get_max_threads(), " threads");
}

}  // namespace openhpu::simulator
