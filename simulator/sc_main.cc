// libsystemc's main() calls sc_main(), so the library does not link without one. Programs here have
// a main of their own, and drive their machines through SimulationContext: this is never the way
// in.
#include <cstdio>
#include <systemc>

int sc_main(int, char**) {
  std::fprintf(stderr, "SystemC's main was linked before the program's own\n");
  return 1;
}
