// What an MME of Gaudi2 computes from its architectural descriptor, of the one form that is
// modelled: a product by one MME, 256 rows and 256 columns a step (mme_descriptor.md, 7.3), as the
// command writer makes it. Everything else is Unimplemented by the name of the field. No time here.
//
// Sums are taken in Gaudi's order (gemm.h), not by the eight or two products at once that Gaudi2
// adds: values of integers are exact, others differ in the last bits.
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hal/abi/gaudi2/mme.h"
#include "simulator/functional/access.h"
#include "simulator/functional/gemm.h"
#include "simulator/functional/mme.h"

namespace openhpu::simulator {

struct Gaudi2Product {
  GemmShape shape;
  DeviceAddress a, b, c;
  uint64_t steps = 0;                 // tiles of both cores
  uint64_t common_dim = 0;            // of a step, padded
  uint64_t reads_a = 1, reads_b = 1;  // times that the loops walk the operand
  // Low halves of the addresses of sync objects that are written at the end, and what.
  std::vector<uint32_t> signals;
  uint32_t signal_value = 0;
};

absl::StatusOr<Gaudi2Product> ReadGaudi2Product(const hal::abi::gaudi2::MmeDescriptor& descriptor);
// Reads of A, reads of B, writes of C, in this order.
std::array<AccessBox, 3> BoxesOf(const Gaudi2Product& product);
absl::Status RunGaudi2Product(const Gaudi2Product& product, Arithmetic arithmetic,
                              AddressSpace& memory);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_H_
