// Inner loops on rows of fp32 for softmax, normalisation, pooling and convolution: the same bits on
// every instruction set. Rows do not overlap, except that an output may be exactly an input where
// it has the same length.
#ifndef SIMULATOR_FUNCTIONAL_KERNELS_ROW_LOOPS_H_
#define SIMULATOR_FUNCTIONAL_KERNELS_ROW_LOOPS_H_

#include <cstddef>
#include <cstdint>

namespace openhpu::simulator {

// The largest value, NaN left out; -inf for none.
float LargestOf(const float* x, size_t n);
// largest[i] = max(largest[i], x[i]), NaN in x left out.
void TakeLargest(const float* x, float* largest, size_t n);
void SubtractScalar(const float* x, float s, float* y, size_t n);
void DivideByScalar(const float* x, float s, float* y, size_t n);
void SubtractRow(const float* x, const float* row, float* y, size_t n);
void DivideByRow(const float* x, const float* row, float* y, size_t n);
void AddRow(const float* x, float* sum, size_t n);

// y = (x - mean) * rstd [* weight] [+ bias]; weight and bias may be null.
void NormalizeRun(const float* x, float mean, float rstd, const float* weight, const float* bias,
                  float* y, size_t n);
void NormalizeRow(const float* x, const float* mean, const float* rstd, const float* weight,
                  const float* bias, float* y, size_t n);

// Max pooling: largest and, unless null, where. A NaN wins and stays.
void PoolLargest(const float* x, int32_t position, float* largest, int32_t* where, size_t n);

// y[i] = sum over taps, in order, of x[tap][i] * weight[tap][i].
void MultiplyTaps(const float* const* x, const float* const* weight, size_t taps, float* y,
                  size_t n);

// sum[i] += a * b[i], wrapping.
void MultiplyAddIntegers(int32_t a, const int32_t* b, int32_t* sum, size_t n);

}  // namespace openhpu::simulator

#endif  // SIMULATOR_FUNCTIONAL_KERNELS_ROW_LOOPS_H_
