// A descriptor of Gaudi2's MME read into numbers: the view that both chips share (mme_view.h), and
// how a core's array of rows and columns is made of ports (mme_descriptor.md, section 7).
#ifndef SIMULATOR_FUNCTIONAL_GAUDI2_MME_VIEW_H_
#define SIMULATOR_FUNCTIONAL_GAUDI2_MME_VIEW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "hal/abi/gaudi2/mme.h"
#include "simulator/functional/mme_view.h"

namespace openhpu::simulator {

inline constexpr int64_t kGaudi2PortLines = 64;    // rows or columns that an input buffer gives
inline constexpr int64_t kGaudi2OutputTile = 128;  // lines, and columns, of an output generator

// `count` writes of `value` to the sync object whose address ends in `address`.
struct Gaudi2Signal {
  uint32_t address = 0, value = 0;
  int64_t count = 0;
};

struct Gaudi2MmeView {
  // s is A (rows), l is B (columns), o is C; its generators are those of the master, output 0 and
  // 1, then the slave's.
  MmeView view;
  int64_t rows = 128, columns = 256;  // of a core
  bool hx2 = false;
  hal::abi::gaudi2::mme::ShuffleA shuffle = hal::abi::gaudi2::mme::ShuffleA::kNone;
  // Of a core (0: the master) and port: the generator, in view.s.agu and view.l.agu.
  std::array<std::array<int, 4>, 2> a{}, b{};
  std::vector<Gaudi2Signal> signals;

  int64_t PortsOfA() const { return rows / kGaudi2PortLines; }
  int64_t PortsOfB() const { return columns / kGaudi2PortLines; }
};

// InvalidArgument names what no machine can run; Unimplemented the field that this model does not,
// most of them because the reference does not say what it does.
absl::StatusOr<Gaudi2MmeView> ViewGaudi2Mme(const hal::abi::gaudi2::MmeDescriptor& descriptor);

// The same descriptor as one walk of 256 rows, 256 columns and both for the output, without the
// zeros that fill up the common dim: what MatchMme understands. None if the ports do not continue
// each other so.
std::optional<MmeView> MergePorts(const Gaudi2MmeView& view);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_GAUDI2_MME_VIEW_H_
