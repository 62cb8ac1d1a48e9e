// Random numbers on the device, from CPU generators.
//
// A generator of PyTorch's is an MT19937: 624 words from which 624 draws are made, then the next
// 624. Each random operator takes one draw of the host's generator, and what it makes follows from
// the generator's state at that moment alone: the key of the device's Philox is a hash of the 624
// words, the draw's number among them is part of its counter. So equal states give equal numbers,
// however they came about (manual_seed, set_state, other draws), eager or replayed, and get_state
// and set_state mean what they mean on the CPU.
//
// The device holds the keys of the next kKeys times 624 draws and a position among them
// (hal/kernel/kernels.h, guid openhpu.random), one such state a generator and stream, and one a
// capture. A node reads it, with the number of its draw within its segment; the segment's end moves
// the position on. The host writes a state only when the generator is not where the device's state
// has it: replay after replay needs no copy.
//
// Of several streams, and of a capture that draws on several, each has a state of its own, and the
// draws are numbered in the order in which the host gives them.
#ifndef PYTHON_NATIVE_RANDOM_H_
#define PYTHON_NATIVE_RANDOM_H_

#include <ATen/core/Generator.h>
#include <torch/library.h>

namespace openhpu::python {

// The generator of random operators that are given none. Before the first call it is one of our
// own, seeded as the CPU's default one is. Throws unless it is a CPU generator.
void SetDefaultGenerator(at::Generator generator);

void RegisterRandom(torch::Library& library);

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_RANDOM_H_
