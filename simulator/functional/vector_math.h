// Elementary functions over arrays of fp32: y[i] = f(x[i]), 0 <= i < n. The device's own
// arithmetic: plain additions, multiplications, divisions and square roots in a fixed order, no
// contraction and no libm, so the bits are the same on every machine, instruction set and thread
// count, and do not depend on n or i.
//
// Output and input may be the same array; otherwise they do not overlap. Accuracy is at most 4
// units in the last place everywhere (1 to 2 for most; vector_math_test.cc states each bound),
// denormals are neither flushed nor skipped, and specials are those of C's functions. NaN in gives
// NaN out.
#ifndef SIMULATOR_FUNCTIONAL_VECTOR_MATH_H_
#define SIMULATOR_FUNCTIONAL_VECTOR_MATH_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

void Exp(const float* x, float* y, size_t n);
void Expm1(const float* x, float* y, size_t n);
void Log(const float* x, float* y, size_t n);
void Log1p(const float* x, float* y, size_t n);
void Log2(const float* x, float* y, size_t n);
void Sqrt(const float* x, float* y, size_t n);
void Rsqrt(const float* x, float* y, size_t n);       // 1 / sqrt(x), two roundings
void Reciprocal(const float* x, float* y, size_t n);  // 1 / x
void Sin(const float* x, float* y, size_t n);
void Cos(const float* x, float* y, size_t n);
void Tan(const float* x, float* y, size_t n);
void Tanh(const float* x, float* y, size_t n);
void Erf(const float* x, float* y, size_t n);
void Sigmoid(const float* x, float* y, size_t n);
void Atan(const float* x, float* y, size_t n);

void Pow(const float* x, const float* exponent, float* y, size_t n);
void Atan2(const float* ordinate, const float* abscissa, float* angle, size_t n);
void Fmod(const float* x, const float* divisor, float* y, size_t n);  // exact

// bf16 <-> fp32: hal/base/dtype.h's conversions over arrays.
void WidenBFloat16(const uint16_t* x, float* y, size_t n);
void NarrowToBFloat16(const float* x, uint16_t* y, size_t n);
// Narrows and widens: what a value of dtype bf16 is when it is kept as fp32.
void RoundToBFloat16(const float* x, float* y, size_t n);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_VECTOR_MATH_H_
