// Small programs for the runtime's tests, written by hand as the compiler would.
#ifndef RUNTIME_TESTING_PROGRAMS_H_
#define RUNTIME_TESTING_PROGRAMS_H_

#include <cstdint>

#include "hal/base/status_macros.h"
#include "hal/chip.pb.h"
#include "hal/command_writer.h"
#include "runtime/program.h"

namespace openhpu::runtime {

// For copies of binding 0 to binding 1, `bytes` each; the workspace is as much, behind `offset`.
inline Program CopyBindings(const hal::Chip& chip, uint32_t bytes, uint64_t offset) {
  Program program;
  program.chip = chip.name();
  program.workspace_bytes = offset + bytes;
  program.bindings = {{"from", bytes, true, false}, {"to", bytes, false, true}};
  return program;
}

inline void MustWrite(const absl::Status& status) { OPENHPU_CHECK(status.ok()); }

// Binding 0 is copied to binding 1, `bytes` each, through the workspace: `engines` compute DMAs
// each take a slice, in two commands. The workspace starts at `workspace_offset` of the arena, so
// that its size can be chosen.
inline Program CopyProgram(const hal::Chip& chip, uint32_t bytes, int engines,
                           uint64_t workspace_offset = 0) {
  using hal::CommandWriter;
  Program program = CopyBindings(chip, bytes, workspace_offset);
  program.queues.resize(engines);
  const uint32_t from = program.binding_symbol(0), to = program.binding_symbol(1);
  // Sync objects 0 .. engines - 1 count; 8 .. are the go objects. Monitor 0 is the external
  // queue's.
  program.sobs = 16;
  program.monitors = 1 + engines;
  auto external =
      *CommandWriter::Create(chip, {hal::EngineKind::kHostDma, 0}, CommandWriter::Role::kExternal);
  MustWrite(external->SetUpMonitors(0, 1));
  for (int i = 0; i < engines; ++i) {
    const hal::Engine engine = {hal::EngineKind::kDma, static_cast<uint8_t>(i)};
    auto upper = *CommandWriter::Create(chip, engine, CommandWriter::Role::kUpper);
    auto body = *CommandWriter::Create(chip, engine, CommandWriter::Role::kBody);
    const uint32_t slice = bytes / engines, at = i * slice, monitor = 1 + i;
    const uint8_t bit = static_cast<uint8_t>(1 << i);
    hal::DmaCopy copy;
    copy.run = slice;
    copy.source = {from, at};
    copy.destination = {kWorkspaceSymbol, workspace_offset + at};
    MustWrite(body->Dma(copy, hal::Sob{static_cast<uint32_t>(i)}));
    const uint32_t first = body->size();
    copy.source = copy.destination;
    copy.destination = {to, at};
    MustWrite(body->Dma(copy, hal::Sob{static_cast<uint32_t>(i)}));
    MustWrite(upper->SetUpMonitors(monitor, 1));
    MustWrite(upper->Await({{1, bit, 1}}, monitor));
    MustWrite(upper->SetSob(hal::Sob{8u + i}, 0, false));
    const uint32_t symbol = kFirstBodySymbol + i;
    MustWrite(upper->Run({symbol, 0}, first));
    MustWrite(upper->Await({{0, bit, 1}}, monitor));
    MustWrite(upper->Run({symbol, first}, body->size() - first));
    MustWrite(external->SetSob(hal::Sob{8u + i}, 1, false));
    program.queues[i] = {engine, upper->Take(), body->Take()};
  }
  MustWrite(external->Await({{0, static_cast<uint8_t>((1 << engines) - 1), 2}}, 0));
  for (int i = 0; i < engines; ++i) {
    MustWrite(external->SetSob(hal::Sob{static_cast<uint32_t>(i)}, 0, false));
  }
  program.external = external->Take();
  return program;
}

// The same by the external commands alone, which name both bindings and the workspace.
inline Program ExternalCopyProgram(const hal::Chip& chip, uint32_t bytes,
                                   uint64_t workspace_offset = 0) {
  using hal::CommandWriter;
  Program program = CopyBindings(chip, bytes, workspace_offset);
  auto external =
      *CommandWriter::Create(chip, {hal::EngineKind::kHostDma, 0}, CommandWriter::Role::kExternal);
  const hal::SymbolicAddress workspace = {kWorkspaceSymbol, workspace_offset};
  MustWrite(external->HostCopy({program.binding_symbol(0), 0}, workspace, bytes));
  MustWrite(external->HostCopy(workspace, {program.binding_symbol(1), 0}, bytes));
  program.external = external->Take();
  return program;
}

}  // namespace openhpu::runtime

#endif  // RUNTIME_TESTING_PROGRAMS_H_
