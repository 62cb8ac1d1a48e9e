// Independent units of a kernel's work, among threads.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_UNITS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_UNITS_H_

#include <cstdint>

namespace openhpu::simulator {

// Calls run(worker, unit) once for each unit of [0, units), in any order, and in several threads if
// that is worthwhile; each has a worker of its own, which make() returns. Alone it opens no
// parallel region, not even of one thread: its barriers are calls of the kernel, which take longer
// than a small command.
template <typename Make, typename Run>
void ForUnits(int64_t units, bool worthwhile, const Make& make, const Run& run) {
  if (units < 2 || !worthwhile) {
    auto worker = make();
    for (int64_t unit = 0; unit < units; ++unit) run(worker, unit);
    return;
  }
#pragma omp parallel
  {
    auto worker = make();
#pragma omp for schedule(static) nowait
    for (int64_t unit = 0; unit < units; ++unit) run(worker, unit);
  }
}

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_UNITS_H_
