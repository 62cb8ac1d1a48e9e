// ATen operators -> recorded nodes.
//
// Most operators go through one boxed handler (generic.cc) driven by the op declarations of
// //graph: their `aten` names, PyTorch's own meta kernels for shapes and dtypes, PyTorch's argument
// names for attributes. What does not fit that form is written by hand (special.cc), views and
// factories in views.cc, copies in copies.cc. The rest falls back to the CPU, counted and ruled by
// PT_HPU_PLACE_ON_CPU (fallback.cc).
#ifndef PYTHON_NATIVE_LOWERING_H_
#define PYTHON_NATIVE_LOWERING_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <torch/library.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/ir.h"

namespace openhpu::python {

// The results of an op for these operands; nothing if its declaration does not take them: then the
// CPU may.
std::optional<std::vector<graph::TensorType>> InferDeclared(std::string_view op,
                                                            const graph::Attributes& attributes,
                                                            at::ArrayRef<at::Tensor> inputs);

// Appends a node to the current stream's segment. Throws with the op's name and the user's line
// when the declaration does not take it.
void Record(std::string_view op, graph::Attributes attributes, at::ArrayRef<at::Tensor> inputs,
            at::ArrayRef<at::Tensor> outputs);

// dst := src, both on hpu, any dtypes and strides, broadcasting src to dst's sizes.
void RecordCopy(const at::Tensor& src, const at::Tensor& dst);
// `tensor` itself when it has that type on hpu; else a recorded cast. CPU scalars (0-dim) become
// recorded constants.
at::Tensor OnDevice(const at::Tensor& tensor, c10::ScalarType type);

// The boxed handler of declared ops, in functional, in-place and out= form.
void RunDeclared(const c10::OperatorHandle& op, torch::jit::Stack* stack);
// The boxed CPU fallback. CountFallback is what comes before the CPU: it counts, or throws where
// PT_HPU_PLACE_ON_CPU or a capture forbids. `name` is "aten::sort.stable".
void CountFallback(const std::string& name);
void FallBack(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// Every `aten` name of every declaration, with its in-place and out= forms, but not those in
// `skip`.
void RegisterDeclared(torch::Library& library, const std::set<std::string>& skip);
// "aten::add.Tensor": what RegisterDeclared bound; and names in declarations that this PyTorch does
// not have (a test wants none).
std::vector<std::string> BoundOperators();
std::vector<std::string> UnknownOperators();
// Registers everything at dispatch keys HPU and AutogradHPU; once, when the module is loaded.
void RegisterLowerings();

// "file.py:12" of the innermost Python frame that is not PyTorch's or ours; empty without Python.
std::string UserLine();

// Throws if this thread captures on its current stream: the op by name, the user's line, `why`; the
// recording is discarded.
void RefuseDuringCapture(const std::string& op, const std::string& why);

// How often each op fell back to the CPU since the process began.
std::map<std::string, uint64_t> FallbackCounts();

}  // namespace openhpu::python

#endif  // PYTHON_NATIVE_LOWERING_H_
