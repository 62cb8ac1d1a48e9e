// Operators on lists of tensors: PyTorch's own loops over the lists, whose every step is an
// operator of one tensor, in place where the list is written. So no write is lost.
#include <ATen/ops/_foreach_abs_native.h>
#include <ATen/ops/_foreach_acos_native.h>
#include <ATen/ops/_foreach_add_native.h>
#include <ATen/ops/_foreach_addcdiv_native.h>
#include <ATen/ops/_foreach_addcmul_native.h>
#include <ATen/ops/_foreach_asin_native.h>
#include <ATen/ops/_foreach_atan_native.h>
#include <ATen/ops/_foreach_ceil_native.h>
#include <ATen/ops/_foreach_cos_native.h>
#include <ATen/ops/_foreach_cosh_native.h>
#include <ATen/ops/_foreach_div_native.h>
#include <ATen/ops/_foreach_erf_native.h>
#include <ATen/ops/_foreach_erfc_native.h>
#include <ATen/ops/_foreach_exp_native.h>
#include <ATen/ops/_foreach_expm1_native.h>
#include <ATen/ops/_foreach_floor_native.h>
#include <ATen/ops/_foreach_frac_native.h>
#include <ATen/ops/_foreach_lgamma_native.h>
#include <ATen/ops/_foreach_log10_native.h>
#include <ATen/ops/_foreach_log1p_native.h>
#include <ATen/ops/_foreach_log2_native.h>
#include <ATen/ops/_foreach_log_native.h>
#include <ATen/ops/_foreach_maximum_native.h>
#include <ATen/ops/_foreach_minimum_native.h>
#include <ATen/ops/_foreach_mul_native.h>
#include <ATen/ops/_foreach_neg_native.h>
#include <ATen/ops/_foreach_norm_native.h>
#include <ATen/ops/_foreach_reciprocal_native.h>
#include <ATen/ops/_foreach_round_native.h>
#include <ATen/ops/_foreach_sigmoid_native.h>
#include <ATen/ops/_foreach_sin_native.h>
#include <ATen/ops/_foreach_sinh_native.h>
#include <ATen/ops/_foreach_sqrt_native.h>
#include <ATen/ops/_foreach_sub_native.h>
#include <ATen/ops/_foreach_tan_native.h>
#include <ATen/ops/_foreach_tanh_native.h>
#include <ATen/ops/_foreach_trunc_native.h>
#include <ATen/ops/_foreach_zero_native.h>
#include <torch/library.h>

namespace openhpu::python {

#define FUNCTION(name)                                                                 \
  library.impl("_foreach_" #name, TORCH_FN(at::native::foreach_tensor_##name##_slow)); \
  library.impl("_foreach_" #name "_", TORCH_FN(at::native::foreach_tensor_##name##_slow_))
#define OVERLOAD(name, overload, function)                                       \
  library.impl("_foreach_" #name "." #overload,                                  \
               TORCH_FN(at::native::foreach_tensor_##name##_##function##_slow)); \
  library.impl("_foreach_" #name "_." #overload,                                 \
               TORCH_FN(at::native::foreach_tensor_##name##_##function##_slow_))

void RegisterForeach(torch::Library& library) {
  FUNCTION(abs);
  FUNCTION(acos);
  FUNCTION(asin);
  FUNCTION(atan);
  FUNCTION(ceil);
  FUNCTION(cos);
  FUNCTION(cosh);
  FUNCTION(erf);
  FUNCTION(erfc);
  FUNCTION(exp);
  FUNCTION(expm1);
  FUNCTION(floor);
  FUNCTION(frac);
  FUNCTION(lgamma);
  FUNCTION(log);
  FUNCTION(log10);
  FUNCTION(log1p);
  FUNCTION(log2);
  FUNCTION(neg);
  FUNCTION(reciprocal);
  FUNCTION(round);
  FUNCTION(sigmoid);
  FUNCTION(sin);
  FUNCTION(sinh);
  FUNCTION(sqrt);
  FUNCTION(tan);
  FUNCTION(tanh);
  FUNCTION(trunc);
  OVERLOAD(add, Scalar, scalar_kernel);
  OVERLOAD(add, List, list_kernel);
  OVERLOAD(add, ScalarList, scalarlist_kernel);
  OVERLOAD(sub, Scalar, scalar_kernel);
  OVERLOAD(sub, List, list_kernel);
  OVERLOAD(sub, ScalarList, scalarlist_kernel);
  OVERLOAD(mul, Scalar, scalar_kernel);
  OVERLOAD(mul, List, list_kernel);
  OVERLOAD(mul, ScalarList, scalarlist_kernel);
  OVERLOAD(div, Scalar, scalar_kernel);
  OVERLOAD(div, List, list_kernel);
  OVERLOAD(div, ScalarList, scalarlist_kernel);
  OVERLOAD(addcdiv, Scalar, scalar);
  OVERLOAD(addcdiv, ScalarList, scalarlist);
  OVERLOAD(addcmul, Scalar, scalar);
  OVERLOAD(addcmul, ScalarList, scalarlist);
  library.impl("_foreach_maximum.List", TORCH_FN(at::native::foreach_tensor_maximum_slow));
  library.impl("_foreach_maximum_.List", TORCH_FN(at::native::foreach_tensor_maximum_slow_));
  library.impl("_foreach_minimum.List", TORCH_FN(at::native::foreach_tensor_minimum_slow));
  library.impl("_foreach_minimum_.List", TORCH_FN(at::native::foreach_tensor_minimum_slow_));
  library.impl("_foreach_norm.Scalar", TORCH_FN(at::native::foreach_tensor_norm_slow));
  library.impl("_foreach_zero_", TORCH_FN(at::native::foreach_tensor_zero_slow_));
}

#undef FUNCTION
#undef OVERLOAD

}  // namespace openhpu::python
