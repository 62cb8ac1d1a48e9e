// Runs workloads through the same stack as any user of the device: recorder, compiler, instances,
// driver.
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "graph/recipe_file.h"
#include "graph/recorder.h"
#include "hal/base/status_macros.h"
#include "runtime/context.h"
#include "runtime/instance.h"
#include "runtime/stream.h"
#include "simulator/scenario/faults.h"
#include "simulator/scenario/judge.h"
#include "simulator/scenario/scenario.h"

namespace openhpu::simulator {
namespace {

// The open card with one stream. Members are destroyed last to first.
struct Bench {
  Simulator* simulator = nullptr;
  std::unique_ptr<runtime::Context> context;
  std::unique_ptr<runtime::Stream> stream;
  std::unique_ptr<graph::Engine> engine;
  std::unique_ptr<graph::Recorder> recorder;
};

// What one repeat does, what it moves and computes by definition. `keep` owns what it works on.
struct Workload {
  std::function<absl::Status()> repeat;
  uint64_t bytes = 0;
  double flops = 0;
  std::vector<std::shared_ptr<void>> keep;
};

// The stream and what works on it; a reset leaves nothing of what they had loaded.
absl::Status OpenStream(Bench& bench, const Scenario& scenario) {
  bench.recorder.reset();
  bench.engine.reset();
  bench.stream.reset();
  ASSIGN_OR_RETURN(bench.stream, bench.context->CreateStream());
  graph::CompileOptions options;
  options.fuse = scenario.has_element_wise() && scenario.element_wise().fused();
  bench.engine = std::make_unique<graph::Engine>(*bench.context, options);
  bench.recorder = std::make_unique<graph::Recorder>(*bench.engine, *bench.stream);
  return absl::OkStatus();
}

absl::StatusOr<Bench> OpenBench(const Scenario& scenario) {
  std::string spec =
      absl::StrCat("sim:", scenario.chip(), ",arithmetic=", scenario.exact() ? "exact" : "fast");
  if (scenario.hazards()) absl::StrAppend(&spec, ",hazards=on");
  for (const Override& o : scenario.overrides())
    absl::StrAppend(&spec, ",", o.path(), "=", o.value());
  Bench bench;
  ASSIGN_OR_RETURN(std::unique_ptr<Simulator> opened, Simulator::Open(spec));
  bench.simulator = opened.get();
  ASSIGN_OR_RETURN(bench.context, runtime::Context::Create(std::move(opened)));
  RETURN_IF_ERROR(OpenStream(bench, scenario));
  return bench;
}

DType TypeOf(ElementType type) { return type == BFLOAT16 ? DType::kBFloat16 : DType::kFloat32; }

graph::TensorRef NewTensor(graph::Engine& engine, DType type, std::vector<int64_t> sizes) {
  graph::TensorRef ref;
  int64_t elements = 1;
  for (const int64_t s : sizes) elements *= s;
  ref.storage = engine.NewStorage(static_cast<uint64_t>(elements) * StorageBytes(type));
  ref.dtype = type;
  ref.sizes.assign(sizes.begin(), sizes.end());
  ref.strides = graph::ContiguousStrides(ref.sizes);
  return ref;
}

// Captures what `record` records, once; a repeat replays it.
absl::StatusOr<Workload> Captured(Bench& bench, const std::function<absl::Status()>& record,
                                  std::vector<std::shared_ptr<void>> keep) {
  auto captured = std::make_shared<graph::CapturedGraph>();
  RETURN_IF_ERROR(bench.recorder->BeginCapture(captured.get()));
  RETURN_IF_ERROR(record());
  RETURN_IF_ERROR(bench.recorder->EndCapture());
  Workload workload;
  workload.repeat = [captured] { return captured->Replay(); };
  workload.keep = std::move(keep);
  workload.keep.push_back(captured);
  return workload;
}

absl::StatusOr<Workload> MakeCopy(Bench& bench, const CopyWorkload& copy) {
  const int64_t bytes = static_cast<int64_t>(copy.bytes());
  const graph::TensorRef device = NewTensor(*bench.engine, DType::kUInt8, {bytes});
  auto host = std::make_shared<std::vector<std::byte>>(copy.bytes());
  RETURN_IF_ERROR(bench.recorder->CopyFromHost(host->data(), copy.bytes(), *device.storage, 0));
  if (copy.direction() == DEVICE_TO_DEVICE) {
    const graph::TensorRef other = NewTensor(*bench.engine, DType::kUInt8, {bytes});
    ASSIGN_OR_RETURN(
        Workload workload,
        Captured(bench,
                 [&] { return bench.recorder->Record("copy", {}, {device}, {other}, "copy"); },
                 {device.storage, other.storage}));
    workload.bytes = copy.bytes();
    return workload;
  }
  Workload workload;
  workload.bytes = copy.bytes();
  workload.keep = {host, device.storage};
  graph::Recorder* recorder = bench.recorder.get();
  if (copy.direction() == HOST_TO_DEVICE) {
    workload.repeat = [=] {
      return recorder->CopyFromHost(host->data(), host->size(), *device.storage, 0);
    };
  } else {
    workload.repeat = [=] {
      return recorder->CopyToHost(*device.storage, 0, host->size(), host->data());
    };
  }
  return workload;
}

absl::StatusOr<Workload> MakeGemm(Bench& bench, const GemmWorkload& gemm) {
  const DType type = TypeOf(gemm.type());
  const int64_t m = gemm.m(), n = gemm.n(), k = gemm.k();
  const graph::TensorRef a = NewTensor(*bench.engine, type, {m, k});
  const graph::TensorRef b = NewTensor(*bench.engine, type, {k, n});
  const graph::TensorRef c = NewTensor(*bench.engine, type, {m, n});
  RETURN_IF_ERROR(bench.recorder->Record(
      "full", {{"fill_value", 0.5}, {"size", std::vector<int64_t>{m, k}}}, {}, {a}, "gemm"));
  RETURN_IF_ERROR(bench.recorder->Record(
      "full", {{"fill_value", 0.25}, {"size", std::vector<int64_t>{k, n}}}, {}, {b}, "gemm"));
  RETURN_IF_ERROR(bench.recorder->Flush());
  ASSIGN_OR_RETURN(Workload workload,
                   Captured(bench,
                            [&] {
                              return bench.recorder->Record("mm", {}, {a, b}, {c}, "gemm");
                            },
                            {a.storage, b.storage, c.storage}));
  workload.bytes = static_cast<uint64_t>(m * k + k * n + m * n) * StorageBytes(type);
  workload.flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  return workload;
}

absl::StatusOr<Workload> MakeElementWise(Bench& bench, const ElementWiseWorkload& chain) {
  const DType type = TypeOf(chain.type());
  const int64_t elements = static_cast<int64_t>(chain.elements());
  const graph::TensorRef input = NewTensor(*bench.engine, type, {elements});
  const graph::TensorRef output = NewTensor(*bench.engine, type, {elements});
  RETURN_IF_ERROR(bench.recorder->Record(
      "full", {{"fill_value", 1.0}, {"size", std::vector<int64_t>{elements}}}, {}, {input},
      "chain"));
  RETURN_IF_ERROR(bench.recorder->Flush());
  const auto record = [&]() -> absl::Status {
    graph::TensorRef last = input;
    for (uint32_t i = 0; i < chain.length(); ++i) {
      const graph::TensorRef next =
          i + 1 == chain.length() ? output : NewTensor(*bench.engine, type, {elements});
      RETURN_IF_ERROR(
          bench.recorder->Record("add", {}, {last, input}, {next}, absl::StrCat("chain[", i, "]")));
      last = next;
    }
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(Workload workload, Captured(bench, record, {input.storage, output.storage}));
  workload.bytes = 2 * chain.elements() * static_cast<uint64_t>(StorageBytes(type)) *
                   (chain.fused() ? 1 : chain.length());
  return workload;
}

// The recipe's bindings are zeroed memory of their own.
absl::StatusOr<Workload> MakeRecipe(Bench& bench, const std::string& path) {
  ASSIGN_OR_RETURN(const graph::Recipe recipe, graph::LoadRecipe(path, bench.context->chip()));
  struct Loaded {
    std::vector<std::unique_ptr<runtime::DeviceMemory>> memory;
    std::unique_ptr<runtime::Instance> prepare, main;
  };
  auto loaded = std::make_shared<Loaded>();
  std::vector<DeviceAddress> graph_addresses, prepared_addresses;
  const auto allocate = [&](uint64_t bytes) -> absl::StatusOr<DeviceAddress> {
    ASSIGN_OR_RETURN(std::unique_ptr<runtime::DeviceMemory> memory, bench.context->Allocate(bytes));
    const std::vector<std::byte> zeros(bytes);
    RETURN_IF_ERROR(bench.stream->CopyToDevice(zeros.data(), bytes, memory->address()));
    const DeviceAddress address = memory->address();
    loaded->memory.push_back(std::move(memory));
    return address;
  };
  for (const graph::PreparedConstant& constant : recipe.prepared) {
    ASSIGN_OR_RETURN(const DeviceAddress address, allocate(constant.bytes));
    prepared_addresses.push_back(address);
  }
  const auto bind = [&](const runtime::Program& program,
                        const std::vector<graph::RecipeBinding>& bindings)
      -> absl::StatusOr<std::vector<DeviceAddress>> {
    std::vector<DeviceAddress> addresses;
    for (size_t i = 0; i < bindings.size(); ++i) {
      if (bindings[i].prepared) {
        addresses.push_back(prepared_addresses[bindings[i].index]);
        continue;
      }
      if (graph_addresses.size() <= bindings[i].index)
        graph_addresses.resize(bindings[i].index + 1);
      DeviceAddress& address = graph_addresses[bindings[i].index];
      if (address == DeviceAddress()) {
        ASSIGN_OR_RETURN(address, allocate(program.bindings[i].bytes));
      }
      addresses.push_back(address);
    }
    return addresses;
  };
  if (recipe.prepare) {
    ASSIGN_OR_RETURN(const std::vector<DeviceAddress> addresses,
                     bind(*recipe.prepare, recipe.prepare_bindings));
    ASSIGN_OR_RETURN(loaded->prepare, runtime::Instance::Load(*bench.stream, *recipe.prepare));
    RETURN_IF_ERROR(loaded->prepare->Launch(addresses));
  }
  ASSIGN_OR_RETURN(const std::vector<DeviceAddress> addresses,
                   bind(recipe.main, recipe.main_bindings));
  ASSIGN_OR_RETURN(loaded->main, runtime::Instance::Load(*bench.stream, recipe.main));
  Workload workload;
  workload.repeat = [loaded, addresses] { return loaded->main->Launch(addresses); };
  workload.keep = {loaded};
  return workload;
}

absl::StatusOr<Workload> MakeWorkload(Bench& bench, const Scenario& scenario,
                                      const std::string& folder) {
  switch (scenario.workload_case()) {
    case Scenario::kCopy:
      return MakeCopy(bench, scenario.copy());
    case Scenario::kGemm:
      return MakeGemm(bench, scenario.gemm());
    case Scenario::kElementWise:
      return MakeElementWise(bench, scenario.element_wise());
    case Scenario::kRecipe:
      return MakeRecipe(bench, scenario.recipe()[0] == '/'
                                   ? scenario.recipe()
                                   : absl::StrCat(folder, "/", scenario.recipe()));
    case Scenario::WORKLOAD_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(scenario.name(), ": no workload"));
}

absl::Status Repeat(Bench& bench, const Workload& workload) {
  RETURN_IF_ERROR(workload.repeat());
  return bench.recorder->Synchronize();
}

// The workload, loaded and warm.
absl::StatusOr<Workload> Prepare(Bench& bench, const Scenario& scenario,
                                 const std::string& folder) {
  ASSIGN_OR_RETURN(Workload workload, MakeWorkload(bench, scenario, folder));
  RETURN_IF_ERROR(Repeat(bench, workload));  // addresses, caches of the queue managers
  return workload;
}

// Resets the device and loads the workload again, as often as that is hit by another fault.
absl::Status Recover(Bench& bench, Workload& workload, const Scenario& scenario,
                     const std::string& folder, Picoseconds start, Report& report, int& explained) {
  const Picoseconds begin = bench.simulator->statistics().now;
  absl::StatusOr<Workload> fresh = absl::InternalError("not tried");
  for (int i = 0; i <= scenario.faults_size() && !fresh.ok(); ++i) {
    RETURN_IF_ERROR(bench.context->Reset());
    ++report.resets;
    // A reset takes back what has come. What comes later may strike the next repeat as well.
    explained = CountFaults(scenario, start, *bench.simulator);
    workload = Workload();
    fresh = Workload();
    RETURN_IF_ERROR(OpenStream(bench, scenario));
    fresh = Prepare(bench, scenario, folder);
    NoteEvents(*bench.simulator, report);
  }
  RETURN_IF_ERROR(fresh.status());
  workload = *std::move(fresh);
  report.recovering += bench.simulator->statistics().now - begin;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> RunScenario(const Scenario& scenario, const std::string& folder,
                                   TraceSink* trace) {
  ASSIGN_OR_RETURN(Bench bench, OpenBench(scenario));
  ASSIGN_OR_RETURN(Workload workload, Prepare(bench, scenario, folder));

  bench.simulator->ResetStatistics();
  bench.simulator->SetTrace(trace);
  Report report;
  report.name = scenario.name();
  report.chip = bench.context->chip().name();
  report.workload_bytes = workload.bytes;
  report.workload_flops = workload.flops;
  const Picoseconds start = bench.simulator->statistics().now;
  RETURN_IF_ERROR(OrderFaults(scenario, start, *bench.simulator));
  Picoseconds last = start;
  int explained = 0;  // faults that have come, and what they did is dealt with
  const uint32_t repeats = std::max<uint32_t>(1, scenario.repeats());
  for (uint32_t i = 0; i < repeats && report.recovered; ++i) {
    const absl::Status status = Repeat(bench, workload);
    const Picoseconds now = bench.simulator->statistics().now;
    NoteEvents(*bench.simulator, report);
    if (status.ok()) {
      report.latencies.push_back(now - last);
      last = now;
      continue;
    }
    // What no fault explains is an error, as in any scenario.
    const int came = CountFaults(scenario, start, *bench.simulator);
    if (came == explained) return status;
    report.lost.push_back({i, now - start, std::string(status.message())});
    report.recovered = scenario.reset_after_fault();
    if (report.recovered) {
      if (absl::Status failed =
              Recover(bench, workload, scenario, folder, start, report, explained);
          !failed.ok()) {
        report.recovered = false;
        absl::StrAppend(&report.lost.back().why, "; no recovery: ", std::string(failed.message()));
      }
    }
    last = bench.simulator->statistics().now;
  }
  report.total = last - start;
  report.statistics = bench.simulator->statistics();
  // A fault between the last repeat's end and the host's knowing of it fails no repeat, and a hang
  // shows only when there is work: so the work is tried once more, unmeasured.
  if (report.recovered && CountFaults(scenario, start, *bench.simulator) > explained) {
    report.recovered = Repeat(bench, workload).ok();
    NoteEvents(*bench.simulator, report);
    if (!report.recovered && scenario.reset_after_fault()) {
      report.recovered = Recover(bench, workload, scenario, folder, start, report, explained).ok();
    }
  }
  // With those that came in that trial: they may be why it failed.
  NoteFaults(scenario, start, *bench.simulator, report);
  bench.simulator->SetTrace(nullptr);
  RETURN_IF_ERROR(Judge(scenario, report));
  return report;
}

}  // namespace openhpu::simulator
